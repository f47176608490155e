"""The host's end of the link as its user sees it: what it is given, what it tells, what it is asked
for. link.host.receiver is the end itself, link.lorawan.host.receiver the one behind a network.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from link.bundle.bundle import Bundle
from link.host.statistics import NodeStatistics
from link.wire.control import (
    NO_QUALITY,
    AskStatus,
    Command,
    Hello,
    Quality,
    Renew,
    Status,
)
from link.wire.packet import Chunk


class Reason(StrEnum):
    """Why what came gives no update."""

    NOISE = "noise"
    MALFORMED = "malformed"
    WIRE_VERSION = "wire version"
    PACKET_TYPE = "packet type"
    UNKNOWN_NODE = "unknown node"
    NOT_OPENED = "not opened"
    OTHER_BUNDLE = "other bundle"
    REPLAY = "replay"
    DUPLICATE = "duplicate"
    REPEATED = "repeated"
    GAP = "gap"
    STALE_SESSION = "stale session"
    UNKNOWN_SESSION = "unknown session"
    COLLISION = "collision"
    OTHER_VERSION = "other version"

    @property
    def is_ordinary(self) -> bool:
        """Part of a lossy link's life, to be counted and not to be talked of."""
        return self in (Reason.DUPLICATE, Reason.REPEATED, Reason.GAP, Reason.OTHER_VERSION)


@dataclass(frozen=True)
class NodeState:
    """What the store persists with each result, in the same transaction."""

    salt: bytes
    highest: int
    received: int
    "64 bits, bit i: packet highest - i came."
    bundle_id: bytes = b""
    "The one of the session's images; empty while it is not known."


@dataclass(frozen=True)
class NodeEntry:
    """What a host holds about one node."""

    key: bytes = field(repr=False)
    "Master key, as in the node's node.key."
    bundle: Bundle
    earlier_bundles: tuple[Bundle, ...] = ()
    "Decoded too: the node may still send, or go back to, what it had before."
    other_bundles: tuple[Bundle, ...] = ()
    "Further bundles held, to name the one that a packet was made with."
    state: NodeState | None = None
    "As stored with the last result before this start; None: the node was never heard."
    has_downlink: bool = True
    "Whether the node can be answered."

    @property
    def is_team(self) -> bool:
        """Whether its packets come from several cards."""
        return self.bundle.team is not None

    @property
    def own_bundles(self) -> tuple[Bundle, ...]:
        """Those that are decoded."""
        return self.bundle, *self.earlier_bundles

    @property
    def bundles(self) -> dict[bytes, Bundle]:
        """All that are held, by their ids; of two with one id the node's own."""
        return {bundle.id: bundle for bundle in reversed((*self.own_bundles, *self.other_bundles))}


@dataclass(frozen=True, eq=False)
class Update:
    """What is now known of an image; every further chunk of it gives a new one."""

    node: int
    counter: int
    "The counter of the packet that brought this update; a batch brings several under one."
    image: int
    "The image's id; with the node it names the image for good."
    bitstream: bytes
    "As far as it has come without a gap; whoever decodes it says `undecodable` when it is none."
    bundle: Bundle
    n_chunks: int
    "Chunks 0 .. n_chunks - 1 are in the bitstream."
    is_complete: bool
    age_s: float | None
    "From capture to sending, as the node measured it; None: it cannot tell."
    captured_s: float | None
    "When the image was captured, on the receiver's clock."
    packet_bytes: int
    "Bytes that these chunks took of their packets."
    chunk: Chunk
    "The one that led to this update, to be stored."

    @property
    def bundle_id(self) -> bytes:
        return self.bundle.id


@dataclass(frozen=True)
class Gap:
    """A chunk that waits for an earlier one of its image; no fault."""

    sentence: str
    node: int
    counter: int
    bundle: Bundle
    chunk: Chunk
    reason: ClassVar = Reason.GAP

    @property
    def bundle_id(self) -> bytes:
        return self.bundle.id


@dataclass(frozen=True)
class ForeignBundle:
    """A chunk made with a bundle that is not its node's here, kept for when it is."""

    sentence: str
    node: int
    counter: int
    bundle_id: bytes
    chunk: Chunk
    reason: ClassVar = Reason.OTHER_BUNDLE


@dataclass(frozen=True)
class Useless:
    """A packet of the node's own without news, or without sense; it counts as received."""

    reason: Reason
    sentence: str
    node: int
    counter: int


@dataclass(frozen=True)
class NotUsed:
    """What is no packet for this host, does not open, or came before: nothing of it is stored."""

    reason: Reason
    sentence: str
    node: int | None = None
    "In whose name it came."
    claimed: int = -1
    "The counter of a DUPLICATE or of a packet of a STALE_SESSION."
    salt: bytes = b""
    "The session's that is stale."
    counter: ClassVar[None] = None

    @classmethod
    def noise(cls, n_pieces: int) -> "NotUsed":
        """So many pieces of a gateway's input were no frame."""
        return cls(
            Reason.NOISE,
            f"{n_pieces} frame(s) came damaged: noise on the line, a wrong bitrate, or the end of "
            "one begun before",
        )

    @property
    def was_genuine(self) -> bool:
        """Whether it was the node's own once, whoever sent it now."""
        return self.reason in (Reason.DUPLICATE, Reason.STALE_SESSION)


@dataclass(frozen=True)
class StatusHeard:
    """How a node says it is."""

    node: int
    counter: int
    status: Status

    def to_json(self) -> dict[str, Any]:
        """For another process of the same host."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "StatusHeard":
        """What to_json gave."""
        return cls(said["node"], said["counter"], Status(**said["status"]))


@dataclass(frozen=True)
class HelloHeard:
    """A node has begun, or asks for something; it is answered by itself."""

    node: int
    counter: int
    hello: Hello


Rejected = Gap | ForeignBundle | Useless | NotUsed
"No update, and the reason and sentence that explain it."
ChunkHeard = Update | Gap | ForeignBundle
"A chunk that is to be stored."
Outcome = Update | Rejected | StatusHeard | HelloHeard
"One with a counter is of a packet that counts as received: to be stored, and then confirmed."


@dataclass(frozen=True)
class Downlink:
    """A packet to transmit now."""

    packet: bytes
    node: int
    gateway: int
    "The one that heard the node best."
    airtime_s: float
    salt: bytes = b""
    "The session's of the node that is to hear it: of a team several speak."


StoredChunks = Callable[[int, bytes, int], Iterable[Chunk]]
"Node, bundle's id and image: the image's chunks that the store has."


ASKED: Mapping[str, Command] = {"status": AskStatus(), "renew": Renew()}
"What people ask of nodes, by what it is called; each may be asked of any node."


class HostEnd(Protocol):
    """A host's end of the link, for all of its nodes that are reached in one way."""

    def receive(
        self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY, gateway: int = 0
    ) -> list[Outcome]:
        """One packet, whole, whose last bit came at now_s through this gateway."""

    def compared(self, outcome: Outcome, stored: StoredChunks) -> Outcome:
        """The outcome, or a collision where the store has another chunk in the place of its own:
        the packet is then not acknowledged, and the node renumbers; a team's is, and is not kept.
        """

    def undecodable(self, update: Update) -> Rejected:
        """What comes of an update whose bitstream no encoder with its tables can have written."""

    def confirm(self, node: int, counter: int, enough: Iterable[int] = ()) -> None:
        """The store has what this packet brought; the images `enough` need no further chunk."""

    def state(self, node: int) -> NodeState | None:
        """What to store with each outcome; None before the node was heard."""

    def statistics(self, node: int) -> NodeStatistics:
        """The figures of a node since this start."""

    def take_notices(self) -> list[str]:
        """Sentences about the nodes' sessions since the last call."""

    def command(self, node: int, command: Command) -> None:
        """Tell a node, the next time it listens; ValueError where that cannot be said there."""

    def ask(self, node: int, word: str) -> None:
        """The same of one of ASKED."""

    def next_due_s(self, now_s: float) -> float | None:
        """When next_packet may have something; None: not before something is heard."""

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to transmit now, None when nothing may or need be; call `transmitted` when it has
        left.
        """

    def transmitted(self, end_s: float) -> None:
        """The packet of next_packet has left; its last bit at end_s."""
