"""Telling: what a device that is in some round needs, to hold what all hold now: the rounds since,
or a snapshot where that is shorter.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from link.update import Layout, message, outer_step
from link.update.message import Accepted, Form, Round


class Telling:
    """Every round's message, and which updates it counted."""

    def __init__(self, run: bytes, layout: Layout, key: Ed25519PrivateKey) -> None:
        self._run, self._layout, self._key = run, layout, key
        self._messages: list[bytes] = []
        self.accepted: list[tuple[Accepted, ...]] = []
        """Which updates each round counted: with the settings, what another server needs to come to
        the same weights.
        """

    def add(self, packed: bytes, accepted: tuple[Accepted, ...]) -> None:
        """A round, signed, and what it counted."""
        self._messages.append(packed)
        self.accepted.append(accepted)

    def is_counted(self, which: Accepted) -> bool:
        """Whether a round counted that update."""
        return any(which in counted for counted in self.accepted[which[1] :])

    def message_for(self, device: int, last_round: int, held: outer_step.Held) -> bytes:
        """What a device needs that is in `last_round`, where all hold `held`; empty where it misses
        nothing.
        """
        missed = self._messages[last_round:]
        if not missed:
            return b""
        if len(missed) == 1:
            return missed[0]
        several = message.pack_several(missed) if len(missed) <= message.MAX_SEVERAL else b""
        # whole weights deflate by less than a fifth
        if several and len(several) < 3 * self._layout.size:
            return several
        snapshot = self._snapshot(device, last_round, held)
        return several if several and len(several) <= len(snapshot) else snapshot

    def _snapshot(self, device: int, last_round: int, held: outer_step.Held) -> bytes:
        counted = {which for each in self.accepted[last_round:] for which in each}
        own = tuple(sorted(which for which in counted if which[0] == device))
        before = len(self._messages) - 1
        told = Round(before, own, Form.WHOLE, held.pack(), held.hash, is_snapshot=True)
        return message.pack_round(told, self._run, message.addressee(device), self._key)
