"""The node's end of the link."""

from link.node.sender import (
    FIRST_CHUNK_OVERHEAD_BYTES,
    MIN_PACKET_BYTES,
    Acknowledged,
    Outgoing,
    Refused,
    Sender,
    SenderOptions,
    TimeHeard,
)

__all__ = [
    "FIRST_CHUNK_OVERHEAD_BYTES",
    "MIN_PACKET_BYTES",
    "Acknowledged",
    "Outgoing",
    "Refused",
    "Sender",
    "SenderOptions",
    "TimeHeard",
]
