"""Session: a member's end of the talk within a team. Frames, outputs of parts and `now_s` come in;
frames, parts to be computed, finished images and the next deadline come out.

    leader     TICK [PIXELS …] ────────────────────────────────────────┐
    member g   captured → part (0, g) → TENSOR → part (1, g) → … → LATENTS ─→ aggregator → host
    all        HERE, to whom they told nothing else                    RECEIPT ←┘

What becomes of an image is told in link.fog.course, who leads and who sends in link.fog.presence.
Nothing is sent again, but that TICK and LATENTS are said twice.
"""

from collections.abc import Sequence
from math import inf

import numpy as np

from link.fog.course import AGAIN, Course
from link.fog.custody import Custody
from link.fog.frame import MAX_IMAGE, Header, Kind, TeamSeal, pieces
from link.fog.freshness import Freshness
from link.fog.interface import (
    Closed,
    Finished,
    Member,
    Model,
    Outgoing,
    Receipt,
    Run,
    TeamOptions,
    Told,
    Wanted,
    taken,
)
from link.fog.plan import Plan
from link.fog.presence import Presence
from link.fog.roster import Roster
from link.fog.underway import NO_SEQUENCE, SEQUENCE_BYTES, Underway
from link.fog.voice import Voice


class TeamSession:
    """One start of one member."""

    def __init__(
        self,
        member: Member,
        model: Model,
        plan: Plan,
        options: TeamOptions,
        now_s: float,
        newest: int = 0,
        salt: bytes | None = None,
    ) -> None:
        """`newest`: an image id up to which all are known to be over."""
        self.me = member.number
        self.plan, self.options = plan, options
        self.roster = Roster(self.me, plan.n_members, now_s)
        self.sequence = -1
        "The newest image's, as far as it was heard."
        self.n_forged = self.n_refused = 0
        "Frames that did not open, and those that were not even tried."
        self._fresh = Freshness(newest)
        self._seal = TeamSeal(member.key, model.bundle_id)
        self._voice = Voice(self.me, self._seal, options.is_medium_shared, salt)
        self._voice.turn_to(newest)
        self._custody = Custody(options.orphan_s, options.silent_s)
        self._told = Told()
        self._presence = Presence(
            member, self.roster, self._custody, self._voice, options, self._told, now_s
        )
        self._course = Course(
            model, plan, options, self._presence, self._voice, self._fresh, self._told, now_s
        )
        self._takes = plan.takes(self.me)
        self._now_s = now_s

    # what who runs it asks

    @property
    def has_modem(self) -> bool:
        """A member that loses it, or finds it again, may say so at any time."""
        return self._presence.has_modem

    @has_modem.setter
    def has_modem(self, has: bool) -> None:
        self._presence.has_modem = has

    @property
    def has_camera(self) -> bool:
        """As has_modem."""
        return self._presence.has_camera

    @has_camera.setter
    def has_camera(self, has: bool) -> None:
        self._presence.has_camera = has

    @property
    def may_lead(self) -> bool:
        """Otherwise another with a camera does; this one takes its images all the same."""
        return self._presence.may_lead

    @may_lead.setter
    def may_lead(self, may: bool) -> None:
        self._presence.may_lead = may

    @property
    def newest(self) -> int:
        """The newest image id that was heard."""
        return self._fresh.newest

    @property
    def leads(self) -> bool:
        """Whether this member is the one to begin images."""
        return self._presence.leads

    @property
    def is_idle(self) -> bool:
        """No image is under way here: the next may begin."""
        return self._course.is_idle

    @property
    def least_image(self) -> int:
        """The lowest id that the next image may have."""
        return max(self.newest + 1, self._presence.least)

    @property
    def leader(self) -> int | None:
        return self.roster.leader

    @property
    def aggregator(self) -> int | None:
        return self.roster.aggregator

    def alive(self) -> tuple[bool, ...]:
        """By member, itself included; nobody before it was heard."""
        return self.roster.alive()

    def next_due_s(self, now_s: float) -> float | None:
        """When to ask next_run again although nothing came."""
        first = min(self._presence.due_s(now_s), self._course.due_s(), self._voice.due_s)
        return None if first == inf else max(first, now_s)

    def take_frames(self) -> list[Outgoing]:
        return self._voice.take()

    def take_wanted(self) -> Wanted | None:
        """What to capture and give to `captured`; of several only the newest."""
        return self._told.take_wanted()

    def take_finished(self) -> list[Finished]:
        """What a member with a modem has got."""
        return taken(self._told.finished)

    def take_closed(self) -> list[Closed]:
        return taken(self._told.closed)

    def take_receipts(self) -> list[Receipt]:
        return taken(self._told.receipts)

    # what happens

    def begin(
        self, image: int, sequence: int, now_s: float, pixels: np.ndarray | None = None
    ) -> None:
        """As leader: an image, uint8 pixels (H, W, C); without them it is wanted of this member
        too.
        """
        if not self.least_image <= image <= MAX_IMAGE:
            raise ValueError(
                f"image {image} cannot begin, the next has an id from {self.least_image}"
            )
        self._presence.lead(now_s)
        one = self._course.open(image, now_s)
        sequence %= NO_SEQUENCE
        one.leader, one.sequence, self.sequence = self.me, sequence, sequence
        body = sequence.to_bytes(SEQUENCE_BYTES, "big") + self._presence.choice(now_s)
        self._presence.sync_flags()
        again_s = now_s + AGAIN * self.options.patience_s
        self._voice.say_twice(Kind.TICK, 0, body, self.roster.others, again_s, is_for_silent=True)
        self._presence.has_spoken(now_s)
        if pixels is None:
            self._told.wanted = Wanted(image, sequence)
        else:
            self.captured(image, pixels, now_s)

    def captured(self, image: int, pixels: np.ndarray | None, now_s: float) -> None:
        """The wanted image, uint8 (H, W, C); None: there is none."""
        one = self._course.one
        if one is not None and one.image == image and one.pixels is None:
            one.has_no_pixels = pixels is None
            one.latest_s = now_s
            if pixels is not None:
                one.see(pixels)
                if self.options.is_camera_shared:
                    to = {holder for holders in self.plan.placement[0] for holder in holders}
                    for number, piece in enumerate(pieces(pixels.tobytes())):
                        self._voice.say(Kind.PIXELS, number, piece, to)
        self._poll(now_s)

    def next_run(self, now_s: float) -> Run | None:
        """A part to be computed now, if any; also what a deadline brings happens here."""
        self._poll(now_s)
        one = self._course.one
        part = None if one is None or one.is_closed else one.next_part(now_s)
        if one is None or part is None:
            return None
        one.running[part] = now_s
        return Run(one.image, *part, one.inputs(part))

    def computed(self, run: Run, output: np.ndarray, now_s: float) -> None:
        """What a part made, int8 (1, h, w, c) or (1, n_each)."""
        one, part = self._course.one, (run.segment, run.group)
        if one is None or one.image != run.image or part not in one.running:
            return
        one.busy_s += now_s - one.running.pop(part)
        one.latest_s = now_s
        if part in one.left:
            one.left.remove(part)
        if part not in one.made:
            one.add_own(part, output)
            holders = self.plan.holders(part)
            n_before = sum(map(self.roster.lives, holders[: holders.index(self.me)]))
            one.to_publish[part] = now_s + n_before * self.options.patience_s / len(holders)
        self._poll(now_s)

    def keep(self, image: int, now_s: float) -> None:
        """A finished image from before this start, of which no receipt came."""
        self._custody.keep(image, now_s, is_passed=True)

    def settle(self, images: Sequence[int], counter: int) -> None:
        """As aggregator: the host has these, and `counter` is the newest of a packet; -1: none
        left since this start.
        """
        self._presence.settle(images, counter, self._now_s)

    def receive(self, frame: bytes, now_s: float) -> bool:
        """Whether it was genuine and new. What a stranger sends costs at most one try of a tag."""
        header = Header.unpack(frame)
        if (
            header is None
            or header.member not in self.roster.others
            or not self._fresh.is_new(header)
        ):
            self.n_refused += 1
            return False
        body = self._seal.open(frame)
        if body is None:
            self.n_forged += 1
            return False
        if header.kind in (Kind.HERE, Kind.RECEIPT):
            self._fresh.mark(header)
            self._presence.hear(header, body, self.newest, now_s)
        else:
            self._hear_of_image(header, body, now_s)
        self._poll(now_s)
        return True

    # frames that were heard

    def _hear_of_image(self, header: Header, body: bytes, now_s: float) -> None:
        one = self._course.one
        if one is None or one.image < header.image:
            one = self._course.open(header.image, now_s)
        self._fresh.mark(header)
        self._presence.hear_member(header, now_s)
        if one.is_closed:
            return
        one.latest_s = now_s
        if header.kind == Kind.TICK:
            self._hear_tick(one, header.member, body, now_s)
        elif header.kind == Kind.PIXELS:
            one.hear_pixels(header.piece, body)
        else:
            self._hear_tensor(one, header, body)

    def _hear_tick(self, one: Underway, leader: int, body: bytes, now_s: float) -> None:
        is_right = len(body) == SEQUENCE_BYTES + 1
        is_second = one.leader is not None and one.leader < leader
        if not is_right or is_second:
            self.roster.follow(leader, now_s, self.leads)
            return
        one.leader = leader
        one.sequence = self.sequence = int.from_bytes(body[:SEQUENCE_BYTES], "big")
        self._presence.follow(leader, body[SEQUENCE_BYTES:], now_s)
        if not self.options.is_camera_shared:
            one.has_no_pixels = not self.has_camera
            self._told.wanted = Wanted(one.image, one.sequence) if self.has_camera else None

    def _hear_tensor(self, one: Underway, header: Header, body: bytes) -> None:
        segment, group = part = header.part
        is_last = segment == self.plan.last
        if (header.kind == Kind.LATENTS) != is_last or group >= self.plan.groups:
            return
        one.to_publish.pop(part, None)
        if part in self._takes or (is_last and self._course.collects(one)):
            try:
                one.hear_tensor(part, header.piece, body)
            except ValueError:  # sealed by a member, and yet no tensor
                self.n_refused += 1
        if one.sequence is not None:
            self.sequence = one.sequence

    # what follows from it

    def _poll(self, now_s: float) -> None:
        self._now_s = now_s
        self._presence.sync_flags()
        self._course.go_on(now_s)
        self._voice.say_again(now_s, self.roster.heard)
        if self._presence.is_beat_due(self.newest, now_s):
            self._beat(now_s)

    def _beat(self, now_s: float) -> None:
        """Under an id that all can take for new."""
        presence = self._presence
        presence.has_spoken(now_s)
        if self.leads and self.is_idle:
            if self._voice.is_exhausted:
                presence.least = max(presence.least, self.newest + 2)
            if self.newest + 1 < presence.least:
                self._course.turn_to(min(presence.least - 1, MAX_IMAGE), now_s)
        presence.say_here(self.roster.others, now_s)
