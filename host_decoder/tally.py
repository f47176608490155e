"""The tally: running figures over what a node says it sent and what the host made of it.

The node's word comes from its own console (JSON lines), never over the link: it carries the picture and the truth,
which are what the link is there to save. Without a console only the answers are counted.
"""

import base64
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from host_decoder.events import Answer, Refusal

KEPT_IMAGES = 512
"Images whose two halves may still meet; a host that listens for months stays small."

SHOWN_IMAGES = 12


@dataclass(frozen=True, eq=False)
class Sent:
    """What the node's console says of one image."""

    image: int
    counter: int
    "Of the image's first packet."
    bitstream_bytes: int
    wire_bytes: int
    airtime_s: float
    truth: str | None
    pixels: np.ndarray
    "uint8 (H, W, C), as the encoder saw them."
    node_ms: dict[str, float]
    seen_s: float

    @classmethod
    def from_json(cls, line: dict[str, Any], seen_s: float) -> "Sent":
        """Raises KeyError, TypeError or ValueError when the line is not the console's line of an image."""
        return cls(
            image=int(line["image"]),
            counter=int(line["counter"]),
            bitstream_bytes=int(line["bitstream_bytes"]),
            wire_bytes=int(line["wire_bytes"]),
            airtime_s=float(line["airtime_s"]),
            truth=line["label"],
            pixels=np.frombuffer(base64.b64decode(line["pixels"]), np.uint8).reshape(line["shape"]),
            node_ms={part: float(ms) for part, ms in line["ms"].items()},
            seen_s=seen_s,
        )


@dataclass(eq=False)
class Row:
    """One image: what was sent, and the latest answer."""

    sent: Sent | None = None
    answer: Answer | None = None
    answered_s: float = 0.0

    @property
    def is_right(self) -> bool | None:
        """None while there is no truth or no answer."""
        if self.sent is None or self.sent.truth is None or self.answer is None:
            return None
        return self.answer.label == self.sent.truth

    @property
    def latency_s(self) -> float | None:
        """From the node's console line, written before the first byte left, to the answer; None without both."""
        if self.answer is None or self.sent is None:
            return None
        return max(0.0, self.answered_s - self.sent.seen_s)

    def counts(self) -> dict[str, float]:
        """What this image adds to the totals."""
        counts: dict[str, float] = {}
        if self.sent is not None:
            counts.update(sent=1, with_truth=self.sent.truth is not None, wire_bytes=self.sent.wire_bytes)
            counts.update(airtime_s=self.sent.airtime_s, sent_bitstream_bytes=self.sent.bitstream_bytes)
        if self.answer is not None:
            counts.update(
                answered=1,
                complete=self.answer.is_complete,
                bitstream_bytes=self.answer.bitstream_bytes,
                packet_bytes=self.answer.packet_bytes,
            )
        if self.is_right is not None:
            counts.update(judged=1, right=self.is_right)
        return counts


class Tally:
    """Sums over all images, and the latest of them one by one."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[int, int], Row] = OrderedDict()
        self._totals: defaultdict[str, float] = defaultdict(float)
        self.refusals: Counter[str] = Counter()
        self.latest: deque[Row] = deque(maxlen=SHOWN_IMAGES)
        "The images answered last, the newest at the end."
        self._first_sent_s: float | None = None
        self._busy_until_s = 0.0

    def add_sent(self, sent: Sent, node: int) -> Row:
        if self._first_sent_s is None:
            self._first_sent_s = sent.seen_s
        self._busy_until_s = max(self._busy_until_s, sent.seen_s) + sent.airtime_s
        return self._change((node, sent.counter), sent=sent)

    def add_answer(self, answer: Answer, now_s: float) -> Row:
        row = self._change((answer.node, answer.first_counter), answer=answer, answered_s=now_s)
        self._busy_until_s = max(self._busy_until_s, now_s)
        if row not in self.latest:
            self.latest.append(row)
        return row

    def row_of(self, answer: Answer) -> Row:
        """The image that an answer is about."""
        return self._rows[answer.node, answer.first_counter]

    def add_refusal(self, refusal: Refusal) -> None:
        self.refusals[refusal.reason] += 1

    def _change(self, key: tuple[int, int], **halves: Any) -> Row:
        row = self._rows.setdefault(key, Row())
        self._add(row.counts(), -1)
        for name, value in halves.items():
            setattr(row, name, value)
        self._add(row.counts(), 1)
        if len(self._rows) > KEPT_IMAGES:
            self._rows.popitem(last=False)
        return row

    def _add(self, counts: dict[str, float], sign: int) -> None:
        for name, value in counts.items():
            self._totals[name] += sign * value

    def total(self, name: str) -> float:
        """A sum of Row.counts over all images."""
        return self._totals[name]

    @property
    def newest(self) -> Row | None:
        """The image heard of last, answered or not."""
        return next(reversed(self._rows.values()), None)

    @property
    def n_sent(self) -> int:
        return int(self.total("sent"))

    @property
    def n_answered(self) -> int:
        return int(self.total("answered"))

    @property
    def n_complete(self) -> int:
        """Images of which every chunk is here."""
        return int(self.total("complete"))

    @property
    def n_in_flight(self) -> int:
        """Images sent after the last one that was answered."""
        return sum(1 for _ in takewhile(lambda row: row.answer is None, reversed(self._rows.values())))

    @property
    def n_lost(self) -> int | None:
        """Images that a later one has overtaken; None without the node's word."""
        return max(0, self.n_sent - self.n_answered - self.n_in_flight) if self.n_sent else None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among the images that were answered and whose truth is known."""
        return self._ratio("right", "judged")

    @property
    def accuracy_of_sent(self) -> float | None:
        """The same among all images sent with a known truth: one that was lost counts as wrong."""
        return self._ratio("right", "with_truth")

    @property
    def bitstream_bytes_per_image(self) -> float | None:
        return (
            self._ratio("sent_bitstream_bytes", "sent") if self.n_sent else self._ratio("bitstream_bytes", "answered")
        )

    @property
    def wire_bytes_per_image(self) -> float | None:
        """Of the packets (on a cable with their framing) of an image."""
        return self._ratio("wire_bytes", "sent") if self.n_sent else self._ratio("packet_bytes", "answered")

    @property
    def airtime_s_per_image(self) -> float | None:
        return self._ratio("airtime_s", "sent")

    @property
    def link_use(self) -> float | None:
        """Share of the time, from the first image to the end of the latest, in which the node held the line."""
        if self._first_sent_s is None:
            return None
        return self.total("airtime_s") / (self._busy_until_s - self._first_sent_s)

    def _ratio(self, part: str, whole: str) -> float | None:
        return self.total(part) / self.total(whole) if self.total(whole) else None
