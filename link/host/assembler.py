"""Assembler: chunks of a node's images, in any order, to growing prefixes of their bitstreams.

An image is known by its id, which is unique for good, so chunks may come in any order, after any
pause and twice. Of a team's image several cards may have made a bitstream each: these versions are
kept apart, and the first that is whole stays the image.
"""

from dataclasses import dataclass, field

from link.base.recent import Recent
from link.wire.packet import MAX_CHUNKS, Chunk

Place = tuple[bytes, int]
"Version and index of a chunk."
MAX_VERSIONS = 4
MAX_IMAGES = 256
"One node's latest, finished or not; of older ones nobody knows here which chunks there were."


@dataclass
class PartialImage:
    """The chunks of one image so far."""

    id: int
    chunks: dict[Place, Chunk] = field(default_factory=dict)
    sizes: dict[Place, int] = field(default_factory=dict)
    "Bytes that each chunk took of its packet."
    captured_s: float | None = None
    prefix: list[Chunk] = field(default_factory=list)
    "Chunks from 0 on without a gap: only they can be decoded."

    @property
    def bitstream(self) -> bytes:
        return b"".join(chunk.bitstream for chunk in self.prefix)

    @property
    def packet_bytes(self) -> int:
        return sum(self.sizes[_place(chunk)] for chunk in self.prefix)

    @property
    def is_complete(self) -> bool:
        return bool(self.prefix) and self.prefix[-1].is_last

    def takes(self, chunk: Chunk) -> bool:
        """Not when a version is whole, or there are too many."""
        versions = {one.version for one in self.chunks.values()} | {chunk.version}
        return not self.is_complete and len(versions) <= MAX_VERSIONS

    def fits(self, chunk: Chunk) -> bool:
        """No chunk behind the last of its version."""
        known = [chunk, *(one for one in self.chunks.values() if one.version == chunk.version)]
        last = min((one.index for one in known if one.is_last), default=MAX_CHUNKS)
        return all(one.index <= last for one in known)

    def add(self, chunk: Chunk, n_bytes: int) -> None:
        self.chunks[_place(chunk)], self.sizes[_place(chunk)] = chunk, n_bytes
        self.prefix = Chunk.prefix_of(self.chunks.values())


def _place(chunk: Chunk) -> Place:
    return chunk.version, chunk.index


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
        known = image.chunks.get(_place(chunk)) if image else None
        if known is None:
            return False
        if not known.is_same(chunk):
            raise CollisionError.of(chunk)
        return True

    def n_chunks(self, image: int) -> int:
        """Chunks of it that can be decoded."""
        return len(self._images[image].prefix) if image in self._images else 0

    def takes(self, chunk: Chunk) -> bool:
        """Whether it may still add to its image; False: another version of that is whole."""
        image = self._images.get(chunk.image)
        return image is None or image.takes(chunk)

    def add(self, chunk: Chunk, n_bytes: int, captured_s: float | None) -> PartialImage | None:
        """The image, when this chunk made its prefix longer; None when an earlier chunk is missing,
        or another version stands before it.

        n_bytes is what the chunk took of its packet. Raises CollisionError when it contradicts the
        chunks already here.
        """
        image = self._images.get(chunk.image) or PartialImage(chunk.image)
        if not image.fits(chunk):
            raise CollisionError(
                f"chunk {chunk.index} of image {chunk.image} contradicts the chunks before it"
            )
        before = image.prefix
        image.add(chunk, n_bytes)
        if chunk.index == 0:
            image.captured_s = captured_s
        self._images[chunk.image] = image
        return image if image.prefix != before else None
