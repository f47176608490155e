"""Statistics of one node as its host sees them: what came, what did not, how well it was heard,
what a verdict saved.

What is lost nobody hears, so it is counted by the gaps in the packet counter: an estimate, because
a counter that an image took as its id was never on the air, and is known only when a chunk of that
image came. A lost chunk's index follows from what came before and behind the gap, where that leaves
no doubt; a batch leaves some.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from link.base.recent import Recent
from link.wire.control import NO_QUALITY, Quality, Status
from link.wire.packet import Chunk

MAX_DECIDED_IMAGES = 64
"Images whose late chunks are still told apart."
MAX_KNOWN_IDS = 256


@dataclass
class Mean:
    """The last value and the mean of all; None before the first."""

    n: int = 0
    total: float = 0.0
    last: float | None = None

    def add(self, value: float | None) -> None:
        """None, a value that the carrier cannot tell, is left out."""
        if value is not None:
            self.n = self.n + 1
            self.total = self.total + value
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
    """One node's figures. The receiver calls the methods and counts the refusals; monitor and host
    read.
    """

    ids_are_counters: bool = True
    """The native link takes image ids from the packet counter; in LoRaWAN the two have nothing to
    do with each other.
    """

    n_received: int = 0
    "Packets opened for the first time."
    n_lost: int = 0
    "Gaps in the counter."
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
    lost_by_chunk: Counter[int] = field(default_factory=Counter)
    "Chunk index to gaps that can only have been it."
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

    _highest: int | None = field(default=None, init=False, repr=False)
    _first: int = field(default=0, init=False, repr=False)
    _previous: Chunk | None = field(default=None, init=False, repr=False)
    "The chunk of the packet before; None when it held none or several."
    _n_chunks: int = field(default=0, init=False, repr=False)
    "Chunks of the last image whose end is known."
    _ids: Recent[int, None] = field(
        default_factory=lambda: Recent(MAX_KNOWN_IDS), init=False, repr=False
    )
    _decided: Recent[int, "_Decision"] = field(
        default_factory=lambda: Recent(MAX_DECIDED_IMAGES), init=False, repr=False
    )
    _latency_total_s: float = field(default=0.0, init=False, repr=False)
    _latency_last_s: float | None = field(default=None, init=False, repr=False)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was counted yet."""
        return self == NodeStatistics(ids_are_counters=self.ids_are_counters)

    def restarted(self) -> None:
        """A new session begins: the counters skipped before it were never used."""
        self.n_restarts += self.n_received > 0
        self._highest = self._previous = None

    def heard(
        self,
        counter: int,
        packet_bytes: int,
        now_s: float,
        airtime_s: float = 0.0,
        quality: Quality = NO_QUALITY,
        chunks: Sequence[Chunk] = (),
    ) -> None:
        """A packet came that is good and new, with these chunks of images, none for a control
        packet.
        """
        self.n_received += 1
        self.packet_bytes += packet_bytes
        self.airtime_s += airtime_s
        self.first_s = now_s if self.first_s is None else self.first_s
        self.last_s = now_s
        self.snr_db.add(quality.snr_db)
        self.rssi_dbm.add(quality.rssi_dbm)
        for chunk in chunks:
            self._heard_chunk(chunk, now_s)
        self._count_gap(counter, chunks)

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
        return self.n_received + self.n_lost

    @property
    def loss_ratio(self) -> float | None:
        return self.n_lost / self.n_sent if self.n_sent else None

    @property
    def n_decided(self) -> int:
        return sum(self.chunks_at_decision.values())

    @property
    def mean_chunks_at_decision(self) -> float | None:
        total = sum(n_chunks * n_images for n_chunks, n_images in self.chunks_at_decision.items())
        return total / self.n_decided if self.n_decided else None

    @property
    def mean_stop_latency_s(self) -> float | None:
        """From a verdict to the last chunk heard of its image, 0 when none came, over all
        verdicts.
        """
        return self._latency_total_s / self.n_decided if self.n_decided else None

    def to_json(self) -> dict[str, Any]:
        """All figures in plain types; further keys may be added, none will change its meaning."""
        status = self.status
        return {
            "sent": self.n_sent,
            "received": self.n_received,
            "lost": self.n_lost,
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
            "lost_by_chunk": _histogram(self.lost_by_chunk),
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
        if chunk.image not in self._ids:
            self.n_images += 1
            self._ids[chunk.image] = None
            if self.ids_are_counters and self._highest is not None and chunk.image < self._highest:
                self._forgive(chunk.image)
        if decision := self._decided.get(chunk.image):
            self.n_chunks_unneeded += 1
            latency_s = now_s - decision.at_s
            self._latency_total_s += latency_s - decision.latency_s
            decision.latency_s = self._latency_last_s = latency_s

    def _forgive(self, image: int) -> None:
        """A gap counted as a loss was the id of this image, which waited while later packets
        went.
        """
        if image > self._first and self.n_lost:
            self.n_lost -= 1

    def _count_gap(self, counter: int, chunks: Sequence[Chunk]) -> None:
        chunk = chunks[0] if len(chunks) == 1 else None
        if self._highest is None:
            self._highest = self._first = counter
        elif counter > self._highest:
            gap = range(self._highest + 1, counter)
            n_ids = self._n_ids_in(gap) if self.ids_are_counters else 0
            self._lose(len(gap) - n_ids, chunk)
            self._highest = counter
        elif counter > self._first and self.n_lost:
            self.n_lost -= 1  # late, not lost
        self._previous = chunk
        if chunk is not None and chunk.is_last:
            self._n_chunks = chunk.index + 1

    def _n_ids_in(self, gap: range) -> int:
        """Counters of a gap that are known to be images' ids."""
        if len(gap) < len(self._ids):
            return sum(counter in self._ids for counter in gap)
        return sum(image in gap for image in self._ids)

    def _lose(self, n_unheard: int, behind: Chunk | None) -> None:
        """Counters that nobody heard, between the previous packet and the one that holds
        `behind`.
        """
        before = self._previous
        self.n_lost += n_unheard
        if not n_unheard or behind is None:
            return
        if before is not None and before.image == behind.image:
            between = range(before.index + 1, behind.index)
            self.lost_by_chunk.update(between if len(between) == n_unheard else ())
            return
        leading = list(range(behind.index))[-n_unheard:]
        self.lost_by_chunk.update(leading)
        if before is not None and self._n_chunks:
            self._lose_images(n_unheard - len(leading), before, self._n_chunks)

    def _lose_images(self, n_unheard: int, before: Chunk, n_chunks: int) -> None:
        """Lost behind `before`: its image's rest, if any was sent, then whole images as long as the
        last one known.
        """
        period = n_chunks + self.ids_are_counters
        for n_rest in (0,) if before.is_last else (max(0, n_chunks - 1 - before.index), 0):
            n_images, remainder = divmod(n_unheard - n_rest, period)
            if n_images >= 0 and not remainder:
                self.lost_by_chunk.update(before.index + 1 + i for i in range(n_rest))
                for index in range(n_chunks):
                    self.lost_by_chunk[index] += n_images
                self.n_lost -= n_images * self.ids_are_counters
                return


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _histogram(counts: Counter[int]) -> dict[str, int]:
    """JSON keys are strings."""
    return {str(key): counts[key] for key in sorted(counts)}
