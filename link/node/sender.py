"""Sender: the node's end of our own link. It decides what to send next, when, and how often.

    next_packet    what to transmit now, if anything; charged to the governor, its counter used up
    transmitted    the packet's last bit has left
    receive        what the host said
    next_due_s     when to ask again

Images wait in the outbox; the sender takes chunks from there, most useful first (link.node.choice),
and has them deleted when the host acknowledges them. While the host does not answer it goes on with
what is new, then probes, ever more rarely; nothing is lost by that. A node that nobody answers (no
downlink) forgets a chunk when it is sent, and may add parity packets.

Only next_packet, and what the program tells, change anything: what was waited for in vain is given
up there (_give_up_overdue), and every question is a look.
"""

from dataclasses import replace
from math import inf

from link.medium.ledger import SAME_MOMENT_S
from link.medium.time_slots import SlotClock
from link.medium.timing import GAPS_OF_SILENCE
from link.node.announcements import Announcements, HostClock
from link.node.choice import Choice, ChunkChoice
from link.node.fitting import Fitting
from link.node.in_flight import InFlight
from link.node.interface import (
    Acknowledged,
    CommandHeard,
    Equipment,
    Heard,
    Identity,
    NodeEnd,
    Outgoing,
    PartHeard,
    Rejected,
    SenderOptions,
    SenderStatistics,
)
from link.node.packing import HELLO_PACKET_BYTES, Content, Packer
from link.node.parity_queue import ParityQueue, is_tellable
from link.node.rate_control import RateControl
from link.node.report_timer import ReportTimer
from link.node.session import NodeSession
from link.node.tries import Tries
from link.wire.control import (
    REPORT_SPAN,
    STATUS_BYTES,
    Advance,
    AskStatus,
    LongTags,
    Parity,
    Part,
    Renew,
    Report,
    Slot,
    Time,
    unpack_command,
)
from link.wire.packet import MAX_PACKET_BYTES, PacketType, overhead_bytes

UNHEARD_AFTER = 3
"Unanswered packets behind which the host may have no use for what is sent: it may lack the bundle."


class Sender:
    """A NodeEnd."""

    def __init__(
        self,
        identity: Identity,
        equipment: Equipment,
        options: SenderOptions | None = None,
        salt: bytes | None = None,
    ) -> None:
        """Raises ValueError when packets of max_packet_bytes cannot be made."""
        options = options or SenderOptions()
        outbox, governor, timing = equipment.outbox, equipment.governor, equipment.timing
        max_bytes = min(
            options.max_packet_bytes or MAX_PACKET_BYTES, timing.profile.max_packet_bytes
        )
        parity = None if options.has_downlink else options.parity
        self.statistics = SenderStatistics()
        self.silent_because: str | None = None
        self._equipment = equipment
        self._outbox = outbox
        self._governor = governor
        self._timing = timing
        self._has_downlink = options.has_downlink
        self._keeps_ids = options.keeps_ids
        self._session = NodeSession(identity, options.has_downlink, salt)
        self._clock = HostClock(options.has_downlink and options.wants_time)
        self._slots = SlotClock(options.wants_slot, equipment.random)
        self._announcements = Announcements(
            self._session,
            equipment,
            options,
            self.statistics,
            self._clock,
            self._slots,
            max_bytes - overhead_bytes(PacketType.STATUS, has_salt=True) - STATUS_BYTES,
        )
        self._fitting = Fitting(max_bytes, HELLO_PACKET_BYTES)
        self._packer = Packer(self._session, equipment, self._fitting, parity, self._clock.age_s)
        self._parity = ParityQueue(parity)
        self._in_flight = InFlight()
        self._report = ReportTimer(timing, governor.share, equipment.random)
        self._rate = RateControl(governor)
        self._chunks = ChunkChoice(
            equipment,
            options,
            self._in_flight,
            self._report,
            self._packer,
            self._fitting,
            self._rate,
        )
        self._choice = Choice(self._chunks, self._announcements, self._parity)
        self._tries = Tries(outbox, self.statistics)
        self._speaking: Outgoing | None = None
        "The packet that is leaving."
        self._latest_airtime_s = timing.airtime_s(HELLO_PACKET_BYTES)

    # What the node's program asks and tells

    @property
    def unix_offset_s(self) -> float | None:
        return self._clock.unix_offset_s

    @property
    def n_missed(self) -> int:
        return self._report.n_missed

    @property
    def is_unheard(self) -> bool:
        is_waiting = self._speaking is not None or self._report.due_s is not None
        return not is_waiting and self._report.n_missed >= UNHEARD_AFTER

    def chunk_bytes(self, first: int | None = None, later: int | None = None) -> tuple[int, int]:
        return self._packer.chunk_bytes(first, later)

    def is_idle(self, now_s: float) -> bool:
        if self._is_engaged(now_s) or self._report.is_silent:
            return False
        content = self._choice.best(now_s)
        return content.is_probe if content else not self._choice.is_at_a_loss(now_s)

    def wants_image(self, now_s: float) -> bool:
        """A line without a duty cycle is kept busy, one image ahead."""
        if self._governor.is_limited or self._report.is_silent:
            return self.is_idle(now_s)
        is_behind = len(list(self._outbox.base_chunks(2, self._chunks.passed_over(now_s)))) >= 2
        return not is_behind and self._chunks.refinement(now_s) is None

    def next_due_s(self, now_s: float) -> float | None:
        if self._speaking:
            return None
        if self._is_engaged(now_s):
            return self._report.listens_until_s
        content = self._choice.best(now_s)
        if self._report.is_overdue(now_s) or (content is None and self._choice.is_at_a_loss(now_s)):
            return now_s
        if content is not None:
            start_s = self._start_s(content, now_s)
            return None if start_s == inf else start_s
        timers = (
            self._report.due_s,
            self._parity.flush_s,
            self._choice.probe_due_s,
            self._announcements.due_s(now_s),
            self._fitting.due_s(now_s),
        )
        future = [timer for timer in timers if timer is not None and timer > now_s]
        # what cannot be afforded now may be a little later
        if self._governor.share and self._outbox.n_images:
            future.append(now_s + self._latest_airtime_s / self._governor.share)
        return min(future, default=None)

    def tell_fault(self, fault: str | None) -> None:
        """It is said until the host has heard it."""
        self._announcements.tell_fault(fault)

    def expect_no_image(self) -> None:
        """Parity for what was sent since the last is due now."""
        self._parity.flush()

    def take_over(self, other: NodeEnd) -> None:
        """What it knew of the host's time and silence, and what the host knows of a fault."""
        assert isinstance(other, Sender), "a node's ends are all of one kind"
        self._clock.take_over(other._clock)
        self._report.take_over(other._report)
        self._announcements.take_over(other._announcements)

    # What leaves, and when

    def next_packet(self, now_s: float) -> Outgoing | None:
        if self._is_engaged(now_s):
            return None
        self._give_up_overdue(now_s)
        content = self._choice.best(now_s)
        if content is None:
            return None
        airtime_s, duration_s = self._packer.spans_s(content)
        self.silent_because = self._governor.reason(airtime_s)
        if (allowed_s := self._rate.start_s(airtime_s, now_s)) < inf:
            self._slots.draw_back_off(duration_s, allowed_s)
        if self._start_s(content, now_s) > now_s + SAME_MOMENT_S:
            return None
        return self._send(content, now_s)

    def transmitted(self, end_s: float) -> None:
        if self._speaking is None:
            return
        outgoing, self._speaking = self._speaking, None
        self._fitting.left(outgoing.chunks)
        if self._has_downlink:
            self._in_flight.ended(outgoing.counter, end_s)
            self._report.sent(outgoing, end_s, self._interval_s if self._governor.is_limited else 0)
            return
        # nobody will acknowledge it
        self._tries.delivered(outgoing.chunks)
        if outgoing.chunks:
            silence_s = self._timing.silence_s(outgoing.airtime_s)
            self._parity.flush_at(end_s + silence_s + GAPS_OF_SILENCE * self._interval_s)

    def does_not_fit(self, now_s: float, max_packet_bytes: int | None = None) -> None:
        assert self._speaking is not None
        outgoing, self._speaking = self._speaking, None
        self._governor.take_back(outgoing.airtime_s)
        self._in_flight.withdraw(outgoing.counter)
        self._fitting.too_long(len(outgoing.packet), outgoing.chunks, now_s, max_packet_bytes)
        self._tries.withdrawn(outgoing)

    def _is_engaged(self, now_s: float) -> bool:
        """Whether a packet is leaving, or the radio listens."""
        return self._speaking is not None or now_s < self._report.listens_until_s

    def _give_up_overdue(self, now_s: float) -> None:
        """Go on without an answer that is overdue; and, if nothing else is to be sent, without
        those to refinements, or without the rest of a parity group.
        """
        if self._report.is_overdue(now_s):
            self._miss_report(now_s)
        if self._choice.is_at_a_loss(now_s) and self._choice.best(now_s) is None:
            self._tries.lost(self._in_flight.give_up())
            self._parity.flush()

    def _miss_report(self, now_s: float) -> None:
        several_s = (
            self._timing.silence_s(self._latest_airtime_s) if len(self._in_flight) > 1 else 0.0
        )
        interval_s = self._interval_s if self._governor.is_limited else 0.0
        pause_s = max(interval_s, several_s + self._timing.report_wait_s)
        self._report.miss(now_s, self._latest_airtime_s, pause_s)
        self.statistics.n_unanswered += 1
        if self._report.has_forgotten:
            self._session.forget_host()

    @property
    def _interval_s(self) -> float:
        """The usual time between two images."""
        return self._rate.interval_s or 0.0

    # How it leaves

    def _start_s(self, content: Content, now_s: float) -> float:
        """The earliest start by budget, rules, slot and back-off; inf: never."""
        airtime_s, duration_s = self._packer.spans_s(content)
        start_s = self._rate.start_s(airtime_s, now_s)
        while start_s < (slot_s := self._slots.start_s(duration_s, start_s)):
            start_s = self._governor.start_s(airtime_s, slot_s)
            if start_s == slot_s:
                break
        return start_s

    def _send(self, content: Content, now_s: float) -> Outgoing | None:
        counter, control = self._packer.next_counter(), content.control
        if isinstance(control, Parity) and not is_tellable(control, counter):
            return None  # the counter has jumped
        body = self._packer.body(content, counter, now_s)
        packet_bytes = self._packer.packet_bytes(content, body)
        if packet_bytes > self._fitting.room_bytes:
            instead = self._instead_of(content, packet_bytes, now_s)
            return self._send(instead, now_s) if instead else None
        airtime_s = self._timing.airtime_s(packet_bytes)
        if self._governor.start_s(airtime_s, now_s) > now_s + SAME_MOMENT_S:
            return None  # the counter has jumped, which made the packet longer
        self._governor.occupy(airtime_s, now_s)
        outgoing = self._speaking = self._packer.seal(content, counter, body, airtime_s)
        self._latest_airtime_s = airtime_s
        self._slots.spoke()
        self._rate.sent(airtime_s, now_s)
        self._rate.sent_chunks(content.chunks, airtime_s)
        self._tries.sent(outgoing)
        self._announcements.sent(outgoing, content, now_s)
        self.statistics.n_probes += content.is_probe
        if isinstance(control, Parity):
            self._parity.remove(control)
        if outgoing.chunks:
            self._parity.cover(counter, body, content.packet_type)
        if self._has_downlink:
            # of what lies further back no report will speak
            self._tries.lost(self._in_flight.give_up(before=counter - REPORT_SPAN + 1))
        if self._has_downlink and outgoing.chunks:
            self._in_flight.add(counter, outgoing.chunks)
        return outgoing

    def _instead_of(self, content: Content, packet_bytes: int, now_s: float) -> Content | None:
        """What is sent in the place of what is too long; None: nothing, and it waits, or is of no
        use for good.
        """
        is_for_good = packet_bytes > self._fitting.max_bytes
        if is_for_good and isinstance(content.control, Parity):
            self._parity.remove(content.control)
            return None
        if is_for_good and self._session.owes_salt:
            self._session.use_long_tags(False)  # they do not fit; the HELLO says so
            return self._announcements.hello(now_s)
        if len(content.chunks) > 1:
            return replace(content, packet_type=PacketType.DATA, chunks=content.chunks[:1])
        if is_for_good:
            self._tries.too_long(content.chunk_ids)
            return None
        short = self._announcements.news(now_s, self._has_downlink, is_short=True)
        if content.control == short.control:
            self._fitting.too_long(packet_bytes, (), now_s, told_bytes=0)
            return None
        return short

    # What the host says

    def receive(self, packet: bytes, now_s: float) -> Heard | None:
        opened = self._session.open(packet)
        if opened is None or isinstance(opened, Rejected):
            return opened
        header, body = opened
        self.statistics.n_heard += 1
        self._clock.meet_host(header.salt, now_s)
        try:
            if header.packet_type == PacketType.REPORT:
                report = Report.unpack(body, self._packer.latest_counter)
                return self._settle(report, now_s, now_s - self._timing.airtime_s(len(packet)))
            self._report.heard(now_s)
            if header.packet_type == PacketType.TIME:
                unix_s = Time.unpack(body).unix_s
                self._announcements.begin_anew()
                return self._clock.set(unix_s, now_s)
            return self._carry_out(body, now_s)
        except ValueError as error:
            return Rejected(
                f"a downlink packet opens but makes no sense: {error}; update node and host"
            )
        finally:
            if self._session.is_worn_out:
                self._renew()

    def _settle(self, report: Report, now_s: float, began_s: float) -> Acknowledged:
        """On a radio the report speaks of all that was sent before; on a cable of what was not
        still under way when it began.
        """
        self._announcements.heard(report, now_s)
        self._report.answered(report)
        is_radio = self._timing.is_half_duplex
        heard_until_s = inf if is_radio else began_s - 2 * self._timing.turnaround_s
        settled = self._in_flight.settle(report, heard_until_s)
        bases = self._tries.delivered(settled.delivered)
        if settled.stopped:
            self._tries.stop(settled.stopped)
            self.statistics.n_stopped += len(settled.stopped)
        self._tries.lost(settled.lost)
        return Acknowledged(
            bases, tuple(sorted(settled.stopped)), tuple(sorted(settled.delivered)), report
        )

    def _carry_out(self, body: bytes, now_s: float) -> CommandHeard | PartHeard:
        command = unpack_command(body)
        if isinstance(command, Part):
            return PartHeard(command.content)
        if isinstance(command, Advance):
            self._skip_to(command.counter)
        elif isinstance(command, Renew):
            self._renew()
        elif isinstance(command, Slot):
            self._slots.grant(command, now_s)
            self._announcements.begin_anew()
        elif isinstance(command, AskStatus):
            self._announcements.owe_status()
        elif isinstance(command, LongTags):
            self._session.use_long_tags(command.wanted)
            if command.wanted:
                self._announcements.say_hello(now_s)
        return CommandHeard(command)

    def _renew(self) -> None:
        self._session.renew()
        self._tries.lost(self._in_flight.give_up())

    def _skip_to(self, counter: int) -> None:
        """The host has seen higher counters: these were lost, or are of an old copy."""
        self._packer.skip_to(counter)
        self._tries.lost(self._in_flight.give_up())
        self._tries.begin_anew()
        if not self._keeps_ids:
            self._outbox.renumber(counter, self._equipment.counters.next)
