"""Receiving: what the host's end of the link is given and what it tells; link.host.receiver is the
end itself.
"""

from dataclasses import dataclass, field

from link.bundle.bundle import Bundle
from link.coder.latent_coder import Latent
from link.host.session import NodeState, Reason
from link.wire.control import Hello, Status
from link.wire.packet import Chunk


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
    one_way: bool = False
    "The node cannot be answered."

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
    "Of the packet that brought this update; a batch brings several under one."
    image: int
    "The image's id; with the node it names the image for good."
    latent: Latent
    bundle: Bundle
    n_chunks: int
    "Chunks 0 .. n_chunks - 1 are in the latent."
    is_complete: bool
    age_s: float | None
    "From capture to sending, as the node measured it; None: it cannot tell."
    captured_s: float | None
    "When the image was captured, on the receiver's clock."
    bitstream_bytes: int
    packet_bytes: int
    "Bytes that these chunks took of their packets."
    chunk: Chunk
    "The one that led to this update, to be stored."

    @property
    def bundle_name(self) -> str:
        """The bundle's id in hex."""
        return self.bundle.id.hex()


@dataclass(frozen=True)
class Rejected:
    """No update, and the sentence that explains it. A GAP is no fault: the chunk is kept for its
    turn.
    """

    reason: Reason
    sentence: str
    node: int | None = None
    counter: int | None = None
    """Of a packet that counts as received: it is to be stored, and confirmed. None: nothing is to
    be stored.
    """
    bundle: Bundle | None = None
    "The bundle with which it verified."
    chunk: Chunk | None = None
    "What it carried, where that may still become of use: of a GAP, and of an OTHER_BUNDLE."
    bundle_id: bytes = b""
    "Of a bundle that the host lacks, in the place of `bundle`."

    @property
    def bundle_name(self) -> str:
        """The id of the bundle with which it verified, in hex; empty where that depends on none."""
        return (self.bundle.id if self.bundle else self.bundle_id).hex()


@dataclass(frozen=True)
class StatusHeard:
    """How a node says it is."""

    node: int
    counter: int
    status: Status


@dataclass(frozen=True)
class HelloHeard:
    """A node has begun, or asks for something; it is answered by itself."""

    node: int
    counter: int
    hello: Hello


Outcome = Update | Rejected | StatusHeard | HelloHeard


@dataclass(frozen=True)
class Downlink:
    """A packet to transmit now."""

    packet: bytes
    node: int
    gateway: int
    "The one that heard the node best."
    airtime_s: float
