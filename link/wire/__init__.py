"""Which byte means what."""

from link.wire.control import MAX_ADVISED_CHUNKS, NO_QUALITY, Quality
from link.wire.erasure import ParityPlan
from link.wire.packet import (
    AGE_BYTES,
    CHUNK_HEAD_BYTES,
    MAX_CHUNKS,
    Chunk,
    ChunkId,
    Header,
    PacketType,
    overhead_bytes,
    split,
)

__all__ = [
    "AGE_BYTES",
    "CHUNK_HEAD_BYTES",
    "MAX_ADVISED_CHUNKS",
    "MAX_CHUNKS",
    "NO_QUALITY",
    "Chunk",
    "ChunkId",
    "Header",
    "PacketType",
    "ParityPlan",
    "Quality",
    "overhead_bytes",
    "split",
]
