"""Assembler: chunks of a node's images, in any order, to growing prefixes of their bitstreams.

An image is known by the counter of its chunk 0, which every chunk of it tells (counter - index): so images
that share their 8-bit number, or a node that counts its images anew, are never mixed up.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from link.packet import MAX_CHUNKS, Chunk
from link.seal import reconstruct

IMAGE_LOW_BITS = 8
MAX_PARTIAL_IMAGES = 16
"Images of one node that may wait for chunks; the oldest is given up first."


@dataclass
class PartialImage:
    """The chunks of one image so far."""

    number: int
    chunks: dict[int, Chunk] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    "Bytes of each chunk's packet."
    captured_s: float = 0.0

    @property
    def prefix(self) -> list[Chunk]:
        """Chunks from 0 on without a gap: only they can be decoded."""
        n_prefix = next(index for index in range(len(self.chunks) + 1) if index not in self.chunks)
        return [self.chunks[index] for index in range(n_prefix)]

    @property
    def bitstream(self) -> bytes:
        return b"".join(chunk.bitstream for chunk in self.prefix)

    @property
    def packet_bytes(self) -> int:
        return sum(self.sizes[chunk.index] for chunk in self.prefix)

    def fits(self, chunk: Chunk) -> bool:
        """Same image, and no chunk behind the last."""
        known = [*self.chunks.values(), chunk]
        last = min((one.index for one in known if one.is_last), default=MAX_CHUNKS)
        return self.number % 256 == chunk.image_low and all(one.index <= last for one in known)

    @property
    def is_complete(self) -> bool:
        return any(chunk.is_last for chunk in self.prefix)


class ImageAssembler:
    """Puts one node's chunks together, a bounded number of images at a time."""

    def __init__(self, max_images: int = MAX_PARTIAL_IMAGES) -> None:
        self._partial: OrderedDict[int, PartialImage] = OrderedDict()
        self._max_images = max_images
        self._newest_counter = -1
        self._newest_number = -1

    def add(self, chunk: Chunk, counter: int, packet_bytes: int, now_s: float) -> PartialImage | None:
        """The image, when this chunk made its prefix longer; None when an earlier chunk is missing.

        Raises ValueError when the chunk contradicts those already here.
        """
        first_counter = counter - chunk.index
        if first_counter < 0:
            raise ValueError(f"chunk {chunk.index} cannot travel under counter {counter}")
        image = self._partial.get(first_counter) or self._begin(first_counter, chunk.image_low)
        if not image.fits(chunk):
            raise ValueError(
                f"chunk {chunk.index} of image {chunk.image_low} contradicts the chunks of image "
                f"{image.number % 256} before it"
            )
        n_before = len(image.prefix)
        image.chunks[chunk.index], image.sizes[chunk.index] = chunk, packet_bytes
        if chunk.index == 0:
            image.captured_s = now_s - chunk.age_s
        if image.is_complete:
            del self._partial[first_counter]
        return image if len(image.prefix) > n_before else None

    def _begin(self, first_counter: int, image_low: int) -> PartialImage:
        number = reconstruct(image_low, self._newest_number, IMAGE_LOW_BITS)
        if first_counter > self._newest_counter:
            self._newest_counter, self._newest_number = first_counter, number
        image = self._partial[first_counter] = PartialImage(number)
        if len(self._partial) > self._max_images:
            self._partial.popitem(last=False)
        return image
