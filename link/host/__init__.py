"""The host's end of the link."""

from link.host.interface import (
    ChunkHeard,
    Downlink,
    Gap,
    HostEnd,
    NodeEntry,
    NodeState,
    NotUsed,
    Outcome,
    Rejected,
    StatusHeard,
    Update,
)
from link.host.receiver import Receiver
