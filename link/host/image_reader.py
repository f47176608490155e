"""Image reader: one node's chunks to what has come of its images, or why nothing has."""

from collections.abc import Sequence

from link.bundle.bundle import Bundle
from link.host.assembler import CollisionError, ImageAssembler
from link.host.interface import ForeignBundle, Gap, Reason, Rejected, Update, Useless
from link.wire.packet import Chunk


class ImageReader:
    """Puts chunks together; a fault in one is an answer to that one alone."""

    def __init__(self, node: int, bundles: Sequence[Bundle]) -> None:
        """Chunks made with any of these bundles are read; the first one is the node's present
        one.
        """
        self._node = node
        self._own = bundles
        self._images = ImageAssembler()

    def n_chunks(self, image: int) -> int:
        """Chunks of it that can be decoded."""
        return self._images.n_chunks(image)

    def read(
        self, chunk: Chunk, n_bytes: int, counter: int, bundle: Bundle, now_s: float
    ) -> Update | Rejected:
        """A chunk that took n_bytes of a packet made with `bundle`, which came at now_s."""
        if all(bundle.id != own.id for own in self._own):
            return ForeignBundle(
                f"packet made with bundle {bundle.id.hex()} ({bundle.path}), this host has "
                f"{self._own[0].id.hex()} ({self._own[0].path}) for node {self._node}; configure "
                "the former here, or flash the latter there",
                self._node,
                counter,
                bundle.id,
                chunk,
            )
        name = f"chunk {chunk.index} of image {chunk.image} of node {self._node}"
        try:
            if self._images.has(chunk):
                sentence = f"{name} is here already: the node did not hear that it came"
                return Useless(Reason.REPEATED, sentence, self._node, counter)
            if chunk.version and not self._images.takes(chunk):
                return other_version(self._node, counter, chunk)
            captured_s = None if chunk.age_s is None else now_s - chunk.age_s
            image = self._images.add(chunk, n_bytes, captured_s)
            if image is None:
                sentence = f"{name} came without an earlier one; it is kept until that arrives"
                if chunk.index == 0:
                    sentence = f"{name} came by another card before; it is kept"
                return Gap(sentence, self._node, counter, bundle, chunk)
        except CollisionError as error:
            if chunk.version:
                return other_version(self._node, counter, chunk)
            return collision(self._node, counter, error)
        except ValueError as error:
            return malformed(self._node, counter, error)
        return Update(
            node=self._node,
            counter=counter,
            image=image.id,
            bitstream=image.bitstream,
            bundle=bundle,
            n_chunks=len(image.prefix),
            is_complete=image.is_complete,
            age_s=image.prefix[0].age_s,
            captured_s=image.captured_s,
            packet_bytes=image.packet_bytes,
            chunk=chunk,
        )


def lacking(node: int, counter: int, bundle_id: bytes, chunk: Chunk) -> ForeignBundle:
    """A chunk of a bundle that the host does not hold: stored, so that the bundle can be added
    later.
    """
    return ForeignBundle(
        f"packet made with bundle {bundle_id.hex()}, which this host lacks; it is stored: add that "
        "bundle to `bundles`, then decode the store with it",
        node,
        counter,
        bundle_id,
        chunk,
    )


def collision(node: int, counter: int, error: CollisionError) -> Useless:
    """A chunk that cannot be kept under its id, and so is not acknowledged."""
    return Useless(
        Reason.COLLISION,
        f"packet {counter} of node {node}: {error}: the node lost its counters and gave an id "
        "twice",
        node,
        counter,
    )


def other_version(node: int, counter: int, chunk: Chunk) -> Useless:
    """A chunk of a team's image that is whole without it: acknowledged, and not kept."""
    return Useless(
        Reason.OTHER_VERSION,
        f"chunk {chunk.index} of image {chunk.image} of node {node} came by another card, after "
        "the image was whole",
        node,
        counter,
    )


def undecodable(update: Update) -> Useless:
    """An image whose bitstream is none."""
    error = ValueError("bitstream cannot have been written with these tables")
    return malformed(update.node, update.counter, error)


def malformed(node: int, counter: int, error: ValueError) -> Useless:
    """A packet that is the node's and makes no sense."""
    return Useless(
        Reason.MALFORMED,
        f"packet {counter} of node {node} opens but makes no sense: {error}; "
        "node and host run programs that do not fit together",
        node,
        counter,
    )
