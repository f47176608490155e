"""The node's end of the link: what it promises (NodeEnd), what it is given, and what it tells.

Two ends keep the promise: link.node.sender over our own link, link.lorawan.node.sender over
LoRaWAN.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from link.medium.governor import Governor
from link.medium.timing import LinkTiming
from link.wire.control import Command, Report
from link.wire.erasure import ParityPlan
from link.wire.packet import ChunkId, PacketType


class QueuedChunk(Protocol):
    """device.outbox.outbox.QueuedChunk."""

    @property
    def image(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def is_last(self) -> bool: ...
    @property
    def bitstream(self) -> bytes: ...
    @property
    def captured_s(self) -> float | None: ...
    @property
    def captured_unix_s(self) -> float | None: ...


class Outbox(Protocol):
    """device.outbox.outbox.Outbox, as far as the sender needs it."""

    n_evicted: int

    @property
    def n_images(self) -> int: ...
    @property
    def newest_image(self) -> int: ...
    def base_chunks(self, limit: int, skip: Collection[ChunkId] = ()) -> Iterable[QueuedChunk]: ...
    def refinements(self, limit: int, skip: Collection[ChunkId] = ()) -> Iterable[QueuedChunk]: ...
    def delivered(self, chunks: Iterable[ChunkId]) -> None: ...
    def drop_refinements(self, images: Iterable[int]) -> None: ...
    def renumber(self, up_to: int, new_id: Callable[[], int]) -> None: ...
    def oldest_age_s(self, now_s: float) -> float | None: ...


class Counters(Protocol):
    """link.security.keys.CounterStore: ascending numbers, none ever given twice."""

    def next(self) -> int: ...
    def advance_to(self, counter: int) -> None: ...


@dataclass(frozen=True)
class Identity:
    """Who speaks, and for which bundle's images."""

    node: int
    bundle_id: bytes
    key: bytes = field(default=b"", repr=False)
    "The master key of node.key; over LoRaWAN the network's keys count."


@dataclass(frozen=True)
class Equipment:
    """What a node's end works with."""

    counters: Counters
    outbox: Outbox
    governor: Governor
    timing: LinkTiming
    random: Random = field(default_factory=Random)


@dataclass(frozen=True)
class SenderOptions:
    """How a node sends; the defaults suit a host that answers."""

    has_downlink: bool = True
    "Whether the host answers; without it a chunk is forgotten when it is sent."
    max_packet_bytes: int | None = None
    "None: as long as the profile allows."
    unasked_chunks: int = 1
    "Chunks of one image that may be on their way at once, while the host gives no advice."
    parity: ParityPlan | None = None
    "Without a downlink: parity packets that make up for losses."
    wants_time: bool = False
    wants_slot: bool = False
    status_every: int = 128
    "Packets from one STATUS to the next; 0: only when the host asks."
    fault: str | None = None
    "What keeps the node from its work: each STATUS says it, and one is sent until the host has it."
    keeps_ids: bool = False
    "Images are numbered by others (a team), and are never given new ids."
    wants_messages: bool = False
    "The last of what waits asks also where airtime is short: the host has more to say than REPORT."
    greets: bool = False
    "Begins with a HELLO, which names the bundle to a host that may lack it."


@dataclass(frozen=True)
class Outgoing:
    """A packet to transmit now."""

    packet: bytes
    packet_type: PacketType
    airtime_s: float
    chunks: tuple[ChunkId, ...]
    "Image and index of what it carries."
    listens: bool
    "The node listens afterwards."
    counter: int = 0
    "Counter under which it was sealed."
    bitstream_bytes: tuple[int, ...] = ()
    "Length of each of the chunks."


@dataclass(frozen=True)
class Acknowledged:
    """A REPORT: these images' base chunks are stored, these images need no more."""

    delivered: tuple[int, ...]
    stopped: tuple[int, ...]
    chunks: tuple[ChunkId, ...]
    "All that was delivered, refinements included."
    report: Report


@dataclass(frozen=True)
class CommandHeard:
    """A COMMAND, carried out already."""

    command: Command


@dataclass(frozen=True)
class PartHeard:
    """A piece of a message to who learns on this node."""

    content: bytes


@dataclass(frozen=True)
class TimeHeard:
    """A TIME: the sender knows the offset of its clock from now on."""

    unix_s: float
    is_news: bool = True
    "It is another than was told before."


@dataclass(frozen=True)
class Rejected:
    """A packet to this node that was not used, and why."""

    sentence: str


Heard = Acknowledged | CommandHeard | PartHeard | TimeHeard | Rejected


@dataclass
class SenderStatistics:
    """What a sender did since it started."""

    n_packets: int = 0
    airtime_s: float = 0.0
    n_chunks: int = 0
    "Sent, repetitions included."
    n_repeated: int = 0
    "Sent again."
    n_probes: int = 0
    n_heard: int = 0
    "Downlink packets that opened."
    n_unanswered: int = 0
    n_delivered: int = 0
    "Base chunks acknowledged, or sent where nobody answers."
    n_stopped: int = 0
    "Images that the host wanted no more of while chunks were left."
    n_refinements_dropped: int = 0
    """Images whose remaining refinements were given up: lost too often, or too old for a short
    packet.
    """
    n_too_long: int = 0
    "Base chunks that fit no packet: cut for longer ones than are allowed now."


class NodeEnd(Protocol):
    """Decides what a node sends next, when, and how often. It knows neither sockets nor clocks:
    now_s comes in, any clock that only goes forward.

    A program calls next_packet whenever next_due_s has come, transmits what it returns, and calls
    transmitted, or does_not_fit; it hands over all that it hears. Every other question changes
    nothing, however often it is asked.
    """

    @property
    def statistics(self) -> SenderStatistics: ...

    @property
    def unix_offset_s(self) -> float | None:
        """Unix time less the node's clock; None: nobody has told it."""

    @property
    def silent_because(self) -> str | None:
        """Why the packet that next_packet last had in mind may never be sent, in a sentence."""

    @property
    def n_missed(self) -> int:
        """Answers that did not come, one after the other."""

    @property
    def is_unheard(self) -> bool:
        """Whether the host might have no use for what is sent, with nothing under way."""

    def chunk_bytes(self, first: int | None = None, later: int | None = None) -> tuple[int, int]:
        """The longest first and later pieces of a bitstream, or the given ones if shorter."""

    def is_idle(self, now_s: float) -> bool:
        """Whether an image captured now could leave at once."""

    def wants_image(self, now_s: float) -> bool:
        """Whether an image captured now would leave soon."""

    def next_due_s(self, now_s: float) -> float | None:
        """When next_packet may have something; None: not before an image or a packet comes."""

    def next_packet(self, now_s: float) -> Outgoing | None:
        """What to transmit now, None when nothing may or need be. Its airtime is charged, its
        counter used up; what was waited for in vain is given up first.

        Raises OSError (LedgerError) or KeyStateError when airtime or counter cannot be stored:
        nothing is sent then.
        """

    def transmitted(self, end_s: float) -> None:
        """The packet of next_packet has left; its last bit, or last window, ended at end_s."""

    def does_not_fit(self, now_s: float, max_packet_bytes: int | None = None) -> None:
        """The modem did not take the packet of next_packet: nothing has left, and something smaller
        goes first. `max_packet_bytes`: what it does take, if it says that.
        """

    def receive(self, packet: bytes, now_s: float) -> Heard | None:
        """A packet whose last bit came at now_s; None for those that are not for this node. Never
        raises on them.
        """

    def tell_fault(self, fault: str | None) -> None:
        """What keeps the node from its work from now on; None: nothing does. The host is told."""

    def expect_no_image(self) -> None:
        """No image follows for a long time: what waits for one need not wait."""

    def take_over(self, other: "NodeEnd") -> None:
        """An end of the same kind spoke until now: what it knew of the host."""
