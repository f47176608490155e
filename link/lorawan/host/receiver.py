"""LoRaWAN receiver: the host's end where a network server has opened the frames, for all nodes of
the network.

It has the face of link.host.receiver.Receiver and tells the same outcomes. The network has verified
every frame, so here only those are turned away that came before. A session is one join of the node:
a new device address. In each one the host waits for the node's HELLO, which tells the bundle and
the ids, and asks for it (RENEW); up to 64 packets wait so long in memory. A counter is the frame
counter, lifted above those of earlier sessions, so that it stays unique.

Downlinks are few, because a gateway that speaks is deaf to everybody and networks ration them:
RENEW, commands, and the images that need no more while the node still has chunks of them.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from link.base.recent import Recent
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.host.image_reader import Decode, ImageReader, malformed
from link.host.interface import (
    Downlink,
    HelloHeard,
    NodeEntry,
    Outcome,
    Rejected,
    StatusHeard,
    Update,
)
from link.host.session import NodeState, Reason
from link.host.statistics import NodeStatistics
from link.lorawan.wire import (
    CHUNK_HEAD_BYTES,
    FRAME_BYTES,
    SESSION_BYTES,
    Greeting,
    pack_enough,
    plain_packet,
    unpack_batch,
    unpack_chunk,
    unpack_packet,
)
from link.medium.timing import LinkTiming
from link.security.seal import REPLAY_WINDOW, ReplayWindow, reconstruct_counter
from link.wire.control import (
    NO_QUALITY,
    AskStatus,
    Command,
    Hello,
    Quality,
    Renew,
    Status,
    pack_command,
)
from link.wire.packet import COUNTER_LOW_BITS, Chunk, Header, PacketType

NO_SESSION = bytes(SESSION_BYTES)
MAX_HELD = 64
"Packets of one node that wait for its HELLO; the oldest is given up first."
ASK_EVERY = 8
"Packets of an unknown session from one RENEW to the next."
TELL_AGAIN_AFTER = 2
MAX_ENOUGH = 16
"Images that one REPORT names, the latest."


@dataclass(frozen=True)
class _Frame:
    """One uplink that is new."""

    counter: int
    packet_type: PacketType
    body: bytes
    now_s: float
    quality: Quality


class LoRaWanReceiver:
    """A host's end; timing None: airtime is not counted."""

    def __init__(
        self,
        nodes: Mapping[int, NodeEntry],
        timing: LinkTiming | None = None,
        told_images: Mapping[int, int] | None = None,
        *,
        decode: Decode = latent_coder.decode,
    ) -> None:
        """`told_images`: the image of each node's chunk stored last, where that was made with the
        node's own bundle.

        A node without one is asked for a HELLO once more. Keys of nodes are not used: the network
        has its own.
        """
        told = told_images or {}
        self._nodes = {
            number: _Node(number, entry, timing, told.get(number), decode)
            for number, entry in nodes.items()
        }

    def receive(
        self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY, gateway: int = 0
    ) -> list[Outcome]:
        """One packet as the network's carrier gives it."""
        try:
            header, packet_type, body = unpack_packet(packet)
        except ValueError as error:
            return [Rejected(Reason.MALFORMED, str(error))]
        if header.node not in self._nodes:
            known = sorted(self._nodes)
            return [
                Rejected(
                    Reason.UNKNOWN_NODE,
                    f"packet names node {header.node}, over LoRaWAN there are {known}",
                )
            ]
        if not packet_type.is_uplink or not header.salt:
            return [
                Rejected(
                    Reason.PACKET_TYPE,
                    f"packet of type {packet_type.name} is no uplink of a network",
                )
            ]
        return self._nodes[header.node].receive(header, packet_type, body, now_s, quality, gateway)

    def confirm(self, node: int, counter: int, enough: Iterable[int] = ()) -> None:
        """The store has what this packet brought; the images `enough` need no further chunk."""
        self._nodes[node].confirm(enough)

    def state(self, node: int) -> NodeState | None:
        """What to store with each outcome; None before the node was heard."""
        return self._nodes[node].state

    def statistics(self, node: int) -> NodeStatistics:
        return self._nodes[node].statistics

    def take_notices(self) -> list[str]:
        """Sentences about the nodes' sessions since the last call."""
        notices = [sentence for node in self._nodes.values() for sentence in node.notices]
        for node in self._nodes.values():
            node.notices.clear()
        return notices

    def command(self, node: int, command: Command) -> None:
        """Tell a node behind one of its next uplinks. ValueError: the network does that by
        itself.
        """
        if not isinstance(command, (Renew, AskStatus)):
            raise ValueError(
                f"{type(command).__name__} has no place in LoRaWAN: the network sees to "
                "counters and slots"
            )
        self._nodes[node].ask(command)

    def next_due_s(self, now_s: float) -> float | None:
        """When next_packet has something: at once, since the network keeps it for the node's next
        window.
        """
        return now_s if any(node.has_downlink for node in self._nodes.values()) else None

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to hand to the network now."""
        waiting = (node for node in self._nodes.values() if node.has_downlink)
        node = next(waiting, None)
        return node.next_packet() if node else None

    def transmitted(self, end_s: float) -> None:
        """The network has it; when it transmits it is its own affair."""


class _Node:
    """One node, as its host sees it through the network."""

    def __init__(
        self,
        number: int,
        entry: NodeEntry,
        timing: LinkTiming | None,
        told_image: int | None,
        decode: Decode,
    ) -> None:
        self._number = number
        self._own = entry.bundle
        self._timing = timing
        self._bundles = entry.bundles
        self._is_one_way = entry.one_way
        self._address: bytes | None = entry.state.salt if entry.state else None
        self._window = (
            ReplayWindow(entry.state.highest, entry.state.received)
            if entry.state
            else ReplayWindow()
        )
        self._reference = told_image or 0
        self._bundle_id: bytes | None = None
        "Of this session, once the node has said HELLO."
        if entry.one_way or (entry.state is not None and told_image is not None):
            self._bundle_id = entry.bundle.id
        self._held: deque[_Frame] = deque(maxlen=MAX_HELD)
        self._n_unknown = 0
        self._reader = ImageReader(number, entry.own_bundles, decode)
        self._is_complete: Recent[int, bool] = Recent(MAX_HELD)
        "Images of late: whether their last chunk is here."
        self._enough: Recent[int, None] = Recent(MAX_ENOUGH)
        self._n_since_told: Recent[int, int] = Recent(MAX_HELD)
        "Images that the node was told are enough: chunks that came since."
        self._commands: deque[Command] = deque()
        self._gateway = 0
        self._heard_s = 0.0
        self.statistics = NodeStatistics(ids_are_counters=False)
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

    @property
    def has_downlink(self) -> bool:
        return bool(self._commands or self._enough)

    def ask(self, command: Command) -> None:
        if not self._is_one_way and command not in self._commands:
            self._commands.append(command)

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
            return [Rejected(Reason.DUPLICATE, sentence, self._number)]
        self._window.mark(counter)
        self._gateway = gateway
        self._heard_s = now_s
        frame = _Frame(counter, packet_type, body, now_s, quality)
        if packet_type in (PacketType.DATA, PacketType.BATCH):
            return self._take_chunks(frame) if self._bundle_id is not None else self._hold(frame)
        self._count(frame, [])
        try:
            return self._take_control(frame)
        except ValueError as error:
            return [self._malformed(frame, error)]

    def confirm(self, enough: Iterable[int]) -> None:
        for image in enough:
            self.statistics.decided(image, self._reader.n_chunks(image), self._heard_s)
            if not self._is_one_way and not self._is_complete.get(image, True):
                self._tell(image)

    def _tell(self, image: int) -> None:
        """One more chunk comes before the node can know; if two do, it has not heard."""
        n_chunks = self._n_since_told.pop(image, TELL_AGAIN_AFTER - 1) + 1
        if n_chunks >= TELL_AGAIN_AFTER:
            self._enough.setdefault(image)
            n_chunks = 0
        self._n_since_told[image] = n_chunks

    def next_packet(self) -> Downlink:
        """A command, or the images that need no more; one of them waits."""
        if self._commands:
            packet = plain_packet(
                self._number, PacketType.COMMAND, pack_command(self._commands.popleft())
            )
        else:
            packet = plain_packet(self._number, PacketType.REPORT, pack_enough(self._enough))
            self._enough.clear()
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
                f"node {self._number} counts its frames anew; it should join over the air "
                "instead (OTAA)"
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
        self._bundle_id = self._own.id if self._is_one_way else None
        self.statistics.restarted()

    def _hold(self, frame: _Frame) -> list[Outcome]:
        """Nothing tells yet what these latents were made with."""
        if self._n_unknown % ASK_EVERY == 0:
            self.ask(Renew())
        self._n_unknown += 1
        self._held.append(frame)
        sentence = (
            f"node {self._number} has not said HELLO in this session; its packets are kept until "
            "it does"
        )
        return [Rejected(Reason.UNKNOWN_SESSION, sentence, self._number)]

    def _take_control(self, frame: _Frame) -> list[Outcome]:
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
        """What waited for the HELLO. Each was told near the one behind it, so their ids are found
        backwards.
        """
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

    def _take_chunks(self, frame: _Frame) -> list[Outcome]:
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

    def _read_all(self, frame: _Frame, chunks: list[Chunk], bundle: Bundle) -> list[Outcome]:
        """The overhead of a frame is charged to its first chunk."""
        outcomes: list[Outcome] = []
        overhead_bytes = FRAME_BYTES
        for chunk in chunks:
            head_bytes = CHUNK_HEAD_BYTES + (frame.packet_type == PacketType.BATCH)
            n_bytes = overhead_bytes + head_bytes + len(chunk.bitstream)
            outcome = self._reader.read(chunk, n_bytes, frame.counter, bundle, frame.now_s)
            overhead_bytes = 0
            self._note(outcome)
            outcomes.append(outcome)
        return outcomes

    def _note(self, outcome: Update | Rejected) -> None:
        if isinstance(outcome, Update):
            self._is_complete[outcome.image] = outcome.is_complete
        elif outcome.reason in (Reason.MALFORMED, Reason.COLLISION):
            self.statistics.n_malformed += 1

    def _foreign(self, frame: _Frame, bundle_id: bytes) -> Rejected:
        return Rejected(
            Reason.OTHER_BUNDLE,
            f"packet made with bundle {bundle_id.hex()}, this host has {self._own.id.hex()} "
            f"({self._own.path}) for "
            f"node {self._number} and does not hold the other; configure that here, or flash "
            "this there",
            self._number,
            frame.counter,
        )

    def _malformed(self, frame: _Frame, error: ValueError) -> Rejected:
        self.statistics.n_malformed += 1
        return malformed(self._number, frame.counter, error)

    def _count(self, frame: _Frame, chunks: list[Chunk]) -> None:
        n_bytes = FRAME_BYTES + len(frame.body)
        airtime_s = self._timing.profile.medium.airtime_s(n_bytes) if self._timing else 0.0
        self.statistics.heard(frame.counter, n_bytes, frame.now_s, airtime_s, frame.quality, chunks)


def _chunks(frame: _Frame, reference: int) -> list[Chunk]:
    is_batch = frame.packet_type == PacketType.BATCH
    return (
        unpack_batch(frame.body, reference) if is_batch else [unpack_chunk(frame.body, reference)]
    )
