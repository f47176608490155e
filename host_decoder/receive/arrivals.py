"""Arrivals: an image as far as it has arrived, by the receiver's memory or by the store's.

The receiver forgets images of long ago and of an earlier start; the store does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from host_decoder.config import KnownNode
from host_decoder.store.store import Store
from link.host import ChunkHeard, Gap, Outcome, Update
from link.wire import Chunk


@dataclass(frozen=True)
class Arrived:
    """An image as far as it has arrived."""

    bitstream: bytes
    n_chunks: int
    is_complete: bool
    packet_bytes: int
    age_s: float | None


class Arrivals:
    """What is known of images, whoever remembers it."""

    def __init__(self, nodes: Sequence[KnownNode], store: Store) -> None:
        self._keys = {node.number: node.key for node in nodes}
        self._store = store
        self._underway: dict[tuple[int, bytes, int], list[Chunk]] = {}
        "Chunks of the batch that is about to be stored, by node, bundle and image."
        self._highest: dict[tuple[int, bytes], int] = {}
        "By node and bundle: no chunk of a later image is stored."

    def add(self, nodes: Sequence[KnownNode]) -> None:
        """Nodes that are known from now on."""
        self._keys |= {node.number: node.key for node in nodes}

    def chunks(self, node: int, bundle_id: bytes, image: int) -> list[Chunk]:
        """Those that are stored, or about to be. The store is not asked for an image that is new:
        most are.
        """
        underway = self._underway.get((node, bundle_id, image), [])
        if image > self._highest_image(node, bundle_id):
            return underway
        return self._store.chunks_of(node, self._keys[node], bundle_id.hex(), image) + underway

    def _highest_image(self, node: int, bundle_id: bytes) -> int:
        place = node, bundle_id
        if place not in self._highest:
            key, bundle = self._keys[node], bundle_id.hex()
            self._highest[place] = self._store.highest_image(node, key, bundle)
        return self._highest[place]

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """What these bring is about to be stored."""
        for outcome in outcomes:
            if isinstance(outcome, ChunkHeard):
                key = outcome.node, outcome.bundle_id, outcome.chunk.image
                self._underway.setdefault(key, []).append(outcome.chunk)

    def forget_underway(self) -> None:
        """It is stored, or it is not."""
        for node, bundle_id, image in self._underway:
            place = node, bundle_id
            self._highest[place] = max(image, self._highest_image(*place))
        self._underway.clear()

    def of(self, outcome: Update | Gap) -> list[Arrived]:
        """The image with this chunk: as it is stored, where that is more, and as the receiver has
        it in memory, for when stored chunks contradict each other; none when chunk 0 is in neither.
        """
        if isinstance(outcome, Gap):
            return self._stored(outcome)
        remembered = Arrived(
            outcome.bitstream,
            outcome.n_chunks,
            outcome.is_complete,
            outcome.packet_bytes,
            outcome.age_s,
        )
        stored = self._stored(outcome) if outcome.n_chunks == 1 else []
        longer = [one for one in stored if one.n_chunks > outcome.n_chunks]
        return [*longer, remembered]

    def _stored(self, outcome: Update | Gap) -> list[Arrived]:
        """An image from its stored chunks and this one; nothing when that gives nothing new."""
        chunk = outcome.chunk
        stored = self.chunks(outcome.node, outcome.bundle_id, chunk.image)
        prefix = Chunk.prefix_of([*stored, chunk])
        if not stored or len(prefix) <= chunk.index or prefix[0].version != chunk.version:
            return []
        bitstream = b"".join(one.bitstream for one in prefix)
        n_bytes = sum(one.packet_bytes for one in prefix)
        return [Arrived(bitstream, len(prefix), prefix[-1].is_last, n_bytes, prefix[0].age_s)]
