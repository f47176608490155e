"""Statistics of one node as its host sees them: what came, what did not (link.host.losses), how
well it was heard, what a verdict saved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from link.base.recent import Recent
from link.host.losses import Losses
from link.wire.control import NO_QUALITY, Quality, Status
from link.wire.packet import Chunk

MAX_DECIDED_IMAGES = 64
"Images whose late chunks are still told apart."


@dataclass
class Mean:
    """The last value and the mean of all; None before the first."""

    n: int = 0
    total: float = 0.0
    last: float | None = None

    def add(self, value: float | None) -> None:
        """None, a value that the carrier cannot tell, is left out."""
        if value is not None:
            self.n += 1
            self.total += value
            self.last = value

    @property
    def mean(self) -> float | None:
        return self.total / self.n if self.n else None


@dataclass
class _Decision:
    """A verdict on an image."""

    at_s: float
    latency_s: float = 0.0
    "From then to the last chunk heard of the image."


@dataclass
class NodeStatistics:
    """One node's figures: the receiver calls and counts, monitor and host read."""

    losses: Losses = field(default_factory=Losses)
    n_received: int = 0
    "Packets opened for the first time."
    n_duplicate: int = 0
    "The same packet again, as a second gateway heard it."
    n_replayed: int = 0
    "Opened, but received before or too old to tell."
    n_bad_tag: int = 0
    "In this node's name, but not opened by its key."
    n_malformed: int = 0
    "Opened, but what they hold makes no sense; or they are no packets of ours."
    n_stale: int = 0
    "Packets of a session that is over or unknown here."
    n_restarts: int = 0
    "New sessions after the first."
    packet_bytes: int = 0
    airtime_s: float = 0.0
    "Uplink, of the packets that came."
    n_downlink: int = 0
    downlink_bytes: int = 0
    downlink_airtime_s: float = 0.0
    snr_db: Mean = field(default_factory=Mean)
    rssi_dbm: Mean = field(default_factory=Mean)
    received_by_chunk: Counter[int] = field(default_factory=Counter)
    "Chunk index to packets heard with it; repetitions count."
    n_images: int = 0
    "Images of which at least one chunk came."
    chunks_at_decision: Counter[int] = field(default_factory=Counter)
    "Number of chunks that a verdict took, to images."
    n_chunks_unneeded: int = 0
    "Heard of an image after the verdict on it."
    status: Status | None = None
    "Queue, age, budget and downlink counts, as the node told them last."
    first_s: float | None = None
    last_s: float | None = None
    "When the first and the last packet came."

    _decided: Recent[int, "_Decision"] = field(
        default_factory=lambda: Recent(MAX_DECIDED_IMAGES), init=False, repr=False
    )
    _latency_total_s: float = field(default=0.0, init=False, repr=False)
    _latency_last_s: float | None = field(default=None, init=False, repr=False)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was counted yet."""
        return self == NodeStatistics(Losses(self.losses.ids_are_counters))

    def restarted(self) -> None:
        """A new session begins: the counters skipped before it were never used."""
        self.n_restarts += self.n_received > 0
        self.losses.restarted()

    def heard(
        self,
        counter: int,
        packet_bytes: int,
        now_s: float,
        airtime_s: float = 0.0,
        quality: Quality = NO_QUALITY,
        chunks: Sequence[Chunk] = (),
    ) -> None:
        """A good and new packet came, with these chunks of images; none: a control packet."""
        self.n_received += 1
        self.packet_bytes += packet_bytes
        self.airtime_s += airtime_s
        self.first_s = now_s if self.first_s is None else self.first_s
        self.last_s = now_s
        self.snr_db.add(quality.snr_db)
        self.rssi_dbm.add(quality.rssi_dbm)
        for chunk in chunks:
            self._heard_chunk(chunk, now_s)
        self.n_images += self.losses.heard(counter, chunks)

    def transmitted(self, packet_bytes: int, airtime_s: float = 0.0) -> None:
        """The host sent a packet to this node."""
        self.n_downlink += 1
        self.downlink_bytes += packet_bytes
        self.downlink_airtime_s += airtime_s

    def decided(self, image: int, n_chunks: int, now_s: float) -> None:
        """The verdict on an image is enough; it took so many chunks. Once per image."""
        if image not in self._decided:
            self.chunks_at_decision[n_chunks] += 1
            self._decided[image] = _Decision(now_s)

    @property
    def n_sent(self) -> int:
        """Packets that the node sent, by its counters."""
        return self.n_received + self.losses.n

    @property
    def loss_ratio(self) -> float | None:
        return self.losses.n / self.n_sent if self.n_sent else None

    @property
    def n_decided(self) -> int:
        return sum(self.chunks_at_decision.values())

    @property
    def mean_chunks_at_decision(self) -> float | None:
        total = sum(n_chunks * n_images for n_chunks, n_images in self.chunks_at_decision.items())
        return total / self.n_decided if self.n_decided else None

    @property
    def mean_stop_latency_s(self) -> float | None:
        """From a verdict to the last chunk heard of its image, 0 without one, over all."""
        return self._latency_total_s / self.n_decided if self.n_decided else None

    def to_json(self) -> dict[str, Any]:
        """All figures in plain types; further keys may be added, none will change its meaning."""
        status = self.status
        return {
            "sent": self.n_sent,
            "received": self.n_received,
            "lost": self.losses.n,
            "loss_ratio": _rounded(self.loss_ratio),
            "duplicate": self.n_duplicate,
            "replayed": self.n_replayed,
            "bad_tag": self.n_bad_tag,
            "malformed": self.n_malformed,
            "stale": self.n_stale,
            "restarts": self.n_restarts,
            "packet_bytes": self.packet_bytes,
            "airtime_s": _rounded(self.airtime_s),
            "downlink_packets": self.n_downlink,
            "downlink_bytes": self.downlink_bytes,
            "downlink_airtime_s": _rounded(self.downlink_airtime_s),
            "snr_db": {"last": self.snr_db.last, "mean": _rounded(self.snr_db.mean)},
            "rssi_dbm": {"last": self.rssi_dbm.last, "mean": _rounded(self.rssi_dbm.mean)},
            "received_by_chunk": _histogram(self.received_by_chunk),
            "lost_by_chunk": _histogram(self.losses.by_chunk),
            "images": self.n_images,
            "decided": self.n_decided,
            "chunks_at_decision": _histogram(self.chunks_at_decision),
            "mean_chunks_at_decision": _rounded(self.mean_chunks_at_decision),
            "mean_stop_latency_s": _rounded(self.mean_stop_latency_s),
            "last_stop_latency_s": _rounded(self._latency_last_s),
            "unneeded_chunks": self.n_chunks_unneeded,
            "queue_images": status.queue_images if status else None,
            "oldest_age_s": _rounded(status.oldest_age_s) if status else None,
            "budget_s": _rounded(status.budget_s) if status else None,
            "evicted": status.n_evicted if status else None,
            "first_s": _rounded(self.first_s),
            "last_s": _rounded(self.last_s),
        }

    def _heard_chunk(self, chunk: Chunk, now_s: float) -> None:
        self.received_by_chunk[chunk.index] += 1
        if decision := self._decided.get(chunk.image):
            self.n_chunks_unneeded += 1
            latency_s = now_s - decision.at_s
            self._latency_total_s += latency_s - decision.latency_s
            decision.latency_s = self._latency_last_s = latency_s


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _histogram(counts: Counter[int]) -> dict[str, int]:
    """JSON keys are strings."""
    return {str(key): counts[key] for key in sorted(counts)}
