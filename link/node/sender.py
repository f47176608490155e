"""Sender: the node's end of the link. It decides what to send next, when, and how often.

    next_packet    what to transmit now, if anything; charged to the governor, its counter used up
    transmitted    the packet's last bit has left
    receive        what the host said
    next_due_s     when to ask again

It knows neither sockets nor clocks: now_s comes in, any clock that only goes forward. Images wait
in the outbox; the sender takes chunks from there, most useful first (link.node.choice), and has
them deleted when the host acknowledges them. While the host does not answer it goes on with what is
new, then probes, ever more rarely; nothing is lost by that. A node that nobody answers (no
downlink) forgets a chunk when it is sent, and may add parity packets.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import inf

from link.base.pause import Pause
from link.medium.ledger import SAME_MOMENT_S
from link.medium.time_slots import SlotClock
from link.medium.timing import GAPS_OF_SILENCE
from link.node.choice import Choice
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
    QueuedChunk,
    Rejected,
    SenderOptions,
    SenderStatistics,
    TimeHeard,
)
from link.node.packing import (
    MIN_PACKET_BYTES,
    Content,
    Packer,
)
from link.node.parity_queue import ParityQueue
from link.node.report_timer import ReportTimer
from link.node.session import NodeSession
from link.wire.control import (
    MAX_PARITY_LAG,
    NO_QUALITY,
    REPORT_SPAN,
    STATUS_BYTES,
    Advance,
    AskStatus,
    Hello,
    LongTags,
    Parity,
    Quality,
    Renew,
    Report,
    Slot,
    Status,
    Time,
    cut_fault,
    unpack_command,
)
from link.wire.packet import (
    MAX_PACKET_BYTES,
    WIRE_VERSION,
    ChunkId,
    Header,
    PacketType,
    overhead_bytes,
)

UNHEARD_AFTER = 3
"Unanswered packets behind which the host may have no use for what is sent: it may lack the bundle."
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
REFINEMENT_TRIES = 3
"Times that a refinement is sent before it is given up."
MAX_TRIED = 4096
"Chunks that wait of which it is remembered how often they were sent."


class Sender:
    """A node's end over our own link."""

    def __init__(
        self,
        identity: Identity,
        equipment: Equipment,
        options: SenderOptions | None = None,
        salt: bytes | None = None,
    ) -> None:
        """Raises ValueError when packets of max_packet_bytes cannot be made."""
        options = options or SenderOptions()
        counters, outbox = equipment.counters, equipment.outbox
        governor, timing, random = equipment.governor, equipment.timing, equipment.random
        max_bytes = min(
            options.max_packet_bytes or MAX_PACKET_BYTES, timing.profile.max_packet_bytes
        )
        parity = None if options.has_downlink else options.parity
        self._bundle_id = identity.bundle_id
        self._counters = counters
        self._outbox = outbox
        self._governor = governor
        self._timing = timing
        self._options = options
        self._session = NodeSession(identity, options.has_downlink, salt)
        self._fitting = Fitting(max_bytes, MIN_PACKET_BYTES)
        self._packer = Packer(self._session, outbox, self._age_s, max_bytes, parity, self._fitting)
        self._in_flight = InFlight()
        self._parity = ParityQueue(parity)
        self._answer = ReportTimer(timing, governor.share, random)
        self._slots = SlotClock(options.wants_slot, random)
        self._choice = Choice(
            outbox,
            self._in_flight,
            self._answer,
            self._packer,
            self._fitting,
            governor,
            timing,
            options,
        )
        self._tries: Counter[ChunkId] = Counter()
        "How often each chunk that waits was sent."

        counters.advance_to(outbox.newest_image + 1)
        self._speaking: Outgoing | None = None
        "The packet that is leaving."
        self._latest_airtime_s = timing.airtime_s(MIN_PACKET_BYTES)
        self._reported = -1
        "The highest counter that a report spoke of."
        self._hello_s = -inf
        "When the next HELLO, or STATUS with news of a fault, is due, if one is wanted."
        self._n_hellos = 0
        self._owes_hello = options.greets and options.has_downlink
        self._hello_counter = -1
        "Of the HELLO sent last."
        self._owes_status = False
        self._n_since_status = 0
        self._fault_bytes = (
            max_bytes - overhead_bytes(PacketType.STATUS, has_salt=True) - STATUS_BYTES
        )
        self._fault: str | None = None
        self._owes_fault = False
        "The host does not know yet of a fault, or that it is over."
        self._fault_counter = -1
        "Of the STATUS that told it last."
        self.tell(options.fault)

        self.unix_offset_s: float | None = None
        "Unix time less this node's clock, once the host has told it."
        self._time_due_s = -inf
        "When the host is to be asked for the time, again."
        self._host_salt = b""
        self._time_pause = Pause(*ASK_TIME_AGAIN_S)
        self._n_times = 0
        "That the host told the same time, one after the other."
        self.silent_because: str | None = None
        "Why the governor will never let the next packet pass, in a sentence."
        self.quality = NO_QUALITY
        "Of the downlink packet heard last."
        self.statistics = SenderStatistics()

    # What the node's program asks

    def chunk_bytes(self, first: int | None = None, later: int | None = None) -> tuple[int, int]:
        """The longest first and later pieces to cut a bitstream into, or the given ones where those
        are shorter.
        """
        return self._packer.chunk_bytes(first, later)

    def tell(self, fault: str | None) -> None:
        """What keeps the node from its work from now on; None: nothing does. The host is told until
        it has heard it.
        """
        fault = cut_fault(fault, self._fault_bytes)
        if fault == self._fault:
            return
        self._fault = fault
        self._owes_fault = True
        self._fault_counter = -1
        self._hello_s = -inf
        self._n_hellos = 0

    def take_over(self, other: NodeEnd) -> None:
        """A sender for another bundle's images spoke until now: what it knew of the time, and of
        the host's silence.
        """
        assert isinstance(other, Sender), "a node's senders are all of one kind"
        self.unix_offset_s = other.unix_offset_s
        self._time_due_s = other._time_due_s
        self._n_times = other._n_times
        self._host_salt = other._host_salt
        self._answer.n_missed = other._answer.n_missed
        self._answer.probe_s = other._answer.probe_s
        self._owes_fault &= other._owes_fault or self._fault != other._fault

    @property
    def n_missed(self) -> int:
        """Answers that did not come, one after the other."""
        return self._answer.n_missed

    @property
    def is_unheard(self) -> bool:
        """Whether the host might have no use for what is sent, and nothing of it is under way any
        more.
        """
        is_waiting = self._speaking is not None or self._answer.due_s is not None
        return not is_waiting and self._answer.n_missed >= UNHEARD_AFTER

    def is_idle(self, now_s: float) -> bool:
        """Whether an image captured now could leave at once: nothing new waits, and the line is
        free.
        """
        if self._speaking or now_s < self._answer.listens_until_s or self._answer.is_silent:
            return False
        content = self._choose(now_s)
        return content is None or content.is_probe

    def wants_image(self, now_s: float) -> bool:
        """Whether an image captured now would leave soon: a line without a duty cycle is kept busy,
        one image ahead.
        """
        if self._governor.is_limited or self._answer.is_silent:
            return self.is_idle(now_s)
        is_behind = len(list(self._outbox.base_chunks(2, self._choice.passed_over(now_s)))) >= 2
        return not is_behind and self._choice.refinement(now_s) is None

    def flush(self) -> None:
        """No image follows for a long time: parity for what was sent since the last is due now."""
        self._parity.flush()

    def next_due_s(self, now_s: float) -> float | None:
        """When next_packet may have something; None: not before an image is queued, or something is
        heard.
        """
        if self._speaking:
            return None
        if now_s < self._answer.listens_until_s:
            return self._answer.listens_until_s
        self._miss_answer(now_s)
        content = self._choose(now_s)
        if content is not None:
            start_s = self._start_s(content, now_s)
            return None if start_s == inf else start_s
        timers = (
            *(
                self._answer.due_s,
                self._parity.flush_s,
                self._probe_due_s,
                self._hello_due_s(now_s),
            ),
            *(self._fitting.due_s(), self._fitting.free_s),
        )
        future = [timer for timer in timers if timer is not None and timer > now_s]
        # what cannot be afforded now may be a little later
        if self._governor.share and self._outbox.n_images:
            future.append(now_s + self._latest_airtime_s / self._governor.share)
        return min(future, default=None)

    def next_packet(self, now_s: float) -> Outgoing | None:
        """What to transmit now, None when nothing may or need be; call `transmitted` when it has
        left.

        Raises OSError (LedgerError) or KeyStateError when airtime or counter cannot be stored:
        nothing is sent then.
        """
        if self._speaking or now_s < self._answer.listens_until_s:
            return None
        self._miss_answer(now_s)
        content = self._choose(now_s)
        if content is None or self._start_s(content, now_s) > now_s + SAME_MOMENT_S:
            return None
        return self._send(content, now_s)

    def transmitted(self, end_s: float) -> None:
        """The packet of next_packet has left; its last bit at end_s."""
        if self._speaking is None:
            return
        outgoing, self._speaking = self._speaking, None
        self._fitting.left(outgoing.chunks)
        if not self._options.has_downlink:
            self._forget_sent(outgoing, end_s)
            return
        self._in_flight.ended(outgoing.counter, end_s)
        self._answer.sent(end_s, outgoing.airtime_s, self._pause_s)
        # a quick host may have answered already
        if outgoing.listens and self._reported < outgoing.counter:
            self._answer.asked(end_s)

    def does_not_fit(self, now_s: float, max_packet_bytes: int | None = None) -> None:
        """The modem did not take the packet of next_packet: nothing has left, and something smaller
        goes first.
        """
        assert self._speaking is not None
        outgoing, self._speaking = self._speaking, None
        self._governor.take_back(outgoing.airtime_s)
        self._in_flight.withdraw(outgoing.counter)
        self._fitting.refused(len(outgoing.packet), outgoing.chunks, now_s, max_packet_bytes)
        self._tries.subtract(outgoing.chunks)
        self.statistics.n_packets -= 1
        self.statistics.airtime_s -= outgoing.airtime_s
        self.statistics.n_chunks -= len(outgoing.chunks)
        self.statistics.n_repeated -= sum(self._tries[chunk] > 0 for chunk in outgoing.chunks)

    def receive(self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY) -> Heard | None:
        """A packet whose last bit came at now_s; None for those that are not for this node. Never
        raises on them.
        """
        try:
            header = Header.unpack(packet)
        except ValueError as error:
            return Rejected(str(error))
        if header.version != WIRE_VERSION:
            return Rejected(
                f"packet has wire version {header.version}, this node speaks {WIRE_VERSION}; "
                "update it"
            )
        if header.node != self._session.node or PacketType(header.packet_type).is_uplink:
            return None
        body = self._session.open(packet, header)
        if body is None:
            return Rejected(
                "a downlink packet was damaged, forged, heard before, or sealed with another key"
            )
        self.statistics.n_heard += 1
        self.quality = quality
        self._note_host(header.salt, now_s)
        try:
            return self._obey(PacketType(header.packet_type), body, len(packet), now_s)
        except ValueError as error:
            return Rejected(
                f"a downlink packet opens but makes no sense: {error}; update node and host"
            )
        finally:
            if self._session.is_worn_out:
                self._renew()

    # What to send

    def _choose(self, now_s: float) -> Content | None:
        """The most useful thing that could be sent, whether or not it may be now."""
        if now_s < self._fitting.free_s:
            return None
        hello_s = self._hello_due_s(now_s)
        if hello_s is not None and hello_s <= now_s:
            return self._alarm(now_s) if self._owes_fault else self._hello(now_s)
        if parity := self._parity.next(self._packer.planned_counter):
            return Content(PacketType.PARITY, control=parity)
        if self._answer.is_silent:
            return self._probe(now_s)
        if self._choice.is_window_full:
            return None
        if self._owes_status:
            listens = self._choice.is_asking((), now_s, has_more=True)
            return Content(PacketType.STATUS, control=self._status(now_s), listens=listens)
        chunks = self._choice.bases(now_s) or self._choice.refinement(now_s)
        return chunks or self._probe(now_s) or self._late_parity(now_s)

    def _hello(self, now_s: float) -> Content:
        wants_slot, has_long_tags = self._wants_slot(now_s), self._session.has_long_tags
        hello = Hello(self._bundle_id, self._wants_time(now_s), wants_slot, has_long_tags)
        return Content(PacketType.HELLO, control=hello, listens=self._options.has_downlink)

    def _alarm(self, now_s: float) -> Content:
        return Content(
            PacketType.STATUS, control=self._status(now_s), listens=self._options.has_downlink
        )

    def _status(self, now_s: float) -> Status:
        return Status(
            queue_images=self._outbox.n_images,
            oldest_age_s=self._outbox.oldest_age_s(now_s),
            budget_s=self._governor.budget_s(now_s),
            n_evicted=self._outbox.n_evicted,
            n_heard=self.statistics.n_heard,
            n_bad=self._session.n_bad,
            fault=self._fault,
        )

    def _probe(self, now_s: float) -> Content | None:
        """Something to be answered, once the host has been silent for long enough."""
        probe_s = self._probe_due_s
        if probe_s is None or now_s < probe_s:
            return None
        if self._answer.is_naming:
            return replace(self._hello(now_s), is_probe=True)
        if probe := self._choice.probe():
            return probe
        # only refinements are left: they take their turn again
        self._lose(self._in_flight.give_up())
        return self._choice.refinement(now_s)

    @property
    def _probe_due_s(self) -> float | None:
        """None: nothing is unanswered, or the answer is still awaited."""
        if self._answer.due_s is not None or not self._options.has_downlink:
            return None
        return self._answer.probe_s if self._in_flight.chunks or self._answer.is_silent else None

    def _hello_due_s(self, now_s: float) -> float | None:
        if (
            self._owes_fault
            or self._owes_hello
            or self._wants_time(now_s)
            or self._wants_slot(now_s)
        ):
            return self._hello_s
        return self._time_due_s if self._asks_time else None

    @property
    def _asks_time(self) -> bool:
        return self._options.has_downlink and self._options.wants_time

    def _wants_time(self, now_s: float) -> bool:
        return self._asks_time and now_s >= self._time_due_s

    def _wants_slot(self, now_s: float) -> bool:
        return (
            self._options.has_downlink
            and self._options.wants_slot
            and not self._slots.has_slot(now_s)
        )

    def _late_parity(self, now_s: float) -> Content | None:
        if self._parity.flush_s is None or now_s < self._parity.flush_s:
            return None
        self._parity.flush()
        parity = self._parity.next(self._packer.planned_counter)
        return Content(PacketType.PARITY, control=parity) if parity else None

    # How it leaves

    def _age_s(self, chunk: QueuedChunk, now_s: float) -> float | None:
        """Of its image; None when neither this boot's clock nor the time of day can tell."""
        if chunk.captured_s is not None:
            return max(0.0, now_s - chunk.captured_s)
        if chunk.captured_unix_s is not None and self.unix_offset_s is not None:
            return max(0.0, now_s + self.unix_offset_s - chunk.captured_unix_s)
        return None

    def _start_s(self, content: Content, now_s: float) -> float:
        """When it may start at the earliest, so that budget, rules, slot and back-off agree; inf:
        never.
        """
        airtime_s = self._timing.airtime_s(
            min(self._packer.packet_bytes(content), self._packer.max_packet_bytes)
        )
        self.silent_because = self._governor.reason(airtime_s)
        if self.silent_because is not None:
            return inf
        duration_s = airtime_s + (self._timing.report_wait_s if content.listens else 0.0)
        start_s = self._governor.start_s(airtime_s, self._choice.rate.start_s(now_s))
        while (slot_s := self._slots.start_s(duration_s, start_s)) > start_s:
            start_s = self._governor.start_s(airtime_s, slot_s)
            if start_s == slot_s:
                break
        return start_s

    def _send(self, content: Content, now_s: float) -> Outgoing | None:
        self._packer.latest = counter = self._counters.next()
        if (
            isinstance(content.control, Parity)
            and counter - content.control.members[-1] > MAX_PARITY_LAG
        ):
            return None  # the counter has jumped; the queue drops it
        body = self._packer.body(content, counter, now_s)
        packet_bytes = self._packer.packet_bytes(content, body)
        if packet_bytes > self._packer.max_packet_bytes:
            return self._send_otherwise(content, now_s)
        if packet_bytes > self._fitting.room_bytes:
            return self._send_shorter(content, packet_bytes, now_s)
        airtime_s = self._timing.airtime_s(packet_bytes)
        if self._governor.start_s(airtime_s, now_s) > now_s + SAME_MOMENT_S:
            return None  # the counter has jumped, which made the packet longer
        self._governor.occupy(airtime_s, now_s)
        packet = self._session.seal(content.packet_type, counter, body, content.listens)
        outgoing = Outgoing(
            packet,
            content.packet_type,
            airtime_s,
            chunks=content.chunk_ids,
            listens=content.listens,
            counter=counter,
            bitstream_bytes=tuple(len(chunk.bitstream) for chunk in content.chunks),
        )
        self._speaking = outgoing
        self._latest_airtime_s = airtime_s
        self._slots.spoke()
        self._choice.rate.sent(airtime_s, now_s)
        self._count(outgoing, content)
        self._track(outgoing, content, now_s)
        if outgoing.chunks:
            self._parity.sent(counter, body, content.packet_type)
        return outgoing

    def _send_otherwise(self, content: Content, now_s: float) -> Outgoing | None:
        """What is too long: with the salt, then a HELLO takes that; together; or for good, then it
        is no use.
        """
        if content.packet_type == PacketType.PARITY:
            self._parity.pop()
        elif self._session.owes_salt:
            self._session.has_long_tags = False  # they do not fit; the HELLO says so
            return self._send(self._hello(now_s), now_s)
        elif len(content.chunks) > 1:
            return self._send(
                replace(content, packet_type=PacketType.DATA, chunks=content.chunks[:1]), now_s
            )
        else:
            bases = [chunk for chunk in content.chunk_ids if chunk[1] == 0]
            self._outbox.delivered(bases)
            self._drop_refinements({image for image, _ in content.chunk_ids})
            self.statistics.n_too_long += len(bases)
        return None

    def _send_shorter(self, content: Content, packet_bytes: int, now_s: float) -> Outgoing | None:
        """What is longer than the modem takes at present: one chunk, or a STATUS without words;
        else it waits.
        """
        if len(content.chunks) > 1:
            return self._send(
                replace(content, packet_type=PacketType.DATA, chunks=content.chunks[:1]), now_s
            )
        short = replace(self._status(now_s), fault=None)
        if content.control == short:
            self._fitting.refused(packet_bytes, (), now_s, told_bytes=0)
            return None
        return self._send(
            Content(PacketType.STATUS, control=short, listens=self._options.has_downlink), now_s
        )

    def _track(self, outgoing: Outgoing, content: Content, now_s: float) -> None:
        """Remember what is on its way."""
        for chunk in content.chunks:
            if chunk.index == 0:
                airtime_s = outgoing.airtime_s / len(content.chunks)
                self._choice.rate.sent_base(chunk.image, chunk.captured_s, airtime_s)
        if isinstance(content.control, Status) and content.control.fault == self._fault:
            self._fault_counter = outgoing.counter
        if outgoing.packet_type == PacketType.HELLO:
            self._hello_counter = outgoing.counter
        if outgoing.packet_type == PacketType.HELLO or (
            outgoing.packet_type == PacketType.STATUS and self._owes_fault
        ):
            self._n_hellos += 1
            pause_s = self._timing.probe_s(outgoing.airtime_s, self._n_hellos, self._governor.share)
            self._hello_s = now_s + outgoing.airtime_s + self._timing.report_wait_s + pause_s
            # nobody will say that it came; that all is well again is said once
            if not self._options.has_downlink:
                self._owes_fault = self._fault is not None
        elif outgoing.packet_type == PacketType.PARITY:
            self._parity.pop()
        if self._options.has_downlink:
            self._lose(self._in_flight.give_up(before=outgoing.counter - REPORT_SPAN + 1))
            if outgoing.chunks:
                self._in_flight.add(outgoing.counter, outgoing.chunks)
            if outgoing.listens:
                self._answer.asked_at = outgoing.counter

    def _count(self, outgoing: Outgoing, content: Content) -> None:
        self.statistics.n_packets += 1
        self.statistics.airtime_s += outgoing.airtime_s
        self.statistics.n_chunks += len(outgoing.chunks)
        self.statistics.n_repeated += sum(self._tries[chunk] > 0 for chunk in outgoing.chunks)
        self.statistics.n_probes += content.is_probe
        self._tries.update(outgoing.chunks)
        if len(self._tries) > MAX_TRIED:
            del self._tries[min(self._tries)]
        self._n_since_status += 1
        if outgoing.packet_type == PacketType.STATUS:
            self._owes_status = False
            self._n_since_status = 0
        elif self._options.status_every and self._n_since_status >= self._options.status_every:
            self._owes_status = True

    # What becomes of it

    def _obey(self, packet_type: PacketType, body: bytes, packet_bytes: int, now_s: float) -> Heard:
        if packet_type == PacketType.REPORT:
            report = Report.unpack(body, self._packer.latest)
            self._reported = max(self._reported, report.highest)
            self._note_heard(report, now_s)
            self._answer.answered()
            return self._settle(report, now_s - self._timing.airtime_s(packet_bytes))
        self._answer.heard(now_s)
        if packet_type == PacketType.TIME:
            return self._set_clock(Time.unpack(body).unix_s, now_s)
        command = unpack_command(body)
        if isinstance(command, Advance):
            self._advance(command.counter)
        elif isinstance(command, Renew):
            self._renew()
        elif isinstance(command, Slot):
            self._slots.grant(command, now_s)
            self._n_hellos = 0
        elif isinstance(command, AskStatus):
            self._owes_status = True
        elif isinstance(command, LongTags):
            self._session.has_long_tags = command.wanted
            self._owes_hello |= command.wanted
            self._hello_s = now_s if command.wanted else self._hello_s
        return CommandHeard(command)

    def _note_heard(self, report: Report, now_s: float) -> None:
        """What the host need not be told again. One that says no more to a HELLO has no time to
        tell.
        """
        heard = report.received_counters()
        self._owes_fault &= self._fault_counter not in heard
        if self._hello_counter in heard:
            self._owes_hello = False
            self._hello_counter = -1
            if self._wants_time(now_s):
                self._time_due_s = now_s + self._time_pause.failed()

    def _note_host(self, salt: bytes, now_s: float) -> None:
        """A host that was started anew may have another time, and does not know what it told this
        node.
        """
        if salt and salt != self._host_salt:
            self._host_salt = salt
            self._n_times = 0
            self._time_due_s = min(self._time_due_s, now_s + ASK_TIME_S[0])

    def _set_clock(self, unix_s: float, now_s: float) -> TimeHeard:
        offset_s, self.unix_offset_s = self.unix_offset_s, unix_s - now_s
        has_moved = offset_s is None or abs(self.unix_offset_s - offset_s) > TIME_MOVED_S
        self._n_times = 1 if has_moved else self._n_times + 1
        self._time_due_s = now_s + ASK_TIME_S[min(self._n_times, len(ASK_TIME_S)) - 1]
        self._n_hellos = 0
        self._time_pause.worked()
        return TimeHeard(unix_s, has_moved)

    def _settle(self, report: Report, report_began_s: float) -> Acknowledged:
        """On a radio the report speaks of all that was sent before; on a cable of what was not
        still under way.
        """
        heard_until_s = (
            inf if self._timing.is_half_duplex else report_began_s - 2 * self._timing.turnaround_s
        )
        settled = self._in_flight.settle(report, heard_until_s)
        self._choice.n_unasked = report.n_chunks or self._options.unasked_chunks
        self._outbox.delivered(settled.delivered)
        self._forget_tries(settled.delivered)
        bases = tuple(sorted(image for image, index in settled.delivered if index == 0))
        self.statistics.n_delivered += len(bases)
        if settled.stopped:
            self._outbox.drop_refinements(settled.stopped)
            self._in_flight.forget(
                [chunk for chunk in self._in_flight.refinements if chunk[0] in settled.stopped]
            )
            self._forget_tries(
                [chunk for chunk in self._tries if chunk[1] and chunk[0] in settled.stopped]
            )
            self.statistics.n_stopped += len(settled.stopped)
        self._lose(settled.lost)
        return Acknowledged(
            bases, tuple(sorted(settled.stopped)), tuple(sorted(settled.delivered)), report
        )

    def _lose(self, chunks: Iterable[ChunkId]) -> None:
        """Chunks that did not arrive wait again; a refinement that was sent too often is not worth
        more airtime.
        """
        images = {
            chunk[0] for chunk in chunks if chunk[1] and self._tries[chunk] >= REFINEMENT_TRIES
        }
        if images:
            self._drop_refinements(images)

    def _drop_refinements(self, images: set[int]) -> None:
        self._outbox.drop_refinements(images)
        self._forget_tries([chunk for chunk in self._tries if chunk[1] and chunk[0] in images])
        self.statistics.n_refinements_dropped += len(images)

    def _forget_tries(self, chunks: Iterable[ChunkId]) -> None:
        for chunk in chunks:
            self._tries.pop(chunk, None)

    def _forget_sent(self, outgoing: Outgoing, end_s: float) -> None:
        """Nobody will acknowledge it."""
        self._outbox.delivered(outgoing.chunks)
        self._forget_tries(outgoing.chunks)
        self.statistics.n_delivered += sum(index == 0 for _, index in outgoing.chunks)
        if outgoing.chunks:
            interval_s = self._choice.rate.interval_s or 0.0
            self._parity.wait(
                end_s + self._timing.silence_s(outgoing.airtime_s) + GAPS_OF_SILENCE * interval_s
            )

    def _renew(self) -> None:
        self._session.renew()
        self._lose(self._in_flight.give_up())

    def _advance(self, counter: int) -> None:
        """The host has seen higher counters: this node's were lost, or its card is a copy or an old
        state.
        """
        self._counters.advance_to(counter + 1)
        self._packer.latest = max(self._packer.latest, counter)
        self._lose(self._in_flight.give_up())
        self._tries.clear()
        self._outbox.renumber(counter, self._counters.next)

    @property
    def _pause_s(self) -> float:
        """The usual time between two images, where that says more than the line's speed does."""
        return (self._choice.rate.interval_s or 0.0) if self._governor.is_limited else 0.0

    def _miss_answer(self, now_s: float) -> None:
        """If the answer is overdue: go on without it."""
        if self._answer.due_s is None or now_s < self._answer.due_s:
            return
        several_s = (
            self._timing.silence_s(self._latest_airtime_s) if len(self._in_flight) > 1 else 0.0
        )
        pause_s = max(self._pause_s, several_s + self._timing.report_wait_s)
        self._answer.miss(now_s, self._latest_airtime_s, pause_s)
        self.statistics.n_unanswered += 1
        if self._answer.has_forgotten:
            self._session.is_forgotten()
