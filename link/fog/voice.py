"""Voice: what a member says, sealed, addressed and counted."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from link.fog.frame import PLACES, SALT_BYTES, Flag, Header, Kind, TeamSeal
from link.fog.interface import Outgoing


@dataclass(frozen=True)
class Again:
    """A frame that is said a second time."""

    due_s: float
    frame: bytes
    to: frozenset[int]
    is_for_silent: bool
    "To those of them only who were not heard by then."


class Voice:
    """Frames of one start of one member, until they are taken."""

    def __init__(
        self, member: int, seal: TeamSeal, is_medium_shared: bool, salt: bytes | None
    ) -> None:
        self.member = member
        self.flags = Flag(0)
        self.image = 0
        "Under whose id it speaks."
        self.n_frames = self.sent_bytes = 0
        "About this image: once for each that a frame is sent to."
        self._seal = seal
        self._is_shared = is_medium_shared
        self._reached: set[int] = set()
        self._salt = salt or secrets.token_bytes(SALT_BYTES)
        self._n_numbers = 0
        self._frames: list[Outgoing] = []
        self._again: list[Again] = []

    def turn_to(self, image: int) -> None:
        """From now on about another image."""
        self.image, self._n_numbers = image, 0
        self._reached.clear()
        self.n_frames = self.sent_bytes = 0
        self._again.clear()

    def say(self, kind: Kind, place: int, body: bytes, to: Iterable[int]) -> bytes:
        """Once at each place; the frame, which may be repeated."""
        header = Header(kind, self.flags, self.member, place, self.image, self._salt)
        frame = self._seal.seal(header, body)
        self.repeat(frame, to)
        return frame

    def say_twice(
        self,
        kind: Kind,
        place: int,
        body: bytes,
        to: frozenset[int],
        again_s: float,
        is_for_silent: bool = False,
    ) -> None:
        """Now, and at that time once more, should no newer image have begun: who has heard the
        first one drops it unopened.
        """
        frame = self.say(kind, place, body, to)
        self._again.append(Again(again_s, frame, to, is_for_silent))

    @property
    def due_s(self) -> float:
        """When something is to be said again; inf: never."""
        return min((one.due_s for one in self._again), default=inf)

    def say_again(self, now_s: float, heard: Iterable[int]) -> None:
        """What is due."""
        due = [one for one in self._again if one.due_s <= now_s]
        self._again = [one for one in self._again if one.due_s > now_s]
        for one in due:
            self.repeat(one.frame, one.to.difference(heard) if one.is_for_silent else one.to)

    def say_next(self, kind: Kind, body: bytes, to: frozenset[int]) -> None:
        """At the next number, where one is left and somebody to hear it."""
        if to and not self.is_exhausted:
            self._n_numbers += 1
            self.say(kind, self._n_numbers - 1, body, to)

    @property
    def is_exhausted(self) -> bool:
        """All numbers of this image are used up."""
        return self._n_numbers == PLACES

    def unreached(self, members: frozenset[int]) -> frozenset[int]:
        """Whoever of them was told nothing since this image began."""
        return frozenset() if self._is_shared and self._reached else members - self._reached

    def repeat(self, frame: bytes, to: Iterable[int]) -> None:
        members = tuple(sorted(set(to) - {self.member}))
        if members:
            self._frames.append(Outgoing(frame, members))
            self._reached |= set(members)
            n_copies = 1 if self._is_shared else len(members)
            self.n_frames += n_copies
            self.sent_bytes += n_copies * len(frame)

    def take(self) -> list[Outgoing]:
        taken, self._frames = self._frames, []
        return taken
