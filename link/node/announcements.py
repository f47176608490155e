"""Announcements: what a node says beside its images, and when.

    STATUS   now and then, when the host asks, and when a fault comes or goes
    HELLO    names the bundle, asks for the time or a time slot

HELLO, and a STATUS with news of a fault, are said again, ever more rarely, until the host has heard
them.
"""

from math import inf

from link.base.pause import Pause
from link.medium.time_slots import SlotClock
from link.node.interface import (
    Equipment,
    Outgoing,
    QueuedChunk,
    SenderOptions,
    SenderStatistics,
    TimeHeard,
)
from link.node.packing import Content
from link.node.session import NodeSession
from link.wire.control import Hello, Report, Status, cut_fault
from link.wire.packet import PacketType

STATUS_EVERY = 128
"Packets from one STATUS to the next."
ASK_TIME_S = (45.0, 600.0, 7200.0, 86_400.0)
"""From one TIME to the next question, the last for good: a host that has just started may not have
the time itself yet.
"""
ASK_TIME_AGAIN_S = (60.0, 3600.0)
"""A host that answers a HELLO but tells no time has none yet, and will tell it unasked; or what it
told was lost.
"""
TIME_MOVED_S = 2.0
"The host's clock was set if it says so much more or less than before."


class NodeStatus:
    """What a STATUS says, and whether one is owed."""

    def __init__(
        self,
        equipment: Equipment,
        statistics: SenderStatistics,
        fault_bytes: int,
        every: int = STATUS_EVERY,
    ) -> None:
        """`fault_bytes`: room for a fault. `every`: packets from one to the next; 0: only when the
        host asks.
        """
        self._outbox = equipment.outbox
        self._governor = equipment.governor
        self._statistics = statistics
        self._fault_bytes = fault_bytes
        self._every = every
        self.fault: str | None = None
        "What keeps the node from its work, as much of it as there is room for."
        self.is_status_owed = False
        self._n_since = 0

    def tell_fault(self, fault: str | None) -> bool:
        """What keeps the node from its work from now on; whether that is news."""
        before, self.fault = self.fault, cut_fault(fault, self._fault_bytes)
        return self.fault != before

    def status(self, now_s: float, n_bad: int = 0, is_short: bool = False) -> Status:
        """`n_bad`: downlink packets that did not open. `is_short`: without the words of a fault."""
        return Status(
            queue_images=self._outbox.n_images,
            oldest_age_s=self._outbox.oldest_age_s(now_s),
            budget_s=self._governor.budget_s(now_s),
            n_evicted=self._outbox.n_evicted,
            n_heard=self._statistics.n_heard,
            n_bad=n_bad,
            fault=None if is_short else self.fault,
        )

    def owe_status(self) -> None:
        """One is to be said soon."""
        self.is_status_owed = True

    def count_packet(self) -> None:
        """A packet leaves."""
        self._n_since += 1
        self.is_status_owed |= 0 < self._every <= self._n_since

    def status_said(self) -> None:
        """A STATUS was said; the next is owed after a while."""
        self.is_status_owed = False
        self._n_since = 0


class HostClock:
    """The time of day, as the host tells it, and when it is to be asked again."""

    def __init__(self, is_asked: bool) -> None:
        self._is_asked = is_asked
        self.unix_offset_s: float | None = None
        "Unix time less this node's clock, once the host has told it."
        self._ask_s = -inf
        self._pause = Pause(*ASK_TIME_AGAIN_S)
        self._host_salt = b""
        self._n_told = 0
        "Tellings of the same time, one after the other."

    @property
    def ask_s(self) -> float | None:
        """When the host is to be asked; None: it never is."""
        return self._ask_s if self._is_asked else None

    def is_wanted(self, now_s: float) -> bool:
        return self._is_asked and now_s >= self._ask_s

    def age_s(self, chunk: QueuedChunk, now_s: float) -> float | None:
        """How old the chunk's image is; None when no clock can tell."""
        if chunk.captured_s is not None:
            return max(0.0, now_s - chunk.captured_s)
        if chunk.captured_unix_s is not None and self.unix_offset_s is not None:
            return max(0.0, now_s + self.unix_offset_s - chunk.captured_unix_s)
        return None

    def set(self, unix_s: float, now_s: float) -> TimeHeard:
        """The host has told the time."""
        offset_s, self.unix_offset_s = self.unix_offset_s, unix_s - now_s
        has_moved = offset_s is None or abs(self.unix_offset_s - offset_s) > TIME_MOVED_S
        self._n_told = 1 if has_moved else self._n_told + 1
        self._ask_s = now_s + ASK_TIME_S[min(self._n_told, len(ASK_TIME_S)) - 1]
        self._pause.worked()
        return TimeHeard(unix_s, has_moved)

    def asked_in_vain(self, now_s: float) -> None:
        """The host has heard the question; one that says no more to it has no time to tell."""
        if self.is_wanted(now_s):
            self._ask_s = now_s + self._pause.failed()

    def meet_host(self, salt: bytes, now_s: float) -> None:
        """A host that was started anew may have another time, and does not know what it told this
        node.
        """
        if salt and salt != self._host_salt:
            self._host_salt = salt
            self._n_told = 0
            self._ask_s = min(self._ask_s, now_s + ASK_TIME_S[0])

    def take_over(self, other: "HostClock") -> None:
        """What another end of this node was told."""
        self.unix_offset_s = other.unix_offset_s
        self._ask_s = other._ask_s
        self._n_told = other._n_told
        self._host_salt = other._host_salt


class Announcements(NodeStatus):
    """HELLO and STATUS of a node over our own link."""

    def __init__(
        self,
        session: NodeSession,
        equipment: Equipment,
        options: SenderOptions,
        statistics: SenderStatistics,
        clock: HostClock,
        slots: SlotClock,
        fault_bytes: int,
    ) -> None:
        super().__init__(equipment, statistics, fault_bytes, options.status_every)
        self._session = session
        self._timing = equipment.timing
        self._share = equipment.governor.share
        self._has_downlink = options.has_downlink
        self._wants_slot = options.has_downlink and options.wants_slot
        self._clock = clock
        self._slots = slots
        self._due_s = -inf
        "When HELLO or news of a fault may be said, again, if there is a reason."
        self._n_said = 0
        "Times that it was said, one after the other."
        self._owes_hello = options.greets and options.has_downlink
        self._hello_counter = -1
        "Counter of the HELLO sent last."
        self._owes_fault = False
        "The host does not know yet of a fault, or that it is over."
        self._fault_counter = -1
        "Counter of the STATUS that told the fault last."
        self.tell_fault(options.fault)

    def tell_fault(self, fault: str | None) -> bool:
        if is_news := super().tell_fault(fault):
            self._owes_fault = True
            self._fault_counter = -1
            self._due_s = -inf
            self._n_said = 0
        return is_news

    def take_over(self, other: "Announcements") -> None:
        """Another end of this node spoke until now: what the host knows of a fault from it."""
        is_same = self.fault == other.fault
        self._owes_fault &= other._owes_fault or not is_same

    def due_s(self, now_s: float) -> float | None:
        """When HELLO, or news of a fault, is to be said; None: there is no reason."""
        is_owed = self._owes_fault or self._owes_hello or self._clock.is_wanted(now_s)
        return self._due_s if is_owed or self._lacks_slot(now_s) else self._clock.ask_s

    def urgent(self, now_s: float) -> Content | None:
        """HELLO, or news of a fault, if it is time."""
        due_s = self.due_s(now_s)
        if due_s is None or now_s < due_s:
            return None
        return self.news(now_s, self._has_downlink) if self._owes_fault else self.hello(now_s)

    def hello(self, now_s: float, is_probe: bool = False) -> Content:
        hello = Hello(
            self._session.bundle_id,
            self._clock.is_wanted(now_s),
            self._lacks_slot(now_s),
            self._session.has_long_tags,
        )
        return Content(PacketType.HELLO, (), hello, self._has_downlink, is_probe)

    def news(self, now_s: float, listens: bool, is_short: bool = False) -> Content:
        """A STATUS; `is_short`: without the words of a fault."""
        status = self.status(now_s, self._session.n_bad, is_short)
        return Content(PacketType.STATUS, (), status, listens)

    def sent(self, outgoing: Outgoing, content: Content, now_s: float) -> None:
        """A packet leaves, an announcement or another."""
        if not isinstance(content.control, Status):
            self.count_packet()
            if isinstance(content.control, Hello):
                self._hello_counter = outgoing.counter
                self._repeat_later(outgoing.airtime_s, now_s)
            return
        self.status_said()
        if content.control.fault == self.fault:
            self._fault_counter = outgoing.counter
        if self._owes_fault:
            self._repeat_later(outgoing.airtime_s, now_s)

    def heard(self, report: Report, now_s: float) -> None:
        """What the host need not be told again."""
        counters = report.received_counters()
        self._owes_fault &= self._fault_counter not in counters
        if self._hello_counter in counters:
            self._owes_hello = False
            self._hello_counter = -1
            self._clock.asked_in_vain(now_s)

    def begin_anew(self) -> None:
        """What was asked for came: what is said next is repeated quickly at first."""
        self._n_said = 0

    def say_hello(self, now_s: float) -> None:
        """The host is to know at once what has changed."""
        self._owes_hello = True
        self._due_s = now_s

    def _lacks_slot(self, now_s: float) -> bool:
        return self._wants_slot and not self._slots.has_slot(now_s)

    def _repeat_later(self, airtime_s: float, now_s: float) -> None:
        self._n_said += 1
        pause_s = self._timing.probe_s(airtime_s, self._n_said, self._share)
        self._due_s = now_s + airtime_s + self._timing.report_wait_s + pause_s
        # nobody will say that it came; that all is well again is said once
        if not self._has_downlink:
            self._owes_fault = self.fault is not None
