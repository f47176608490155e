"""LoRaWAN sender: a node's end where a network server lies between it and its host.

Every uplink asks the network for an acknowledgement, one transmission at a time. A chunk is
delivered when the network acknowledged the uplink that carried it: from then on it is the network's
to keep and to hand on, and the node forgets it. Whether the host ever stored it, the node does not
learn; behind ChirpStack with MQTT at QoS 1 that is the broker's care, The Things Stack does not
keep what nobody listens to. Our own link acknowledges what the host has stored; who needs that uses
our own link.

It keeps the promise of link.node.interface.NodeEnd. Packets are those of
link.lorawan.wire.plain_packet. `receive` is given what the carrier tells of the network too: a
REPORT without a body, the acknowledgement of the packet before.
"""

from dataclasses import dataclass
from math import inf

from link.base.recent import Recent
from link.lorawan.wire import (
    FRAME_BYTES,
    HELLO_BYTES,
    LORAWAN_HEAD_BYTES,
    Greeting,
    can_be_told,
    pack_batch,
    pack_chunk,
    plain_packet,
    unpack_enough,
    unpack_packet,
)
from link.medium.ledger import SAME_MOMENT_S
from link.node.announcements import NodeStatus
from link.node.choice import LOOK_AHEAD
from link.node.fitting import Fitting
from link.node.in_flight import MAX_STOPPED
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
    SenderStatistics,
)
from link.node.rate_control import RateControl
from link.node.tries import Tries
from link.wire.control import (
    STATUS_BYTES,
    AskStatus,
    Renew,
    Report,
    unpack_command,
)
from link.wire.packet import HEADER_BYTES, Chunk, ChunkId, PacketType

PAUSE_FRAMES = 4
PAUSE_DOUBLINGS = 10
"""The pause behind a frame that was not acknowledged, in its airtimes: 4 at first, 4096 when nobody
hears for long.
"""


@dataclass(frozen=True)
class _Content:
    """What the next packet is."""

    packet_type: PacketType
    body: bytes
    chunks: tuple[QueuedChunk, ...] = ()
    reference: int | None = None
    "The image id that the host knows once it has this."
    is_short: bool = False
    "A STATUS in the place of something that does not fit: it says no fault, whatever there is."

    @property
    def chunk_ids(self) -> tuple[ChunkId, ...]:
        return tuple((chunk.image, chunk.index) for chunk in self.chunks)


class LoRaWanSender:
    """A NodeEnd; the profile tells the longest body and the radio."""

    unix_offset_s: float | None = None
    "Never known: a network server cannot tell when it will transmit."
    is_unheard = False
    "The network takes everything."

    def __init__(self, identity: Identity, equipment: Equipment, fault: str | None = None) -> None:
        outbox, governor, timing = equipment.outbox, equipment.governor, equipment.timing
        max_bytes = timing.profile.max_packet_bytes
        if max_bytes < HELLO_BYTES:
            raise ValueError(f"bodies of {max_bytes} bytes hold no HELLO, which has {HELLO_BYTES}")
        self.statistics = SenderStatistics()
        self.silent_because: str | None = None
        self.n_missed = 0
        self._identity = identity
        self._outbox = outbox
        self._governor = governor
        self._timing = timing
        self._random = equipment.random
        self._fitting = Fitting(max_bytes, least_bytes=STATUS_BYTES)
        self._rate = RateControl(governor)
        self._tries = Tries(outbox, self.statistics)
        self._status = NodeStatus(equipment, self.statistics, max_bytes - STATUS_BYTES)
        self._stopped: Recent[int, None] = Recent(MAX_STOPPED)
        equipment.counters.advance_to(outbox.newest_image + 1)
        self._owes_hello = True
        self._reference = equipment.counters.next()  # ids to come are near it
        "The image id that the host was told last."
        self._speaking: tuple[Outgoing, _Content] | None = None
        self._unanswered: _Content | None = None
        "What has left and may still be acknowledged."
        self._free_s = -inf
        self.tell_fault(fault)

    def chunk_bytes(self, first: int | None = None, later: int | None = None) -> tuple[int, int]:
        most = self._fitting.max_bytes - LORAWAN_HEAD_BYTES
        return min(first or most, most), min(later or most, most)

    def is_idle(self, now_s: float) -> bool:
        return self._speaking is None and now_s >= self._free_s and self._choose(now_s) is None

    wants_image = is_idle

    def next_due_s(self, now_s: float) -> float | None:
        if self._speaking:
            return None
        content = self._choose(now_s)
        if content is None:
            due_s = (self._free_s if self._unanswered else None, self._fitting.due_s(now_s))
            return min((one for one in due_s if one is not None), default=None)
        start_s = self._governor.start_s(self._airtime_s(content), max(now_s, self._free_s))
        return None if start_s == inf else start_s

    def tell_fault(self, fault: str | None) -> None:
        """The next STATUS says it."""
        if self._status.tell_fault(fault):
            self._status.owe_status()

    def expect_no_image(self) -> None:
        """Nothing waits for one: every uplink is acknowledged by itself."""

    def take_over(self, other: NodeEnd) -> None:
        """Nothing: the network takes the images of any bundle, and knows nothing of faults."""

    def next_packet(self, now_s: float) -> Outgoing | None:
        """`transmitted` is to be called when its receive windows are over."""
        if self._speaking or now_s < self._free_s:
            return None
        self._miss_acknowledgement(now_s)
        content = self._choose(now_s) if now_s >= self._free_s else None
        if content is None:
            return None
        airtime_s = self._airtime_s(content)
        self.silent_because = self._governor.reason(airtime_s)
        if self._governor.start_s(airtime_s, now_s) > now_s + SAME_MOMENT_S:
            return None
        if len(content.body) > self._fitting.max_bytes:
            self._tries.too_long(content.chunk_ids)
            return None
        self._governor.occupy(airtime_s, now_s)
        outgoing = Outgoing(
            plain_packet(self._identity.node, content.packet_type, content.body),
            content.packet_type,
            airtime_s,
            content.chunk_ids,
            listens=True,
            bitstream_bytes=tuple(len(chunk.bitstream) for chunk in content.chunks),
        )
        self._speaking = outgoing, content
        self._tries.sent(outgoing)
        self._rate.sent_chunks(content.chunks, airtime_s)
        self._status.count_packet()
        return outgoing

    def transmitted(self, end_s: float) -> None:
        """What the carrier was told meanwhile is there to be received."""
        if self._speaking is not None:
            (outgoing, self._unanswered), self._speaking = self._speaking, None
            self._fitting.left(outgoing.chunks)
            self._free_s = end_s + self._timing.turnaround_s

    def does_not_fit(self, now_s: float, max_packet_bytes: int | None = None) -> None:
        assert self._speaking is not None
        (outgoing, content), self._speaking = self._speaking, None
        self._governor.take_back(outgoing.airtime_s)
        told_bytes = None if max_packet_bytes is None else max_packet_bytes - HEADER_BYTES
        self._fitting.too_long(len(content.body), outgoing.chunks, now_s, told_bytes)
        self._tries.withdrawn(outgoing)

    def receive(self, packet: bytes, now_s: float) -> Heard | None:
        try:
            header, packet_type, body = unpack_packet(packet)
            if header.node != self._identity.node or packet_type.is_uplink:
                return None
            if packet_type == PacketType.REPORT:
                return self._stop(body) if body else self._take_acknowledgement(now_s)
            if packet_type != PacketType.COMMAND:
                return Rejected(f"{packet_type.name} has no place in LoRaWAN; update the host")
            return self._carry_out(body)
        except ValueError as error:
            return Rejected(f"a downlink makes no sense: {error}; update node and host")

    # What to send

    def _choose(self, now_s: float) -> _Content | None:
        """The most useful thing that could be sent, whether or not it may be now."""
        if now_s < self._fitting.free_s:
            return None
        offers = (self._due_hello, self._due_status, self._bases, self._refinement)
        content = next(filter(None, (offer(now_s) for offer in offers)), None)
        if (
            content is None
            or not self._fitting.is_short
            or len(content.body) <= self._fitting.room_bytes
        ):
            return content
        short = self._status.status(now_s, is_short=True)
        return _Content(PacketType.STATUS, short.pack(), is_short=True)

    def _due_hello(self, now_s: float) -> _Content | None:
        return self._hello(self._reference) if self._owes_hello else None

    def _due_status(self, now_s: float) -> _Content | None:
        if not self._status.is_status_owed:
            return None
        return _Content(PacketType.STATUS, self._status.status(now_s).pack())

    def _hello(self, image: int) -> _Content:
        greeting = Greeting(self._identity.bundle_id, image)
        return _Content(PacketType.HELLO, greeting.pack(), reference=image)

    def _bases(self, now_s: float) -> _Content | None:
        """The oldest base chunks; several share a packet where airtime is short."""
        limit = LOOK_AHEAD if self._governor.is_limited else 1
        waiting = list(self._outbox.base_chunks(limit, self._fitting.held(now_s)))
        if not waiting:
            return None
        if not can_be_told(waiting[0].image, self._reference):
            return self._hello(waiting[0].image)
        chunks, room = [waiting[0]], self._fitting.room_bytes - _entry_bytes(waiting[0])
        for chunk in waiting[1:]:
            room -= _entry_bytes(chunk)
            if room < 0 or not can_be_told(chunk.image, self._reference):
                break
            chunks.append(chunk)
        return self._data(tuple(chunks), now_s)

    def _refinement(self, now_s: float) -> _Content | None:
        """The next refinement that is wanted and affordable, of the newest image that has one."""
        held = self._fitting.held(now_s)
        for chunk in self._outbox.refinements(LOOK_AHEAD):
            if (chunk.image, chunk.index) in held:
                continue
            content = self._data((chunk,), now_s)
            affordable = self._rate.n_affordable(self._airtime_s(content), now_s)
            if can_be_told(chunk.image, self._reference) and chunk.index < affordable:
                return content
        return None

    def _data(self, queued: tuple[QueuedChunk, ...], now_s: float) -> _Content:
        chunks = [
            Chunk(
                chunk.image,
                chunk.index,
                chunk.is_last,
                chunk.bitstream,
                None if chunk.captured_s is None else max(0.0, now_s - chunk.captured_s),
            )
            for chunk in queued
        ]
        if len(chunks) == 1:
            return _Content(PacketType.DATA, pack_chunk(chunks[0]), queued, chunks[0].image)
        return _Content(PacketType.BATCH, pack_batch(chunks), queued, chunks[-1].image)

    def _airtime_s(self, content: _Content) -> float:
        body_bytes = min(len(content.body), self._fitting.max_bytes)
        return self._timing.profile.medium.airtime_s(FRAME_BYTES + body_bytes)

    # What the network and the host say

    def _miss_acknowledgement(self, now_s: float) -> None:
        """What left last was not acknowledged: pause, each time longer, and try again."""
        content, self._unanswered = self._unanswered, None
        if content is None:
            return
        self.statistics.n_unanswered += 1
        self.n_missed += 1
        n_airtimes = PAUSE_FRAMES * 2.0 ** min(self.n_missed - 1, PAUSE_DOUBLINGS)
        pause_s = self._airtime_s(content) * n_airtimes
        self._free_s = now_s + self._random.uniform(0.5, 1.0) * pause_s
        self._tries.lost(content.chunk_ids)

    def _take_acknowledgement(self, now_s: float) -> Heard | None:
        """The network has what left last."""
        content, self._unanswered = self._unanswered, None
        if content is None:
            return None
        self.n_missed = 0
        self._free_s = now_s
        if content.reference is not None:
            self._reference = content.reference
        if content.packet_type == PacketType.HELLO:
            self._owes_hello = False
        elif content.packet_type == PacketType.STATUS:
            self._status.status_said()
            if content.is_short and self._status.fault is not None:
                self._status.owe_status()
        delivered = self._tries.delivered(content.chunk_ids)
        self._tries.stop([image for image, _ in content.chunk_ids if image in self._stopped])
        return Acknowledged(delivered, (), content.chunk_ids, Report(0, 1))

    def _stop(self, body: bytes) -> Heard:
        """The host wants no more of these images."""
        images = unpack_enough(body, self._reference)
        self.statistics.n_heard += 1
        self.statistics.n_stopped += sum(image not in self._stopped for image in images)
        for image in images:
            self._stopped[image] = None
        self._tries.stop(images)
        return Acknowledged((), tuple(images), (), Report(0, 1))

    def _carry_out(self, body: bytes) -> Heard:
        command = unpack_command(body)
        if isinstance(command, Renew):
            self._owes_hello = True
        elif isinstance(command, AskStatus):
            self._status.owe_status()
        else:
            return Rejected(f"{type(command).__name__} has no place in LoRaWAN; update the host")
        self.statistics.n_heard += 1
        return CommandHeard(command)


def _entry_bytes(chunk: QueuedChunk) -> int:
    """What a chunk takes of a BATCH."""
    return LORAWAN_HEAD_BYTES + 1 + len(chunk.bitstream)
