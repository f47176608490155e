"""Which byte means what."""

from link.wire.control import MAX_ADVISED_CHUNKS, NO_QUALITY, Hello, Quality
from link.wire.erasure import ParityPlan
from link.wire.packet import (
    LATER_CHUNK_OVERHEAD_BYTES,
    MAX_CHUNKS,
    Chunk,
    ChunkId,
    Header,
    PacketType,
    split,
)
