"""Assembler: chunks of a node's images, in any order, to growing prefixes of their bitstreams.

An image is known by its id, which is unique for good, so chunks may come in any order, after any
pause and twice.
"""

from dataclasses import dataclass, field

from link.base.recent import Recent
from link.wire.packet import MAX_CHUNKS, Chunk

MAX_IMAGES = 256
"One node's latest, finished or not; of older ones nobody knows here which chunks there were."


@dataclass
class PartialImage:
    """The chunks of one image so far."""

    id: int
    chunks: dict[int, Chunk] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    "Bytes that each chunk took of its packet."
    captured_s: float | None = None
    n_prefix: int = 0
    "Chunks from 0 on without a gap: only they can be decoded."

    @property
    def prefix(self) -> list[Chunk]:
        return [self.chunks[index] for index in range(self.n_prefix)]

    @property
    def bitstream(self) -> bytes:
        return b"".join(chunk.bitstream for chunk in self.prefix)

    @property
    def packet_bytes(self) -> int:
        return sum(self.sizes[index] for index in range(self.n_prefix))

    @property
    def is_complete(self) -> bool:
        return self.n_prefix > 0 and self.chunks[self.n_prefix - 1].is_last

    def fits(self, chunk: Chunk) -> bool:
        """No chunk behind the last."""
        known = [*self.chunks.values(), chunk]
        last = min((one.index for one in known if one.is_last), default=MAX_CHUNKS)
        return all(one.index <= last for one in known)

    def add(self, chunk: Chunk, n_bytes: int) -> None:
        self.chunks[chunk.index], self.sizes[chunk.index] = chunk, n_bytes
        while self.n_prefix in self.chunks:
            self.n_prefix += 1


class CollisionError(ValueError):
    """Two images of a node have one id: the node lost its counters and used some again."""

    @classmethod
    def of(cls, chunk: Chunk) -> "CollisionError":
        return cls(f"chunk {chunk.index} of image {chunk.image} came before with another content")


class ImageAssembler:
    """Puts one node's chunks together, a bounded number of images at a time."""

    def __init__(self, max_images: int = MAX_IMAGES) -> None:
        self._images: Recent[int, PartialImage] = Recent(max_images)

    def has(self, chunk: Chunk) -> bool:
        """Whether this very chunk is here already.

        Raises CollisionError when another one is in its place.
        """
        image = self._images.get(chunk.image)
        known = image.chunks.get(chunk.index) if image else None
        if known is None:
            return False
        if not known.is_same(chunk):
            raise CollisionError.of(chunk)
        return True

    def n_chunks(self, image: int) -> int:
        """Chunks of it that can be decoded."""
        return self._images[image].n_prefix if image in self._images else 0

    def add(self, chunk: Chunk, n_bytes: int, captured_s: float | None) -> PartialImage | None:
        """The image, when this chunk made its prefix longer; None when an earlier chunk is missing.

        n_bytes is what the chunk took of its packet. Raises CollisionError when it contradicts the
        chunks already here.
        """
        image = self._images.get(chunk.image) or PartialImage(chunk.image)
        if not image.fits(chunk):
            raise CollisionError(
                f"chunk {chunk.index} of image {chunk.image} contradicts the chunks before it"
            )
        n_before = image.n_prefix
        image.add(chunk, n_bytes)
        if chunk.index == 0:
            image.captured_s = captured_s
        self._images[chunk.image] = image
        return image if image.n_prefix > n_before else None
