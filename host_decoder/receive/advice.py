"""Advice: how many chunks of an image a node should send before it asks whether that is enough.

A question costs the airtime of its answer, a chunk that nobody needed costs its own. From how many
chunks the latest images took until they were settled follows which number would have cost least.
"""

from collections import Counter

from host_decoder.events import Answer
from link.base import Recent
from link.wire import MAX_ADVISED_CHUNKS

REMEMBERED_IMAGES = 128
LEAST_IMAGES = 8
"Before so many are settled there is no advice."


class Advisor:
    """Advice on one node's images."""

    def __init__(self, gives_verdicts: bool) -> None:
        """Without verdicts nothing is ever enough, and asking between two chunks is of no use."""
        self._gives_verdicts = gives_verdicts
        self._settled: Recent[int, tuple[int, bool]] = Recent(REMEMBERED_IMAGES)
        "Chunks that each image took, and whether those were all it has."

    def note(self, answer: Answer) -> None:
        """An image has come further; the first answer that settles it counts."""
        if answer.is_settled:
            self._settled.setdefault(answer.image, (answer.n_chunks, answer.is_complete))

    def n_chunks(self, chunk_airtime_s: float, answer_airtime_s: float) -> int | None:
        """As many as cost least, 1 to MAX_ADVISED_CHUNKS; None while too little is known."""
        if not self._gives_verdicts:
            return MAX_ADVISED_CHUNKS
        if len(self._settled) < LEAST_IMAGES:
            return None

        alike = Counter(self._settled.values())

        def cost_s(n_unasked: int) -> float:
            return sum(
                n_images * n_rounds * answer_airtime_s
                + n_images * (n_chunks if is_whole else n_rounds * n_unasked) * chunk_airtime_s
                for (n_chunks, is_whole), n_images in alike.items()
                for n_rounds in [-(-n_chunks // n_unasked)]
            )

        return min(range(1, MAX_ADVISED_CHUNKS + 1), key=cost_s)
