"""The tally: running figures over what a node says it captured and sent, and what the host made of
it.

The node's word comes from its own console (JSON lines), never over the link: it carries the picture
and the truth, which are what the link is there to save. Without a console only the answers are
counted.
"""

from collections import Counter, defaultdict, deque
from statistics import median
from typing import Any

from host_decoder.events import Answer
from host_decoder.view.row import Row
from link.base import Recent
from link.host import Rejected
from link.medium import LinkProfile
from link.output import Captured, Sent
from link.wire import LATER_CHUNK_OVERHEAD_BYTES

KEPT_IMAGES = 4096
"Images whose two halves may still meet; a host that listens for months stays small."

KEPT_WAITS = 65536
SHOWN_IMAGES = 12


class Tally:
    """Sums over all images, and the latest of them one by one."""

    def __init__(self, profile: LinkProfile | None = None) -> None:
        self._profile = profile
        self._rows: Recent[tuple[int, int], Row] = Recent(KEPT_IMAGES)
        self._totals: defaultdict[str, float] = defaultdict(float)
        self.rejected: Counter[str] = Counter()
        self.n_lost: int | None = None
        "Packets that did not come, by their counters; None where nobody counts."
        self.latest: deque[Row] = deque(maxlen=SHOWN_IMAGES)
        "The images answered last, the newest at the end."
        self._first_seen_s: float | None = None
        self._busy_until_s = 0.0
        self._waits_s: deque[tuple[float, float]] = deque(maxlen=KEPT_WAITS)
        "Of each image: from capture to the first answer, and how much of that it was on the air."

    def add_captured(self, captured: Captured, node: int, seen_s: float) -> Row:
        """An image of which the node's console told at seen_s."""
        if self._first_seen_s is None:
            self._first_seen_s = seen_s
        position = int(self.total("captured"))
        key = node, captured.image
        return self._change(key, captured=captured, seen_s=seen_s, position=position)

    def add_sent(self, sent: Sent, node: int, seen_s: float) -> None:
        """A packet, its bytes and airtime shared among the chunks in it."""
        if self._first_seen_s is None:
            self._first_seen_s = seen_s
        self._busy_until_s = max(self._busy_until_s, seen_s) + sent.airtime_s
        self._add({"packets": 1, "wire_bytes": sent.wire_bytes, "airtime_s": sent.airtime_s}, 1)
        for image, index, n_bytes in sent.chunks:
            row = self._rows.get((node, image), Row())
            self._change(
                (node, image),
                sent_bytes=row.sent_bytes | {index: n_bytes},
                n_repeated=row.n_repeated + (index in row.sent_bytes),
                n_packets=row.n_packets + 1,
                wire_bytes=row.wire_bytes + sent.wire_bytes / len(sent.chunks),
                airtime_s=row.airtime_s + sent.airtime_s / len(sent.chunks),
            )

    def add_stopped(self, images: list[int], node: int) -> None:
        """The node heard the verdict on these images."""
        for image in images:
            self._change((node, image), is_stopped=True)

    def add_answer(self, answer: Answer, now_s: float) -> Row:
        row = self._rows.get((answer.node, answer.image), Row())
        is_first, is_decision = row.answer is None, answer.is_enough and row.decision is None
        row = self._change(
            (answer.node, answer.image),
            answer=answer,
            answered_s=now_s if is_first else row.answered_s,
            decision=answer if is_decision else row.decision,
        )
        self._busy_until_s = max(self._busy_until_s, now_s)
        if is_first and row.latency_s is not None:
            self._waits_s.append((row.latency_s, row.airtime_s))
        if row not in self.latest:
            self.latest.append(row)
        return row

    def row_of(self, answer: Answer) -> Row:
        """The image that an answer is about."""
        return self._rows[answer.node, answer.image]

    def add_rejected(self, rejected: Rejected) -> None:
        self.rejected[rejected.reason] += 1

    def _change(self, key: tuple[int, int], **changes: Any) -> Row:
        row = self._rows.setdefault(key, Row())
        self._add(row.counts(self._airtime_of), -1)
        for name, value in changes.items():
            setattr(row, name, value)
        self._add(row.counts(self._airtime_of), 1)
        return row

    def _airtime_of(self, bitstream_bytes: int) -> float:
        """Of a packet of its own for such a chunk."""
        return (
            self._profile.airtime_s(LATER_CHUNK_OVERHEAD_BYTES + bitstream_bytes)
            if self._profile
            else 0.0
        )

    def _add(self, counts: dict[str, float], sign: int) -> None:
        for name, value in counts.items():
            self._totals[name] += sign * value

    def total(self, name: str) -> float:
        """A sum of Row.counts over all images, or of packets, wire_bytes and airtime_s over all
        packets.
        """
        return self._totals[name]

    @property
    def newest(self) -> Row | None:
        """The image heard of last, answered or not."""
        return next(reversed(self._rows.values()), None)

    @property
    def n_captured(self) -> int:
        return int(self.total("captured"))

    @property
    def n_answered(self) -> int:
        return int(self.total("answered"))

    @property
    def n_settled(self) -> int:
        """Images of which every chunk is here or no further one is wanted."""
        return int(self.total("settled"))

    @property
    def delivery_ratio(self) -> float | None:
        """Share of the images captured of which the host has at least the base chunk; None without
        the node's word.
        """
        return self._ratio("answered", "captured")

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among the images that were answered and whose truth is known."""
        return self._ratio("right", "judged")

    @property
    def accuracy_of_captured(self) -> float | None:
        """The same among all images captured with a known truth: one that is missing counts as
        wrong.
        """
        return self._ratio("right", "with_truth")

    @property
    def accuracy_at_stop(self) -> float | None:
        """Share of right answers at the moment of the verdict, among the images that got one."""
        return self._ratio("right_at_stop", "judged_at_stop")

    @property
    def bitstream_bytes_per_image(self) -> float | None:
        """Sent at least once; without the node's word, received."""
        if self.n_captured:
            return self._ratio("sent_bitstream_bytes", "captured")
        return self._ratio("bitstream_bytes", "answered")

    @property
    def wire_bytes_per_image(self) -> float | None:
        """Of everything the node sent (on a cable with its framing), by image."""
        return (
            self._ratio("wire_bytes", "captured")
            if self.n_captured
            else self._ratio("packet_bytes", "answered")
        )

    @property
    def airtime_s_per_image(self) -> float | None:
        return self._ratio("airtime_s", "captured")

    @property
    def saved_bytes_per_image(self) -> float | None:
        """Bytes of bitstream that verdicts kept off the air, over all images."""
        return self._ratio("saved_bytes", "captured")

    @property
    def saved_bytes_share(self) -> float | None:
        """The same as a share of all bitstreams."""
        return self._ratio("saved_bytes", "whole_bytes")

    @property
    def saved_airtime_s_per_image(self) -> float | None:
        """What the chunks that verdicts made needless would have taken, each in a packet of its
        own.
        """
        return self._ratio("saved_airtime_s", "captured") if self._profile else None

    @property
    def chunks_at_decision(self) -> float | None:
        return self._ratio("chunks_at_decision", "decided")

    @property
    def median_latency_s(self) -> float | None:
        """From capture to the first answer."""
        return median(wait_s for wait_s, _ in self._waits_s) if self._waits_s else None

    @property
    def median_latency_beside_airtime_s(self) -> float | None:
        """The same without the time on the air: what both programs, the ports and the queue add."""
        return (
            median(wait_s - airtime_s for wait_s, airtime_s in self._waits_s)
            if self._waits_s
            else None
        )

    @property
    def link_use(self) -> float | None:
        """Share of the time, from the first image to the end of the latest, in which the node held
        the line.
        """
        if self._first_seen_s is None or self._busy_until_s <= self._first_seen_s:
            return None
        return self.total("airtime_s") / (self._busy_until_s - self._first_seen_s)

    def _ratio(self, part: str, whole: str) -> float | None:
        return self.total(part) / self.total(whole) if self.total(whole) else None
