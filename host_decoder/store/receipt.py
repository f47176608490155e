"""Receipts: what is to be kept of a packet, all of it or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from host_decoder.events import Answer
from link.host import NodeState, Rejected, StatusHeard
from link.wire import NO_QUALITY, Chunk, Quality


@dataclass(frozen=True)
class ReceivedPacket:
    """A packet whose seal was good, with the chunks inside."""

    counter: int
    bundle: str
    chunks: tuple[Chunk, ...] = ()
    packet: bytes | None = None
    gateway: str = ""
    quality: Quality = NO_QUALITY
    reason: str | None = None
    "Why it gave no answer."


@dataclass(frozen=True)
class RejectedCount:
    """How much was rejected for one reason, with the latest example."""

    n: int
    last: Rejected
    last_s: float
    packet: bytes | None = None


@dataclass(frozen=True)
class Receipt:
    """All that is to be kept of what one packet led to."""

    node: int
    key: bytes = field(repr=False)
    state: NodeState
    received_s: float
    packets: tuple[ReceivedPacket, ...] = ()
    answers: tuple[Answer, ...] = ()
    heard: StatusHeard | None = None
    "How the node says it is, where it said so."


@dataclass(frozen=True)
class HeardAgain:
    """A packet that is here already, as a further gateway heard it."""

    node: int
    counter: int
    gateway: str
    received_s: float
    n_bytes: int
    quality: Quality = NO_QUALITY


@dataclass(frozen=True)
class Totals:
    """Counts that go with the next transaction."""

    started_s: float
    rejected: tuple[RejectedCount, ...] = ()
    figures: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    "link.host.statistics.NodeStatistics.to_json by node."
    heard_again: tuple[HeardAgain, ...] = ()
