"""Tellings: what one node is told next while it listens. A REPORT comes last and ends the exchange.

How long a frame is decides whether it may be sent now, and what it says depends on when it ends: so
a telling has a size before it has a body.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from link.host.reporter import Reporter
from link.host.siege import Siege
from link.medium.governor import Governor
from link.medium.time_slots import SlotPlan
from link.wire.control import (
    NO_QUALITY,
    REPORT_BYTES,
    Command,
    Hello,
    LongTags,
    Part,
    Quality,
    Slot,
    Time,
    pack_command,
)
from link.wire.packet import PacketType

CLOCK_SET_S = 2.0
"""Unix time and the clock that only goes forward do not drift apart by so much: somebody set the
former.
"""
N_TELLINGS = 2
"Exchanges in which a node is told unasked that the time has changed."
LONG_TAGS_BYTES = len(pack_command(LongTags(True)))
SLOT_BYTES = len(pack_command(Slot(0, 0, 0)))
TIME_BYTES = len(Time(0).pack())


class Newest(NamedTuple):
    """The packet of a node with the highest counter, as the gateway heard it that heard it best."""

    counter: int = -1
    quality: Quality = NO_QUALITY
    gateway: int = 0


@dataclass(frozen=True)
class Telling:
    """What the next downlink packet would be."""

    packet_type: PacketType
    n_bytes: int
    say: Callable[[float], bytes]
    "The body of a frame that ends at this time; it counts as said from then on."


class Tellings:
    """What one node is owed, and the most urgent of it."""

    def __init__(self, node: int, reporter: Reporter, siege: Siege) -> None:
        self._node = node
        self._siege = siege
        self.reporter = reporter
        self.commands: deque[Command] = deque()
        self.advice: int | None = None
        "Chunks of an image that are worth sending without being asked; None: no advice."
        self._wants_slot = False
        "The node said that it has none."
        self._wants_time = False
        self._told_offset_s: float | None = None
        "Unix time less now_s, as the node was told it last."
        self._told_behind = -1
        "Counter of the packet behind which it was told."
        self._n_tellings = 0
        "Times that it is still to be told, since nothing acknowledges a TIME."

    def heard(self, hello: Hello) -> None:
        """What the node asks for."""
        self._wants_time |= hello.wants_time
        self._wants_slot |= hello.wants_slot

    def put_parts(self, parts: Iterable[bytes]) -> bool:
        """Pieces of a message, in the place of those that were not said yet; whether there were
        any.
        """
        others = [command for command in self.commands if not isinstance(command, Part)]
        had_parts = len(others) < len(self.commands)
        self.commands = deque([*others, *map(Part, parts)])
        return had_parts

    def next(
        self,
        now_s: float,
        newest: Newest,
        governor: Governor | None,
        unix_offset_s: float | None,
        slots: SlotPlan | None,
    ) -> Telling:
        """The most urgent; `governor` tells the node what is left when this has been sent."""
        if self.reporter.is_asked:
            long_tags = self._siege.command(now_s)
            if long_tags is not None:
                return Telling(
                    PacketType.COMMAND,
                    LONG_TAGS_BYTES,
                    lambda end_s: self._say_long_tags(long_tags, now_s),
                )
            if unix_offset_s is not None and self._is_time_due(unix_offset_s, newest.counter):
                return Telling(
                    PacketType.TIME,
                    TIME_BYTES,
                    lambda end_s: self._say_time(end_s, unix_offset_s, newest.counter),
                )
            if slots is not None and slots.is_due(self._node, now_s, self._wants_slot):
                return Telling(
                    PacketType.COMMAND, SLOT_BYTES, lambda end_s: self._say_slot(end_s, slots)
                )
            if self.commands:
                return Telling(
                    PacketType.COMMAND,
                    len(pack_command(self.commands[0])),
                    lambda end_s: pack_command(self.commands.popleft()),
                )
        return Telling(
            PacketType.REPORT,
            REPORT_BYTES,
            lambda end_s: self._say_report(newest.quality, governor, now_s),
        )

    def _is_time_due(self, unix_offset_s: float, newest: int) -> bool:
        """The node asked for it, or it was told another since when this host's clock was set."""
        if (
            self._told_offset_s is not None
            and abs(unix_offset_s - self._told_offset_s) > CLOCK_SET_S
        ):
            self._n_tellings = N_TELLINGS
        return self._wants_time or (self._n_tellings > 0 and self._told_behind != newest)

    def _say_long_tags(self, command: LongTags, now_s: float) -> bytes:
        self._siege.commanded(now_s)
        return pack_command(command)

    def _say_time(self, end_s: float, unix_offset_s: float, newest: int) -> bytes:
        self._wants_time = False
        self._told_offset_s = unix_offset_s
        self._n_tellings = max(0, self._n_tellings - 1)
        self._told_behind = newest
        return Time(end_s + unix_offset_s).pack()

    def _say_slot(self, end_s: float, slots: SlotPlan) -> bytes:
        self._wants_slot = False
        return pack_command(slots.grant(self._node, end_s))

    def _say_report(self, quality: Quality, governor: Governor | None, now_s: float) -> bytes:
        budget_s = governor.budget_s(now_s) if governor is not None else None
        return self.reporter.report(quality, self.advice, budget_s).pack()
