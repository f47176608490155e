"""Peer through a network: all that a host knows of one LoRaWAN node.

A session is one join of the node: a new device address. In each one the host waits for the node's
HELLO, which tells the bundle and the ids, and asks for it (RENEW); up to 64 packets wait so long in
memory. A counter is the frame counter, lifted above those of earlier sessions, so that it stays
unique.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from link.bundle.bundle import Bundle
from link.host.image_reader import ImageReader, malformed, undecodable
from link.host.interface import (
    Downlink,
    HelloHeard,
    NodeEntry,
    NodeState,
    NotUsed,
    Outcome,
    Reason,
    Rejected,
    StatusHeard,
    Update,
    Useless,
)
from link.host.losses import Losses
from link.host.statistics import NodeStatistics
from link.lorawan.host.tellings import NetworkTellings
from link.lorawan.wire import (
    FRAME_BYTES,
    LORAWAN_HEAD_BYTES,
    SESSION_BYTES,
    Greeting,
    plain_packet,
    unpack_batch,
    unpack_chunk,
)
from link.medium.timing import LinkTiming
from link.security.seal import REPLAY_WINDOW, ReplayWindow, reconstruct_counter
from link.wire.control import Hello, Quality, Renew, Status
from link.wire.packet import COUNTER_LOW_BITS, Chunk, Header, PacketType

NO_SESSION = bytes(SESSION_BYTES)
MAX_HELD = 64
"Packets of one node that wait for its HELLO; the oldest is given up first."
ASK_EVERY = 8
"Packets of an unknown session from one RENEW to the next."


@dataclass(frozen=True)
class Uplink:
    """A frame that is new."""

    counter: int
    packet_type: PacketType
    body: bytes
    now_s: float
    quality: Quality


class NetworkPeer:
    """One node, as its host sees it through the network."""

    def __init__(
        self,
        number: int,
        entry: NodeEntry,
        timing: LinkTiming | None,
        told_image: int | None,
    ) -> None:
        self._number = number
        self._own = entry.bundle
        self._timing = timing
        self._bundles = entry.bundles
        self._has_downlink = entry.has_downlink
        self._address: bytes | None = entry.state.salt if entry.state else None
        self._window = (
            ReplayWindow(entry.state.highest, entry.state.received)
            if entry.state
            else ReplayWindow()
        )
        self._reference = told_image or 0
        self._bundle_id: bytes | None = None
        "The bundle of this session, once the node has said HELLO."
        if not entry.has_downlink or (entry.state is not None and told_image is not None):
            self._bundle_id = entry.bundle.id
        self._held: deque[Uplink] = deque(maxlen=MAX_HELD)
        self._n_unknown = 0
        self._reader = ImageReader(number, entry.own_bundles)
        self.tellings = NetworkTellings(entry.has_downlink)
        self._gateway = 0
        self._heard_s = 0.0
        self.statistics = NodeStatistics(Losses(ids_are_counters=False))
        self.notices: list[str] = []

    @property
    def state(self) -> NodeState | None:
        """It names the session only while our bundle is spoken there: after a restart no other is
        taken for it.
        """
        if self._address is None:
            return None
        address = self._address if self._bundle_id == self._own.id else NO_SESSION
        return NodeState(address, self._window.highest, self._window.received)

    def receive(
        self,
        header: Header,
        packet_type: PacketType,
        body: bytes,
        now_s: float,
        quality: Quality,
        gateway: int,
    ) -> list[Outcome]:
        counter = self._counter(header)
        if not self._window.is_new(counter):
            self.statistics.n_duplicate += 1
            sentence = (
                f"frame {header.counter_low} of node {self._number} came before; it is ignored"
            )
            return [NotUsed(Reason.DUPLICATE, sentence, self._number)]
        self._window.mark(counter)
        self._gateway = gateway
        self._heard_s = now_s
        frame = Uplink(counter, packet_type, body, now_s, quality)
        if packet_type in (PacketType.DATA, PacketType.BATCH):
            return self._take_chunks(frame) if self._bundle_id is not None else self._hold(frame)
        self._count(frame, [])
        try:
            return self._take_control(frame)
        except ValueError as error:
            return [self._malformed(frame, error)]

    def undecodable(self, update: Update) -> Useless:
        self.statistics.n_malformed += 1
        return undecodable(update)

    def confirm(self, enough: Iterable[int]) -> None:
        for image in enough:
            self.statistics.decided(image, self._reader.n_chunks(image), self._heard_s)
            self.tellings.enough(image)

    def next_packet(self) -> Downlink:
        """One of the tellings that are due."""
        packet = plain_packet(self._number, *self.tellings.next())
        self.statistics.transmitted(len(packet))
        return Downlink(packet, self._number, self._gateway, airtime_s=0.0)

    def _counter(self, header: Header) -> int:
        """The frame counter above those of earlier sessions; begins a session where address or
        counter say so.
        """
        if header.salt == self._address:
            counter = reconstruct_counter(header.counter_low, self._window.highest)
            if counter > self._window.highest - REPLAY_WINDOW:
                return counter
            self.notices.append(
                f"node {self._number} counts its frames anew; it should join over the air instead "
                "(OTAA)"
            )
        base = (self._window.highest >> COUNTER_LOW_BITS) + 1 << COUNTER_LOW_BITS
        self._begin(header.salt)
        self._window = ReplayWindow(base + header.counter_low - 1)
        return base + header.counter_low

    def _begin(self, address: bytes) -> None:
        if self._address not in (None, NO_SESSION):
            self.notices.append(f"node {self._number} has joined the network anew")
        self._address = address
        self._n_unknown = 0
        self._held.clear()
        self._bundle_id = None if self._has_downlink else self._own.id
        self.statistics.restarted()

    def _hold(self, frame: Uplink) -> list[Outcome]:
        """Nothing tells yet what these latents were made with."""
        if self._n_unknown % ASK_EVERY == 0:
            self.tellings.command(Renew())
        self._n_unknown += 1
        self._held.append(frame)
        sentence = (
            f"node {self._number} has not said HELLO in this session; its packets are kept until "
            "it does"
        )
        return [NotUsed(Reason.UNKNOWN_SESSION, sentence, self._number)]

    def _take_control(self, frame: Uplink) -> list[Outcome]:
        if frame.packet_type == PacketType.STATUS:
            self.statistics.status = Status.unpack(frame.body)
            return [StatusHeard(self._number, frame.counter, self.statistics.status)]
        if frame.packet_type != PacketType.HELLO:
            raise ValueError(f"{frame.packet_type.name} has no place in LoRaWAN")
        greeting = Greeting.unpack(frame.body)
        self._bundle_id = greeting.bundle_id
        self._reference = greeting.image
        return [
            HelloHeard(self._number, frame.counter, Hello(greeting.bundle_id)),
            *self._release(),
        ]

    def _release(self) -> list[Outcome]:
        """What waited for the HELLO, ids found backwards: each was told near the one behind."""
        held, self._held = list(self._held), deque(maxlen=MAX_HELD)
        after = self._reference
        references: list[int] = []
        for frame in reversed(held):
            references.append(after)
            try:
                after = _chunks(frame, after)[0].image
            except (ValueError, IndexError):
                continue
        outcomes: list[Outcome] = []
        reference = self._reference
        for frame, self._reference in zip(held, reversed(references), strict=True):
            outcomes += self._take_chunks(frame)
        self._reference = reference
        return outcomes

    def _take_chunks(self, frame: Uplink) -> list[Outcome]:
        assert self._bundle_id is not None
        try:
            chunks = _chunks(frame, self._reference)
        except ValueError as error:
            self._count(frame, [])
            return [self._malformed(frame, error)]
        self._count(frame, chunks)
        if chunks:
            self._reference = chunks[-1].image
        bundle = self._bundles.get(self._bundle_id)
        if bundle is None:
            return [self._foreign(frame, self._bundle_id)]
        return self._read_all(frame, chunks, bundle)

    def _read_all(self, frame: Uplink, chunks: list[Chunk], bundle: Bundle) -> list[Outcome]:
        """The overhead of a frame is charged to its first chunk."""
        outcomes: list[Outcome] = []
        overhead_bytes = FRAME_BYTES
        for chunk in chunks:
            head_bytes = LORAWAN_HEAD_BYTES + (frame.packet_type == PacketType.BATCH)
            n_bytes = overhead_bytes + head_bytes + len(chunk.bitstream)
            outcome = self._reader.read(chunk, n_bytes, frame.counter, bundle, frame.now_s)
            overhead_bytes = 0
            self._note(outcome)
            outcomes.append(outcome)
        return outcomes

    def _note(self, outcome: Update | Rejected) -> None:
        if isinstance(outcome, Update):
            self.tellings.came(outcome.image, outcome.is_complete)
        elif outcome.reason in (Reason.MALFORMED, Reason.COLLISION):
            self.statistics.n_malformed += 1

    def _foreign(self, frame: Uplink, bundle_id: bytes) -> Useless:
        return Useless(
            Reason.OTHER_BUNDLE,
            f"packet made with bundle {bundle_id.hex()}, this host has {self._own.id.hex()} "
            f"({self._own.path}) for node {self._number} and does not hold the other; configure "
            "that here, or flash this there",
            self._number,
            frame.counter,
        )

    def _malformed(self, frame: Uplink, error: ValueError) -> Useless:
        self.statistics.n_malformed += 1
        return malformed(self._number, frame.counter, error)

    def _count(self, frame: Uplink, chunks: list[Chunk]) -> None:
        n_bytes = FRAME_BYTES + len(frame.body)
        airtime_s = self._timing.profile.medium.airtime_s(n_bytes) if self._timing else 0.0
        self.statistics.heard(frame.counter, n_bytes, frame.now_s, airtime_s, frame.quality, chunks)


def _chunks(frame: Uplink, reference: int) -> list[Chunk]:
    is_batch = frame.packet_type == PacketType.BATCH
    return (
        unpack_batch(frame.body, reference) if is_batch else [unpack_chunk(frame.body, reference)]
    )
