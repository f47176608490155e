"""Peer: all that a host knows of one node: its sessions, its images, what it is owed.

Of a team, which is one node of several cards, each card's session is a voice by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf

from link.base.recent import Recent
from link.host.advances import Advances
from link.host.image_reader import ImageReader, lacking, malformed, undecodable
from link.host.interface import (
    Downlink,
    HelloHeard,
    NodeEntry,
    NodeState,
    NotUsed,
    Outcome,
    Reason,
    StatusHeard,
    Update,
    Useless,
)
from link.host.reporter import Reporter
from link.host.session import MAX_CARDS, HostSession, Opened, SessionNews
from link.host.statistics import NodeStatistics
from link.host.tellings import Newest, Telling, Tellings
from link.medium.governor import Governor
from link.medium.time_slots import SlotPlan
from link.medium.timing import LinkTiming
from link.security.seal import REPLAY_WINDOW
from link.wire.control import Advance, Hello, Parity, Quality, Status, pack_command
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

COPY_S = 2.0
"Within this the same packet comes by another gateway; later it is a recording."


@dataclass
class Voice:
    """What was heard of one card, and what it is owed."""

    tellings: Tellings | None
    "None: it is never told anything."
    salt: bytes = b""
    "The salt of its session."
    parity: ParityDecoder = field(default_factory=ParityDecoder)
    heard_s: Recent[int, float] = field(default_factory=lambda: Recent(REPLAY_WINDOW))
    "When each packet of late came, by counter."
    newest: Newest = field(default_factory=Newest)

    def begin_anew(self, salt: bytes) -> None:
        self.salt = salt
        self.parity = ParityDecoder()
        self.heard_s.clear()
        self.newest = self.newest._replace(counter=-1)
        if self.tellings:
            self.tellings.reporter.began_anew()

    def note_gateway(self, counter: int, quality: Quality, gateway: int) -> None:
        """The answer goes through the gateway that heard the newest packet best."""
        newest = self.newest
        if counter > newest.counter or (
            counter == newest.counter and _strength(quality) > _strength(newest.quality)
        ):
            self.newest = Newest(counter, quality, gateway)

    @property
    def due_s(self) -> float | None:
        """When something is due for it; None: nothing."""
        return None if self.tellings is None else self.tellings.reporter.due_s()


class Peer:
    """One node, as its host sees it."""

    def __init__(
        self,
        node: int,
        entry: NodeEntry,
        timing: LinkTiming | None,
        host_salt: bytes,
        advances: Advances | None,
    ) -> None:
        """`advances` of the whole host; None, as without timing: it never answers."""
        self.node = node
        self._timing = timing
        self._advances = advances
        self._bundles = entry.bundles
        bundles = list(reversed(self._bundles.values()))
        self._has_downlink = entry.has_downlink and timing is not None
        self._is_team = entry.is_team
        self._session = HostSession(
            node, entry.key, bundles, host_salt, entry.state, self._has_downlink, self._is_team
        )
        self._images = ImageReader(node, entry.own_bundles)
        self._voice = self._new_voice(entry.state)
        "The one heard last."
        self._voices: Recent[bytes, Voice] = Recent(MAX_CARDS)
        "A team's, by salt."
        self._speaker: Recent[int, Voice] = Recent(REPLAY_WINDOW)
        "Whose packet of late each was, by counter."
        if entry.state and self._is_team:
            self._voices[entry.state.salt] = self._voice
        self.statistics = NodeStatistics()
        self.notices: list[str] = []
        self._collided: Recent[int, None] = Recent(REPLAY_WINDOW)
        "Counters of packets that are not to be acknowledged."
        self._lacked = b""
        "The bundle that was last said to be lacking."

    def _new_voice(self, state: NodeState | None = None) -> Voice:
        if self._timing is None or not self._has_downlink:
            return Voice(None, state.salt if state else b"")
        reporter = Reporter(self._timing, *((state.highest, state.received) if state else ()))
        tellings = Tellings(self.node, reporter, self._session.siege)
        return Voice(tellings, state.salt if state else b"")

    @property
    def tellings(self) -> Tellings | None:
        """Those of the card heard last; None: the node is never told anything."""
        return self._voice.tellings

    @property
    def state(self) -> NodeState | None:
        return self._session.state

    @property
    def salt(self) -> bytes:
        """The session's that was heard last."""
        return self._voice.salt

    @property
    def highest(self) -> int:
        """Counter received; -1 before the node was heard."""
        return self._session.highest

    @property
    def gateway(self) -> int:
        """The one through which it is answered."""
        return self._due_voice.newest.gateway

    @property
    def _due_voice(self) -> Voice:
        """The one that is owed something first; that heard last, where none is."""
        due = [voice for voice in self._all_voices if voice.due_s is not None]
        return min(due, key=lambda voice: voice.due_s or 0.0, default=self._voice)

    @property
    def _all_voices(self) -> list[Voice]:
        return [*self._voices.values()] or [self._voice]

    # Uplink

    def receive(
        self, packet: bytes, header: Header, now_s: float, quality: Quality, gateway: int
    ) -> list[Outcome]:
        """What a packet in this node's name brings."""
        news = self._session.open(packet, header, now_s)
        if isinstance(news, NotUsed):
            self._pass_over(news, header, now_s, quality, gateway)
            return [news]
        self._turn_to(news)
        self._tell_lack()
        outcomes: list[Outcome] = []
        for opened in news.opened:
            self._voice.note_gateway(opened.counter, quality, gateway)
            outcomes += self._take(opened, now_s, quality)
        return outcomes

    def _pass_over(
        self, packet: NotUsed, header: Header, now_s: float, quality: Quality, gateway: int
    ) -> None:
        """What follows from a packet that is not used."""
        self._count(packet.reason)
        voice = self._speaker.get(packet.claimed, self._voice)
        if (
            packet.reason == Reason.DUPLICATE
            and now_s <= voice.heard_s.get(packet.claimed, -inf) + COPY_S
        ):
            voice.note_gateway(packet.claimed, quality, gateway)
        is_asked = packet.reason == Reason.STALE_SESSION and header.flags & Flag.LISTEN
        if is_asked and self._advances is not None and self.tellings is not None:
            self._advances.ask(self.node, header.salt, packet.claimed, gateway, now_s)

    def _tell_lack(self) -> None:
        """Once for each: what the node's images need and this host does not hold."""
        lacked = self._session.lacks
        if lacked and lacked != self._lacked:
            self.notices.append(
                f"node {self.node} sends images made with bundle {lacked.hex()}, which this host "
                "lacks: they are stored undecoded; add that bundle to `bundles` in the host's "
                "configuration"
            )
        self._lacked = lacked

    def confirm(self, counter: int, enough: Iterable[int]) -> None:
        """The store has this packet; these images need no more."""
        if counter in self._collided:
            return
        images = list(enough)
        voice = self._speaker.get(counter, self._voice)
        if voice.tellings:
            voice.tellings.reporter.confirm(counter, images)
        for image in images:
            self.statistics.decided(
                image, self._images.n_chunks(image), voice.heard_s.get(counter, 0.0)
            )

    def undecodable(self, update: Update) -> Useless:
        """What comes of an update whose bitstream is none."""
        self._count(Reason.MALFORMED)
        return undecodable(update)

    def collide(self, counter: int) -> None:
        """An image in this packet has another's id: the packet is never acknowledged, the node is
        to go on above.
        """
        self._collided.setdefault(counter)
        if self.tellings:
            self.tellings.reporter.reject(counter)
            if not any(isinstance(command, Advance) for command in self.tellings.commands):
                self.tellings.commands.append(Advance(self._session.highest))

    def _turn_to(self, news: SessionNews) -> None:
        """The voice of a session, which may have just begun; one that is no team has one voice."""
        if news.began is not None:
            self.notices.append(news.began)
            self.statistics.restarted()
            if self._is_team:
                self._voices[news.salt] = self._new_voice()
            self._voices.get(news.salt, self._voice).begin_anew(news.salt)
        self._voice = self._voices.get(news.salt, self._voice)
        if self._is_team:
            self._voices.move_to_end(news.salt)

    def _take(self, opened: Opened, now_s: float, quality: Quality) -> list[Outcome]:
        """A packet that is good and new, and what parity makes of it."""
        self._voice.heard_s[opened.counter] = now_s
        self._speaker[opened.counter] = self._voice
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
        if self.tellings:
            listens = bool(opened.header.flags & Flag.LISTEN)
            self.tellings.reporter.heard(opened.counter, images, now_s, airtime_s, listens)
        for outcome in outcomes:
            if isinstance(outcome, Useless):
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
                chunks += self._chunks(packet_type, body, counter)
                outcomes = self._add_all(chunks, opened, now_s, packet_type)
                return outcomes + self._take_back(
                    self._voice.parity.push(counter, body, packet_type), opened, now_s
                )
            case PacketType.PARITY:
                return self._take_back(
                    self._voice.parity.push_parity(Parity.unpack(body, counter)), opened, now_s
                )
            case PacketType.STATUS:
                self.statistics.status = Status.unpack(body)
                return [StatusHeard(self.node, counter, self.statistics.status)]
            case _:
                hello = Hello.unpack(body)
                if self.tellings:
                    self.tellings.heard(hello)
                return [HelloHeard(self.node, counter, hello)]

    def _take_back(
        self, recovered: Iterable[Recovered], opened: Opened, now_s: float
    ) -> list[Outcome]:
        """Packets that parity brought back; they came when their nearest neighbour did."""
        outcomes: list[Outcome] = []
        for back in recovered:
            if not self._session.recovered(self._voice.salt, back.counter):
                continue
            self._speaker[back.counter] = self._voice
            heard_s = self._voice.heard_s
            nearest = min(heard_s, key=lambda counter: abs(counter - back.counter), default=None)
            then_s = now_s if nearest is None else heard_s[nearest]
            packet_bytes = overhead_bytes(back.packet_type) + len(back.body)
            again = Opened(opened.header, back.counter, back.body, opened.bundle_id, packet_bytes)
            try:
                chunks = self._chunks(back.packet_type, back.body, back.counter)
                outcomes += self._add_all(chunks, again, then_s, back.packet_type)
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

    def _chunks(self, packet_type: PacketType, body: bytes, counter: int) -> list[Chunk]:
        """A team's are each of the version that their card made."""
        chunks = (
            [Chunk.unpack(body, counter)]
            if packet_type == PacketType.DATA
            else unpack_batch(body, counter)
        )
        if self._is_team:
            return [replace(chunk, version=self._voice.salt) for chunk in chunks]
        return chunks

    def _count(self, reason: Reason) -> None:
        figure = _COUNTED.get(reason)
        if figure is not None:
            setattr(self.statistics, figure, getattr(self.statistics, figure) + 1)

    # Downlink

    def due_s(self) -> float | None:
        """When something is due for the node; None: nothing."""
        return self._due_voice.due_s if self._voices else self._voice.due_s

    @property
    def is_asked(self) -> bool:
        """Whether the node listens now."""
        return any(
            voice.tellings is not None and voice.tellings.reporter.is_asked
            for voice in self._all_voices
        )

    def next_packet(
        self,
        now_s: float,
        governor: Governor | None,
        unix_offset_s: float | None,
        slots: SlotPlan | None,
    ) -> Downlink | None:
        """The most urgent of what is due, when it may be sent now."""
        voice = self._due_voice
        due_s, tellings = voice.due_s, voice.tellings
        if due_s is None or now_s < due_s or self._timing is None or tellings is None:
            return None
        telling = tellings.next(now_s, voice.newest, governor, unix_offset_s, slots)
        airtime_s = self._airtime_s(telling, voice.salt)
        if governor is not None:
            is_too_long = governor.start_s(airtime_s, now_s) > now_s
            if is_too_long and tellings.put_parts([]):  # the node asks again
                telling = tellings.next(now_s, voice.newest, governor, unix_offset_s, slots)
                airtime_s = self._airtime_s(telling, voice.salt)
            if governor.start_s(airtime_s, now_s) > now_s:
                return None
            governor.occupy(airtime_s, now_s)
        body = telling.say(now_s + airtime_s)
        packet = self._session.seal(voice.salt, telling.packet_type, body)
        return self._leaving(packet, voice.newest.gateway, airtime_s, voice.salt)

    def _airtime_s(self, telling: Telling, salt: bytes) -> float:
        assert self._timing is not None
        has_salt = self._session.owes_salt(salt)
        n_bytes = overhead_bytes(telling.packet_type, has_salt) + telling.n_bytes
        return self._timing.airtime_s(n_bytes)

    def advance(self, salt: bytes, gateway: int, airtime_s: float) -> Downlink:
        """The answer to a session that is behind; it is charged already."""
        packet = self._session.seal_stale(
            salt, PacketType.COMMAND, pack_command(Advance(self._session.highest))
        )
        return self._leaving(packet, gateway, airtime_s, salt)

    def _leaving(self, packet: bytes, gateway: int, airtime_s: float, salt: bytes) -> Downlink:
        self.statistics.transmitted(len(packet), airtime_s)
        return Downlink(packet, self.node, gateway, airtime_s, salt)


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
