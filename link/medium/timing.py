"""Timing: how long a frame takes and an answer is waited for; all derives from airtime."""

from dataclasses import dataclass, replace
from functools import cached_property

from link.medium.profiles import LinkProfile
from link.wire.control import REPORT_BYTES
from link.wire.packet import MAX_PACKET_BYTES, PacketType, overhead_bytes

LONGEST_REPORT_BYTES = overhead_bytes(PacketType.REPORT, has_salt=True) + REPORT_BYTES
LOST_PIECES = 2
SILENCE_FRAMES = 4
"""Frames of a node that may be lost one after the other before its host believes that it has
stopped: a mean burst.
"""
GAPS_OF_SILENCE = 4
"A node that sends at intervals is not silent before so many of them have passed."
TRIES_PER_DOUBLING = 2
"Slow enough that a burst of losses, however long in frames, does not become a long silence."
LONGEST_PROBE_FRAMES = 16
PROBE_SHARE = 0.1
"""The share of its duty cycle that a node spends on a host that is silent for good; without one,
about a fortieth of the time.
"""


@dataclass(frozen=True)
class LinkTiming:
    """Both ends hold the same."""

    profile: LinkProfile
    turnaround_s: float = 0.1
    """From the end of a frame to the start of its answer, at most: modem, operating system and
    program of one end.
    """
    answer_s: float = 0.0
    "How much longer a node listens where its host has messages for it, pieces before the REPORT."

    def with_messages(self) -> "LinkTiming":
        """The same where the host has messages for its nodes: two pieces, one after the other, may
        be lost, and the node listens on.
        """
        return replace(self, answer_s=LOST_PIECES * self.profile.longest_airtime_s)

    @cached_property
    def is_half_duplex(self) -> bool:
        """A radio that speaks hears nothing; a cable has a wire for each direction."""
        return self.profile.is_radio

    @cached_property
    def report_airtime_s(self) -> float:
        return self.airtime_s(LONGEST_REPORT_BYTES)

    @property
    def report_wait_s(self) -> float:
        """How long after its frame's end a node waits for the answer: both ends' turnaround, and
        the answer itself.
        """
        return 2 * self.turnaround_s + self.answer_s + self.report_airtime_s

    def airtime_s(self, packet_bytes: int) -> float:
        """How long a packet occupies the medium, with what the carrier adds to it."""
        return self._airtimes_s[packet_bytes]

    @cached_property
    def _airtimes_s(self) -> list[float]:
        """By length: the exact formula takes longer than sealing a packet."""
        return [
            self.profile.airtime_s(packet_bytes) for packet_bytes in range(MAX_PACKET_BYTES + 1)
        ]

    def wire_bytes(self, packet_bytes: int) -> int:
        """Length of a packet on the medium."""
        return self.profile.wire_bytes(packet_bytes)

    def silence_s(self, airtime_s: float) -> float:
        """How long a host that was not asked waits behind a node's frame before it reports."""
        return self.turnaround_s + SILENCE_FRAMES * (airtime_s + self.turnaround_s)

    def probe_s(self, airtime_s: float, n_tries: int, share: float | None = None) -> float:
        """How long a node waits before it speaks again to a host that did not answer, after so many
        tries.

        `share` is the duty cycle; None: there is none.
        """
        first_s = self.report_wait_s + airtime_s
        longest_s = (
            LONGEST_PROBE_FRAMES * first_s if share is None else airtime_s / (PROBE_SHARE * share)
        )
        return min(
            first_s * 2.0 ** (min(max(0, n_tries), 60) / TRIES_PER_DOUBLING),
            max(first_s, longest_s),
        )
