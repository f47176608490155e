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

from collections import Counter
from dataclasses import dataclass, replace
from math import inf

from link.base.recent import Recent
from link.lorawan.wire import (
    CHUNK_HEAD_BYTES,
    FRAME_BYTES,
    HELLO_BYTES,
    Greeting,
    can_be_told,
    pack_batch,
    pack_chunk,
    plain_packet,
    unpack_enough,
    unpack_packet,
)
from link.medium.ledger import SAME_MOMENT_S
from link.node.fitting import Fitting
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
from link.node.sender import REFINEMENT_TRIES
from link.wire.control import (
    NO_QUALITY,
    STATUS_BYTES,
    AskStatus,
    Quality,
    Renew,
    Report,
    Status,
    cut_fault,
    unpack_command,
)
from link.wire.packet import HEADER_BYTES, Chunk, ChunkId, PacketType

LOOK_AHEAD = 24
"Chunks that are looked at to find one that may be sent."
MAX_STOPPED = 256
"Images that the host wants no more of, remembered."
STATUS_EVERY = 128
"Packets from one STATUS to the next."
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


class LoRaWanSender:
    """A node's end; the profile tells the longest body and the radio."""

    unix_offset_s: float | None = None
    "Never known: a network server cannot tell when it will transmit."

    def __init__(
        self,
        identity: Identity,
        equipment: Equipment,
        fault: str | None = None,
    ) -> None:
        counters, outbox = equipment.counters, equipment.outbox
        governor, timing = equipment.governor, equipment.timing
        self._max_body_bytes = timing.profile.max_packet_bytes
        if self._max_body_bytes < HELLO_BYTES:
            raise ValueError(
                f"bodies of {self._max_body_bytes} bytes hold no HELLO, which has {HELLO_BYTES}"
            )
        self._fitting = Fitting(self._max_body_bytes, least_bytes=STATUS_BYTES)
        self._node = identity.node
        self._bundle_id = identity.bundle_id
        self._outbox = outbox
        self._governor = governor
        self._timing = timing
        self._random = equipment.random
        self._rate = RateControl(governor)
        counters.advance_to(outbox.newest_image + 1)
        self._owes_hello = True
        self._reference = counters.next()  # ids to come are near it
        "The image id that the host was told last."
        self._speaking: tuple[Outgoing, _Content] | None = None
        self._unanswered: _Content | None = None
        "What has left and may still be acknowledged."
        self._free_s = -inf
        self._n_missed = 0
        self._tries: Counter[ChunkId] = Counter()
        self._stopped: Recent[int, None] = Recent(MAX_STOPPED)
        self._fault: str | None = None
        self._owes_status = False
        self.tell(fault)
        self._n_since_status = 0
        self.silent_because: str | None = None
        "Why the governor will never let the next packet pass, in a sentence."
        self.statistics = SenderStatistics()

    def tell(self, fault: str | None) -> None:
        """What keeps the node from its work from now on; None: nothing does. The next STATUS says
        it.
        """
        fault = cut_fault(fault, self._max_body_bytes - STATUS_BYTES)
        self._owes_status |= fault != self._fault
        self._fault = fault

    def take_over(self, other: NodeEnd) -> None:
        """A sender for another bundle's images spoke before: the network takes these all the
        same.
        """

    @property
    def n_missed(self) -> int:
        """Acknowledgements that did not come, one after the other."""
        return self._n_missed

    is_unheard = False
    "Whether the host might have no use for what is sent: the network takes everything."

    def chunk_bytes(self, first: int | None = None, later: int | None = None) -> tuple[int, int]:
        """The longest first and later pieces to cut a bitstream into, or the given ones where those
        are shorter.
        """
        most = self._max_body_bytes - CHUNK_HEAD_BYTES
        return min(first or most, most), min(later or most, most)

    def is_idle(self, now_s: float) -> bool:
        """Whether an image captured now could leave at once."""
        return self._speaking is None and now_s >= self._free_s and self._choose(now_s) is None

    wants_image = is_idle

    def flush(self) -> None:
        """No image follows for a long time: nothing is to be done, every uplink is acknowledged by
        itself.
        """

    def next_due_s(self, now_s: float) -> float | None:
        """When next_packet may have something; None: not before an image is queued, or something is
        heard.
        """
        if self._speaking:
            return None
        content = self._choose(now_s)
        if content is None:
            due_s = [self._free_s] if self._unanswered else []
            due_s += [held_s for held_s in (self._fitting.due_s(),) if held_s is not None]
            due_s += [self._fitting.free_s] if self._fitting.free_s > now_s else []
            return min(due_s, default=None)
        start_s = self._start_s(content, max(now_s, self._free_s))
        return None if start_s == inf else start_s

    def next_packet(self, now_s: float) -> Outgoing | None:
        """What to transmit now; call `transmitted` when its receive windows are over. Raises as
        Sender does.
        """
        if self._speaking or now_s < self._free_s:
            return None
        self._miss(now_s)
        content = self._choose(now_s) if now_s >= self._free_s else None
        if content is None or self._start_s(content, now_s) > now_s + SAME_MOMENT_S:
            return None
        if len(content.body) > self._max_body_bytes:
            self._drop(content)
            return None
        airtime_s = self._airtime_s(content)
        self._governor.occupy(airtime_s, now_s)
        chunks = tuple((chunk.image, chunk.index) for chunk in content.chunks)
        packet = plain_packet(self._node, content.packet_type, content.body)
        sizes = tuple(len(chunk.bitstream) for chunk in content.chunks)
        outgoing = Outgoing(
            packet, content.packet_type, airtime_s, chunks, listens=True, bitstream_bytes=sizes
        )
        self._speaking = outgoing, content
        self._note(outgoing, content)
        return outgoing

    def transmitted(self, end_s: float) -> None:
        """The packet has left and its windows are over: what the carrier was told is there to be
        received.
        """
        if self._speaking is not None:
            (outgoing, self._unanswered), self._speaking = self._speaking, None
            self._fitting.left(outgoing.chunks)
            self._free_s = end_s + self._timing.turnaround_s

    def does_not_fit(self, now_s: float, max_packet_bytes: int | None = None) -> None:
        """The module did not take the packet of next_packet: nothing has left, and something
        smaller goes first.
        """
        assert self._speaking is not None
        (outgoing, content), self._speaking = self._speaking, None
        self._governor.take_back(outgoing.airtime_s)
        told_bytes = None if max_packet_bytes is None else max_packet_bytes - HEADER_BYTES
        self._fitting.refused(len(content.body), outgoing.chunks, now_s, told_bytes)
        statistics = self.statistics
        statistics.n_packets -= 1
        statistics.airtime_s -= outgoing.airtime_s
        statistics.n_chunks -= len(outgoing.chunks)
        self._tries.subtract(outgoing.chunks)
        statistics.n_repeated -= sum(self._tries[chunk] > 0 for chunk in outgoing.chunks)

    def receive(self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY) -> Heard | None:
        """What the carrier heard; None for what is not for this node. Never raises on it."""
        try:
            header, packet_type, body = unpack_packet(packet)
            if header.node != self._node or packet_type.is_uplink:
                return None
            if packet_type == PacketType.REPORT:
                return self._stop(body) if body else self._acknowledged(now_s)
            if packet_type != PacketType.COMMAND:
                return Rejected(f"{packet_type.name} has no place in LoRaWAN; update the host")
            return self._obey(body)
        except ValueError as error:
            return Rejected(f"a downlink makes no sense: {error}; update node and host")

    def _choose(self, now_s: float) -> _Content | None:
        """The most useful thing that could be sent, whether or not it may be now."""
        if now_s < self._fitting.free_s:
            return None
        content = self._wanted(now_s)
        if (
            content is None
            or not self._fitting.is_short
            or len(content.body) <= self._fitting.room_bytes
        ):
            return content
        return _Content(
            PacketType.STATUS, replace(self._status(now_s), fault=None).pack(), is_short=True
        )

    def _wanted(self, now_s: float) -> _Content | None:
        if self._owes_hello:
            return self._hello(self._reference)
        if self._owes_status:
            return _Content(PacketType.STATUS, self._status(now_s).pack())
        return self._bases(now_s) or self._refinement(now_s)

    def _hello(self, image: int) -> _Content:
        return _Content(PacketType.HELLO, Greeting(self._bundle_id, image).pack(), reference=image)

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

    def _status(self, now_s: float) -> Status:
        return Status(
            queue_images=self._outbox.n_images,
            oldest_age_s=self._outbox.oldest_age_s(now_s),
            budget_s=self._governor.budget_s(now_s),
            n_evicted=self._outbox.n_evicted,
            n_heard=self.statistics.n_heard,
            fault=self._fault,
        )

    def _airtime_s(self, content: _Content) -> float:
        return self._timing.profile.medium.airtime_s(
            FRAME_BYTES + min(len(content.body), self._max_body_bytes)
        )

    def _start_s(self, content: _Content, now_s: float) -> float:
        airtime_s = self._airtime_s(content)
        start_s = self._governor.start_s(airtime_s, now_s)
        self.silent_because = self._governor.reason(airtime_s) if start_s == inf else None
        return start_s

    def _drop(self, content: _Content) -> None:
        """A chunk that was cut for a faster data rate fits no packet any more."""
        [chunk] = content.chunks
        self._outbox.delivered([(chunk.image, chunk.index)])
        self._outbox.drop_refinements([chunk.image])
        self.statistics.n_too_long += chunk.index == 0
        self.statistics.n_refinements_dropped += chunk.index > 0

    def _note(self, outgoing: Outgoing, content: _Content) -> None:
        statistics = self.statistics
        statistics.n_packets += 1
        statistics.airtime_s += outgoing.airtime_s
        statistics.n_chunks += len(outgoing.chunks)
        statistics.n_repeated += sum(self._tries[chunk] > 0 for chunk in outgoing.chunks)
        self._tries.update(outgoing.chunks)
        for chunk in content.chunks:
            if chunk.index == 0:
                self._rate.sent_base(
                    chunk.image, chunk.captured_s, outgoing.airtime_s / len(content.chunks)
                )
        self._n_since_status += 1
        if self._n_since_status >= STATUS_EVERY:
            self._owes_status = True

    def _miss(self, now_s: float) -> None:
        """What left last was not acknowledged: pause, each time longer, and try again."""
        content, self._unanswered = self._unanswered, None
        if content is None:
            return
        self.statistics.n_unanswered += 1
        self._n_missed += 1
        pause_s = (
            self._airtime_s(content)
            * PAUSE_FRAMES
            * 2.0 ** min(self._n_missed - 1, PAUSE_DOUBLINGS)
        )
        self._free_s = now_s + self._random.uniform(0.5, 1.0) * pause_s
        for chunk in content.chunks:
            if chunk.index and self._tries[chunk.image, chunk.index] >= REFINEMENT_TRIES:
                self._give_up(chunk.image)

    def _give_up(self, image: int) -> None:
        self._outbox.drop_refinements([image])
        self._forget([image])
        self.statistics.n_refinements_dropped += 1

    def _acknowledged(self, now_s: float) -> Heard | None:
        """The network has what left last."""
        content, self._unanswered = self._unanswered, None
        if content is None:
            return None
        self._n_missed = 0
        self._free_s = now_s
        if content.reference is not None:
            self._reference = content.reference
        if content.packet_type == PacketType.HELLO:
            self._owes_hello = False
        elif content.packet_type == PacketType.STATUS:
            self._owes_status = content.is_short and self._fault is not None
            self._n_since_status = 0
        chunks = tuple((chunk.image, chunk.index) for chunk in content.chunks)
        self._outbox.delivered(chunks)
        self._outbox.drop_refinements([image for image, _ in chunks if image in self._stopped])
        for chunk in chunks:
            del self._tries[chunk]
        delivered = tuple(image for image, index in chunks if index == 0)
        self.statistics.n_delivered += len(delivered)
        return Acknowledged(delivered, (), chunks, Report(0, 1))

    def _stop(self, body: bytes) -> Heard:
        """The host wants no more of these images."""
        images = unpack_enough(body, self._reference)
        self.statistics.n_heard += 1
        self.statistics.n_stopped += sum(image not in self._stopped for image in images)
        for image in images:
            self._stopped.setdefault(image)
        self._outbox.drop_refinements(images)
        self._forget(images)
        return Acknowledged((), tuple(images), (), Report(0, 1))

    def _forget(self, images: list[int]) -> None:
        for chunk in [chunk for chunk in self._tries if chunk[0] in images]:
            del self._tries[chunk]

    def _obey(self, body: bytes) -> Heard:
        command = unpack_command(body)
        if isinstance(command, Renew):
            self._owes_hello = True
        elif isinstance(command, AskStatus):
            self._owes_status = True
        else:
            return Rejected(f"{type(command).__name__} has no place in LoRaWAN; update the host")
        self.statistics.n_heard += 1
        return CommandHeard(command)


def _entry_bytes(chunk: QueuedChunk) -> int:
    """What a chunk takes of a BATCH."""
    return CHUNK_HEAD_BYTES + 1 + len(chunk.bitstream)
