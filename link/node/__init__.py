"""The node's end of the link."""

from link.node.interface import (
    Acknowledged,
    Equipment,
    Identity,
    NodeEnd,
    Outgoing,
    PartHeard,
    Rejected,
    SenderOptions,
    TimeHeard,
)
from link.node.packing import FIRST_CHUNK_OVERHEAD_BYTES, HELLO_PACKET_BYTES
from link.node.sender import Sender
