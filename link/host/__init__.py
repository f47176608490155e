"""The host's end of the link."""

from link.host.assembler import CollisionError, is_same
from link.host.image_reader import collision
from link.host.receiver import (
    Downlink,
    HelloHeard,
    NodeEntry,
    NodeState,
    Outcome,
    Reason,
    Receiver,
    Rejected,
    StatusHeard,
    Update,
)
from link.host.statistics import NodeStatistics

__all__ = [
    "CollisionError",
    "Downlink",
    "HelloHeard",
    "NodeEntry",
    "NodeState",
    "NodeStatistics",
    "Outcome",
    "Reason",
    "Receiver",
    "Rejected",
    "StatusHeard",
    "Update",
    "collision",
    "is_same",
]
