"""Rows: one image each, what the node's console says of it beside what the host made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from host_decoder.events import Answer
from link.output import Captured

MAX_SHOWN_IMAGE = 1_000_000
"""A node begins to count at the time of day: of its images' numbers a person is shown the last six
digits.
"""


@dataclass(eq=False)
class Row:
    """One image: what the node says of it, and the latest answer."""

    position: int | None = None
    "In the order of capture, from 0; None without the node's word."
    captured: Captured | None = None
    label: str | None = None
    "Its class, where a team replays it and that is known."
    seen_s: float = 0.0
    "When the node's console told of it."
    sent_bytes: dict[int, int] = field(default_factory=dict)
    "Bytes of bitstream by the index of each chunk that was sent at least once."
    n_packets: int = 0
    n_repeated: int = 0
    "Chunks sent again."
    wire_bytes: float = 0.0
    airtime_s: float = 0.0
    "Its shares of the packets it travelled in."
    is_stopped: bool = False
    "The node heard the host's verdict and dropped the rest."
    answer: Answer | None = None
    answered_s: float = 0.0
    "When the first answer was there."
    decision: Answer | None = None
    "The answer on which the host decided that it knows enough."

    @property
    def name(self) -> str:
        """What a person calls the image."""
        if self.position is not None:
            return str(self.position)
        if self.answer is None:
            return "?"
        image = self.answer.image
        return str(image) if image < MAX_SHOWN_IMAGE else f"…{image % MAX_SHOWN_IMAGE:06d}"

    def called(self, n_images: int | None) -> str:
        """The same, counted from 1 where it is known how many there will be."""
        if n_images is None or self.position is None:
            return f"image {self.name}"
        return f"image {self.position + 1} of {n_images}"

    @property
    def truth(self) -> str | None:
        return self.captured.label if self.captured else self.label

    @property
    def is_right(self) -> bool | None:
        """None while there is no truth or no answer."""
        return (
            None if self.truth is None or self.answer is None else self.answer.label == self.truth
        )

    @property
    def latency_s(self) -> float | None:
        """From capture, as the node's console tells of it, to the first answer; None without
        both.
        """
        if self.answer is None or self.captured is None:
            return None
        return max(0.0, self.answered_s - self.seen_s)

    @property
    def unsent(self) -> tuple[int, int]:
        """Chunks that the node dropped after the verdict, and their bytes of bitstream."""
        if self.captured is None or not self.is_stopped:
            return 0, 0
        n_bytes = self.captured.bitstream_bytes - sum(self.sent_bytes.values())
        return self.captured.n_chunks - len(self.sent_bytes), n_bytes

    def counts(self, airtime_of: Callable[[int], float]) -> dict[str, float]:
        """What this image adds to the totals."""
        counts: dict[str, float] = {
            "repeated": self.n_repeated,
            "sent_bitstream_bytes": sum(self.sent_bytes.values()),
        }
        if self.position is not None:
            counts.update(captured=1, with_truth=self.truth is not None)
        if self.captured is not None:
            n_saved, saved_bytes = self.unsent
            saved_s = n_saved * airtime_of(round(saved_bytes / n_saved)) if n_saved else 0.0
            counts["whole_bytes"] = self.captured.bitstream_bytes
            counts.update(stopped=self.is_stopped, saved_bytes=saved_bytes, saved_airtime_s=saved_s)
        if self.answer is not None:
            counts.update(answered=1, settled=self.answer.is_settled, chunks=self.answer.n_chunks)
            counts.update(
                bitstream_bytes=self.answer.bitstream_bytes, packet_bytes=self.answer.packet_bytes
            )
        if self.is_right is not None:
            counts.update(judged=1, right=self.is_right)
        if self.answer is not None and self.answer.alive is not None:
            n_alive = sum(self.answer.alive)
            counts[f"alive_{n_alive}"] = 1
            if self.is_right is not None:
                counts |= {f"judged_of_{n_alive}": 1, f"right_of_{n_alive}": self.is_right}
        if self.decision is not None:
            counts.update(decided=1, chunks_at_decision=self.decision.n_chunks)
            if self.truth is not None:
                counts.update(judged_at_stop=1, right_at_stop=self.decision.label == self.truth)
        return counts
