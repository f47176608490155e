"""Host node: all that a host knows of one node: its sessions, its images, what it is owed."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from link.base.recent import Recent
from link.host.advances import Advances
from link.host.image_reader import Decode, ImageReader, lacking, malformed
from link.host.interface import Downlink, HelloHeard, NodeEntry, Outcome, Rejected, StatusHeard
from link.host.reporter import Reporter
from link.host.session import HostSession, NodeState, Opened, Reason, Turned
from link.host.statistics import NodeStatistics
from link.medium.governor import Governor
from link.medium.time_slots import SlotPlan
from link.medium.timing import LinkTiming
from link.security.seal import REPLAY_WINDOW
from link.wire.control import (
    NO_QUALITY,
    REPORT_BYTES,
    Advance,
    Command,
    Hello,
    LongTags,
    Parity,
    Quality,
    Slot,
    Status,
    Time,
    pack_command,
)
from link.wire.erasure import ParityDecoder, Recovered
from link.wire.packet import (
    Chunk,
    Flag,
    Header,
    PacketType,
    chunk_head_bytes,
    overhead_bytes,
    unpack_batch,
)

CLOCK_SET_S = 2.0
"""Unix time and the clock that only goes forward do not drift apart by so much: somebody set the
former.
"""
N_TELLINGS = 2
"Exchanges in which a node is told unasked that the time has changed."
COPY_S = 2.0
"Within this the same packet comes by another gateway; later it is a recording."


class Peer:
    """One node, as its host sees it."""

    def __init__(
        self,
        node: int,
        entry: NodeEntry,
        timing: LinkTiming | None,
        host_salt: bytes,
        decode: Decode,
        advances: Advances | None,
    ) -> None:
        """`advances` of the whole host; None, as without timing: it never answers."""
        self.node = node
        self._timing = timing
        self._advances = advances
        self._bundles = entry.bundles
        bundles = list(reversed(self._bundles.values()))
        is_one_way = entry.one_way or timing is None
        self._session = HostSession(node, entry.key, bundles, host_salt, entry.state, is_one_way)
        self._images = ImageReader(node, entry.own_bundles, decode)
        self._parity = ParityDecoder()
        self._reporter: Reporter | None = None
        if timing is not None and not entry.one_way:
            stored = (entry.state.highest, entry.state.received) if entry.state else ()
            self._reporter = Reporter(timing, *stored)
        self.statistics = NodeStatistics()
        self.notices: list[str] = []
        self.commands: deque[Command] = deque()
        self._collided: Recent[int, None] = Recent(REPLAY_WINDOW)
        "Counters of packets that are not to be acknowledged."
        self.advice: int | None = None
        self._lacked = b""
        "The bundle that was last said to be lacking."
        self._wants_time = False
        self._told_offset_s: float | None = None
        "Unix time less now_s, as the node was told it last."
        self._told_behind = -1
        "Behind the packet with which counter."
        self._n_tellings = 0
        "Times that it is still to be told, since nothing acknowledges a TIME."
        self.wants_slot = False
        "The node said that it has none."
        self._heard_s: Recent[int, float] = Recent(REPLAY_WINDOW)
        "When each packet of late came, by counter."
        self._best = (-1, NO_QUALITY, 0)
        "Counter heard last, how well, and through which gateway."

    @property
    def state(self) -> NodeState | None:
        return self._session.state

    @property
    def highest(self) -> int:
        """Counter received; -1 before the node was heard."""
        return self._session.highest

    @property
    def gateway(self) -> int:
        return self._best[2]

    # Uplink

    def receive(
        self, packet: bytes, header: Header, now_s: float, quality: Quality, gateway: int
    ) -> list[Outcome]:
        """What a packet in this node's name brings."""
        news = self._session.open(packet, header, now_s)
        if news.turned is not None:
            self._turn(news.turned, header, now_s, quality, gateway)
            return [Rejected(news.turned.reason, news.turned.sentence, self.node)]
        if news.began is not None:
            self._begin_anew(news.began)
        self._tell_lack()
        outcomes: list[Outcome] = []
        for opened in news.opened:
            self._note_gateway(opened.counter, quality, gateway)
            outcomes += self._take(opened, now_s, quality)
        return outcomes

    def _turn(
        self, turned: Turned, header: Header, now_s: float, quality: Quality, gateway: int
    ) -> None:
        """What follows from a packet that is not used."""
        self._count(turned.reason)
        if (
            turned.reason == Reason.DUPLICATE
            and now_s <= self._heard_s.get(turned.counter, -inf) + COPY_S
        ):
            self._note_gateway(turned.counter, quality, gateway)
        is_answered = self._advances is not None and self._reporter is not None
        if turned.reason == Reason.STALE_SESSION and header.flags & Flag.LISTEN and is_answered:
            assert self._advances is not None
            self._advances.ask(self.node, header.salt, turned.counter, gateway, now_s)

    def _tell_lack(self) -> None:
        """Once for each: what the node's images need and this host does not hold."""
        lacked = self._session.lacks
        if lacked and lacked != self._lacked:
            self.notices.append(
                f"node {self.node} sends images made with bundle {lacked.hex()}, which this "
                "host lacks: they are "
                "stored undecoded; add that bundle to `bundles` in the host's configuration"
            )
        self._lacked = lacked

    def confirm(self, counter: int, enough: Iterable[int]) -> None:
        """The store has this packet; these images need no more."""
        if counter in self._collided:
            return
        images = list(enough)
        if self._reporter:
            self._reporter.confirm(counter, images)
        for image in images:
            self.statistics.decided(
                image, self._images.n_chunks(image), self._heard_s.get(counter, 0.0)
            )

    def collide(self, counter: int) -> None:
        """An image in this packet has another's id: the packet is never acknowledged, the node is
        to go on above.
        """
        self._collided.setdefault(counter)
        if self._reporter:
            self._reporter.refuse(counter)
        if not any(isinstance(command, Advance) for command in self.commands):
            self.commands.append(Advance(self._session.highest))

    def _begin_anew(self, sentence: str) -> None:
        self.notices.append(sentence)
        self.statistics.restarted()
        self._parity = ParityDecoder()
        self._heard_s.clear()
        self._best = -1, *self._best[1:]
        if self._reporter:
            self._reporter.began_anew()

    def _take(self, opened: Opened, now_s: float, quality: Quality) -> list[Outcome]:
        """A packet that is good and new, and what parity makes of it."""
        self._heard_s[opened.counter] = now_s
        airtime_s = self._timing.airtime_s(opened.packet_bytes) if self._timing else 0.0
        chunks: list[Chunk] = []
        images: list[int] | None = None
        try:
            outcomes = self._read(opened, chunks, now_s)
            images = [chunk.image for chunk in chunks]
        except ValueError as error:
            outcomes = [malformed(self.node, opened.counter, error)]
        self.statistics.heard(
            opened.counter, opened.packet_bytes, now_s, airtime_s, quality, chunks
        )
        if self._reporter:
            self._reporter.heard(
                opened.counter, images, now_s, airtime_s, bool(opened.header.flags & Flag.LISTEN)
            )
        for outcome in outcomes:
            if isinstance(outcome, Rejected):
                self._count(outcome.reason)
                if outcome.reason == Reason.COLLISION:
                    self.collide(opened.counter)
        return outcomes

    def _read(self, opened: Opened, chunks: list[Chunk], now_s: float) -> list[Outcome]:
        """Raises ValueError when the body makes no sense; `chunks` receives those that it holds."""
        counter, body = opened.counter, opened.body
        match opened.header.packet_type:
            case PacketType.DATA | PacketType.BATCH:
                packet_type = PacketType(opened.header.packet_type)
                chunks += _chunks(packet_type, body, counter)
                outcomes = self._add_all(chunks, opened, now_s, packet_type)
                return outcomes + self._take_back(
                    self._parity.push(counter, body, packet_type), opened, now_s
                )
            case PacketType.PARITY:
                return self._take_back(
                    self._parity.push_parity(Parity.unpack(body, counter)), opened, now_s
                )
            case PacketType.STATUS:
                self.statistics.status = Status.unpack(body)
                return [StatusHeard(self.node, counter, self.statistics.status)]
            case _:
                hello = Hello.unpack(body)
                self._wants_time |= hello.wants_time
                self.wants_slot |= hello.wants_slot
                return [HelloHeard(self.node, counter, hello)]

    def _take_back(
        self, recovered: Iterable[Recovered], opened: Opened, now_s: float
    ) -> list[Outcome]:
        """Packets that parity brought back; they came, as it were, when their nearest neighbour
        did.
        """
        outcomes: list[Outcome] = []
        for back in recovered:
            if not self._session.recovered(back.counter):
                continue
            nearest = min(
                self._heard_s, key=lambda counter: abs(counter - back.counter), default=None
            )
            then_s = now_s if nearest is None else self._heard_s[nearest]
            packet_bytes = overhead_bytes(back.packet_type) + len(back.body)
            again = Opened(opened.header, back.counter, back.body, opened.bundle_id, packet_bytes)
            try:
                outcomes += self._add_all(
                    _chunks(back.packet_type, back.body, back.counter),
                    again,
                    then_s,
                    back.packet_type,
                )
            except ValueError as error:
                outcomes.append(malformed(self.node, back.counter, error))
        return outcomes

    def _add_all(
        self, chunks: list[Chunk], opened: Opened, now_s: float, packet_type: PacketType
    ) -> list[Outcome]:
        """The overhead of a packet is charged to its first chunk."""
        outcomes: list[Outcome] = []
        left = opened.packet_bytes
        for chunk in reversed(chunks):
            head_bytes = chunk_head_bytes(chunk.image, chunk.index, opened.counter) + (
                packet_type == PacketType.BATCH
            )
            n_bytes = left if chunk is chunks[0] else head_bytes + len(chunk.bitstream)
            left -= n_bytes
            outcomes.insert(0, self._read_chunk(chunk, n_bytes, opened, now_s))
        return outcomes

    def _read_chunk(self, chunk: Chunk, n_bytes: int, opened: Opened, now_s: float) -> Outcome:
        bundle = self._bundles.get(opened.bundle_id)
        if bundle is None:
            return lacking(self.node, opened.counter, opened.bundle_id, chunk)
        return self._images.read(chunk, n_bytes, opened.counter, bundle, now_s)

    def _note_gateway(self, counter: int, quality: Quality, gateway: int) -> None:
        """The answer goes through the gateway that heard the newest packet best."""
        newest, best, _ = self._best
        if counter > newest or (counter == newest and _strength(quality) > _strength(best)):
            self._best = counter, quality, gateway

    def _count(self, reason: Reason) -> None:
        field = _COUNTED.get(reason)
        if field is not None:
            setattr(self.statistics, field, getattr(self.statistics, field) + 1)

    # Downlink

    def due_s(self) -> float | None:
        """When something is due for the node; None: nothing."""
        return None if self._reporter is None else self._reporter.due_s()

    @property
    def is_asked(self) -> bool:
        """Whether the node listens now."""
        return self._reporter is not None and self._reporter.is_asked

    def next_packet(
        self,
        now_s: float,
        governor: Governor | None,
        unix_offset_s: float | None,
        slots: SlotPlan | None,
    ) -> Downlink | None:
        """The most urgent of what is due, when it may be sent now; a REPORT comes last and ends the
        exchange.
        """
        due_s = self.due_s()
        if due_s is None or now_s < due_s or self._timing is None or self._reporter is None:
            return None
        content = self._next_content(now_s, unix_offset_s, slots)
        airtime_s = self._timing.airtime_s(
            overhead_bytes(content.packet_type, self._session.owes_salt) + content.n_bytes
        )
        if governor is not None and governor.start_s(airtime_s, now_s) > now_s:
            return None
        if governor is not None:
            governor.occupy(airtime_s, now_s)
        budget_s = governor.budget_s(now_s) if governor is not None else None
        body = self._body(content, now_s, now_s + airtime_s, unix_offset_s, slots, budget_s)
        return self._leaving(self._session.seal(content.packet_type, body), self.gateway, airtime_s)

    def advance(self, salt: bytes, gateway: int, airtime_s: float) -> Downlink:
        """The answer to a session that is behind; it is charged already."""
        packet = self._session.seal_stale(
            salt, PacketType.COMMAND, pack_command(Advance(self._session.highest))
        )
        return self._leaving(packet, gateway, airtime_s)

    def _leaving(self, packet: bytes, gateway: int, airtime_s: float) -> Downlink:
        self.statistics.transmitted(len(packet), airtime_s)
        return Downlink(packet, self.node, gateway, airtime_s)

    def _next_content(
        self, now_s: float, unix_offset_s: float | None, slots: SlotPlan | None
    ) -> "_Content":
        assert self._reporter is not None
        if self._reporter.is_asked:
            if self._session.siege.command(now_s) is not None:
                return LONG_TAGS
            if unix_offset_s is not None and self._is_time_due(unix_offset_s):
                return TIME
            if slots is not None and slots.is_due(self.node, now_s, self.wants_slot):
                return SLOT
            if self.commands:
                return _Content(PacketType.COMMAND, len(pack_command(self.commands[0])))
        return REPORT

    def _is_time_due(self, unix_offset_s: float) -> bool:
        """The node asked for it, or it was told another since when this host's clock was set."""
        if (
            self._told_offset_s is not None
            and abs(unix_offset_s - self._told_offset_s) > CLOCK_SET_S
        ):
            self._n_tellings = N_TELLINGS
        return self._wants_time or (self._n_tellings > 0 and self._told_behind != self._best[0])

    def _body(
        self,
        content: "_Content",
        now_s: float,
        end_s: float,
        unix_offset_s: float | None,
        slots: SlotPlan | None,
        budget_s: float | None,
    ) -> bytes:
        """What the content says in a frame that ends at end_s; it is said then."""
        if content is LONG_TAGS:
            command = self._session.siege.command(now_s)
            assert command is not None
            self._session.siege.commanded(now_s)
            return pack_command(command)
        if content is TIME:
            assert unix_offset_s is not None
            self._wants_time = False
            self._told_offset_s = unix_offset_s
            self._n_tellings = max(0, self._n_tellings - 1)
            self._told_behind = self._best[0]
            return Time(end_s + unix_offset_s).pack()
        if content is SLOT:
            assert slots is not None
            self.wants_slot = False
            return pack_command(slots.grant(self.node, end_s))
        if content is REPORT:
            assert self._reporter is not None
            return self._reporter.report(self._best[1], self.advice, budget_s).pack()
        return pack_command(self.commands.popleft())


@dataclass(frozen=True)
class _Content:
    """What the next downlink packet would be."""

    packet_type: PacketType
    n_bytes: int


LONG_TAGS = _Content(PacketType.COMMAND, len(pack_command(LongTags(True))))
SLOT = _Content(PacketType.COMMAND, len(pack_command(Slot(0, 0, 0))))
TIME = _Content(PacketType.TIME, len(Time(0).pack()))
REPORT = _Content(PacketType.REPORT, REPORT_BYTES)

_COUNTED = {
    Reason.MALFORMED: "n_malformed",
    Reason.COLLISION: "n_malformed",
    Reason.NOT_OPENED: "n_bad_tag",
    Reason.REPLAY: "n_replayed",
    Reason.DUPLICATE: "n_duplicate",
    Reason.STALE_SESSION: "n_stale",
    Reason.UNKNOWN_SESSION: "n_stale",
}
"Reason: the figure that it raises."


def _strength(quality: Quality) -> tuple[float, float]:
    rssi_dbm, snr_db = quality.rssi_dbm, quality.snr_db
    return -200.0 if rssi_dbm is None else rssi_dbm, -50.0 if snr_db is None else snr_db


def _chunks(packet_type: PacketType, body: bytes, counter: int) -> list[Chunk]:
    return (
        [Chunk.unpack(body, counter)]
        if packet_type == PacketType.DATA
        else unpack_batch(body, counter)
    )
