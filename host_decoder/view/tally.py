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
from host_decoder.view.team import TeamTally
from link.base import Recent
from link.host import Rejected
from link.medium import LinkProfile
from link.output import Captured, Sent, TeamTold
from link.wire import LATER_CHUNK_OVERHEAD_BYTES

KEPT_IMAGES = 4096
"Images whose two halves may still meet; a host that listens for months stays small."

KEPT_WAITS = 65536
ALIVE = "alive_"
"Begins the name of a total: answers of a team with so many groups alive."
SHOWN_IMAGES = 12
FIGURES = {
    "accuracy": [("right", "judged")],
    "accuracy_of_captured": [("right", "with_truth")],
    "accuracy_at_verdict": [("right_at_stop", "judged_at_stop")],
    "bytes_per_image": [("sent_bitstream_bytes", "captured"), ("bitstream_bytes", "answered")],
    "wire_bytes_per_image": [("wire_bytes", "captured"), ("packet_bytes", "answered")],
    "airtime_s_per_image": [("airtime_s", "captured")],
    "bytes_saved_per_image": [("saved_bytes", "captured")],
    "bytes_saved_share": [("saved_bytes", "whole_bytes")],
    "airtime_saved_s_per_image": [("saved_airtime_s", "captured")],
    "chunks_at_verdict": [("chunks_at_decision", "decided")],
    "delivery_ratio": [("answered", "captured")],
}
"""Each a total over another (Row.counts): a missing image is wrong among the captured; bytes are
those sent, or without the node's word those received; saved is what verdicts kept off the air.
"""


class Tally:
    """Sums over all images, and the latest of them one by one."""

    def __init__(self, profile: LinkProfile | None = None, team: TeamTally | None = None) -> None:
        """`team`: one whose consoles are read."""
        self._profile = profile
        self.team = team
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
        """The waits of each image: from capture to the first answer, and how much of that it was on
        the air.
        """

    def add_captured(self, captured: Captured, node: int, seen_s: float) -> Row:
        """An image of which the node's console told at seen_s."""
        if self._first_seen_s is None:
            self._first_seen_s = seen_s
        key = node, captured.image
        row = self._rows.get(key, Row())
        if row.captured is not None:
            return row  # of a team another member told of it before
        position = int(self.total("captured")) if row.position is None else row.position
        return self._change(key, captured=captured, seen_s=seen_s, position=position)

    def add_told(self, told: TeamTold, node: int) -> None:
        """A member of a team is done with an image."""
        assert self.team is not None
        self.team.add(told)
        if told.sequence is not None:
            label = self.team.truth(told.sequence)
            self._change((node, told.image), position=told.sequence, label=label)

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
        """Airtime of a packet of its own for such a chunk."""
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

    def by_alive(self) -> list[tuple[int, int, float | None]]:
        """How many groups were alive, images answered so, and of these the accuracy where truths
        are known; most alive first.
        """
        numbers = [
            int(name[len(ALIVE) :]) for name, n in self._totals.items() if n and ALIVE in name
        ]
        return [
            (
                n_alive,
                int(self.total(f"{ALIVE}{n_alive}")),
                self.total(f"right_of_{n_alive}") / judged
                if (judged := self.total(f"judged_of_{n_alive}"))
                else None,
            )
            for n_alive in sorted(numbers, reverse=True)
        ]

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

    def time_left_s(self, n_images: int) -> float | None:
        """Until so many are answered, at the pace up to the last packet; None before the second
        answer, and when all are.
        """
        n_left = n_images - self.n_answered
        if self._first_seen_s is None or self.n_answered < 2 or n_left <= 0:
            return None
        return n_left * (self._busy_until_s - self._first_seen_s) / self.n_answered

    @property
    def n_settled(self) -> int:
        """Images of which every chunk is here or no further one is wanted."""
        return int(self.total("settled"))

    def figure(self, name: str) -> float | None:
        """One of FIGURES; None while there is nothing to divide by."""
        for part, whole in FIGURES[name]:
            if self.total(whole):
                return self.total(part) / self.total(whole)
        return None

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
