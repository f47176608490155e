"""Stored images: the received prefix of each image's bitstream, a page at a time.

This is what every later decoder begins with. A page is asked for behind a key, so a walk over
millions can be ended and gone on with, and holds no transaction open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import Column, ColumnElement, Connection, and_, func, or_, select, tuple_

from host_decoder.store.database.access import Database
from host_decoder.store.database.schema import CHUNKS, DECODERS, NODES, RESULTS, SENDERS
from link.wire import Chunk

PAGE_IMAGES = 2048
FIRST = (0, -1)
"Before all images."
ImageKey = tuple[int, int]
"Sender and image."


@dataclass(frozen=True)
class Span:
    """When what counts came, Unix time: after `since_s`, None: ever; not after `until_s`."""

    since_s: float | None = None
    until_s: float | None = None


EVER = Span()


@dataclass(frozen=True)
class StoredImage:
    """The received prefix of one image's bitstream."""

    node: int
    image: int
    bitstream: bytes
    is_complete: bool
    n_chunks: int = 1
    counter: int = 0
    "The counter of the packet that brought the last of it."
    received_s: float = 0.0
    "When that came, Unix time."
    age_s: float | None = None
    packet_bytes: int | None = None
    "Bytes of all packets behind it; None where nothing was answered then."
    is_enough: bool = False
    "The verdict on it, as it was told."
    captured_s: float | None = field(default=None, compare=False)
    sender: int = field(default=0, compare=False)
    node_id: int = field(default=0, compare=False)


def image_pages(
    database: Database,
    bundle: str,
    after: ImageKey = FIRST,
    n_images: int = PAGE_IMAGES,
    span: Span = EVER,
) -> Iterator[tuple[ImageKey, list[StoredImage]]]:
    """Every image of a bundle whose first chunk is here and that grew within the span, as it stood
    at its end, in the order of capture: pages, each with the key of the last image that it looked
    at.
    """
    while True:
        with database.reading() as connection:
            keys = _keys(connection, bundle, after, n_images, span)
            if not keys:
                return
            page = _page(connection, bundle, keys, span)
        yield keys[-1], page
        after = keys[-1]


def count_images(connection: Connection, bundle: str, span: Span = EVER) -> int:
    """Images of a bundle of which any chunk came within the span."""
    distinct = select(CHUNKS.c.sender, CHUNKS.c.image).where(*_within(bundle, span)).distinct()
    return int(
        connection.execute(select(func.count()).select_from(distinct.subquery())).scalar_one()
    )


def newest_s(connection: Connection, bundle: str) -> float:
    """When the newest chunk of a bundle came, by the clock of then; 0: there is none."""
    query = select(func.max(CHUNKS.c.received_s)).where(CHUNKS.c.bundle == bundle)
    return float(connection.execute(query).scalar() or 0.0)


_KEY = tuple_(CHUNKS.c.sender, CHUNKS.c.image)


def _within(bundle: str, span: Span) -> list[ColumnElement[bool]]:
    """Conditions on chunks."""
    came = CHUNKS.c.received_s
    return [
        CHUNKS.c.bundle == bundle,
        *([] if span.since_s is None else [came > span.since_s]),
        *([] if span.until_s is None else [came <= span.until_s]),
    ]


def _keys(
    connection: Connection, bundle: str, after: ImageKey, n_images: int, span: Span
) -> list[ImageKey]:
    rows = connection.execute(
        select(CHUNKS.c.sender, CHUNKS.c.image)
        .where(*_within(bundle, span), after < _KEY)
        .group_by(CHUNKS.c.sender, CHUNKS.c.image)
        .order_by(CHUNKS.c.sender, CHUNKS.c.image)
        .limit(n_images)
    )
    return [(sender, image) for sender, image in rows]


def _page(
    connection: Connection, bundle: str, keys: Sequence[ImageKey], span: Span
) -> list[StoredImage]:
    chunk_rows = connection.execute(
        select(CHUNKS, SENDERS.c.node_id, NODES.c.number)
        .join(SENDERS, SENDERS.c.id == CHUNKS.c.sender)
        .join(NODES, NODES.c.id == SENDERS.c.node_id)
        .where(
            *_within(bundle, Span(None, span.until_s)),
            *among(CHUNKS.c.sender, CHUNKS.c.image, keys, span),
        )
        .order_by(CHUNKS.c.sender, CHUNKS.c.image, CHUNKS.c.counter)
    ).all()
    said = _said(connection, bundle, keys, span)
    images = []
    for (sender, image), came in groupby(chunk_rows, key=lambda row: (row.sender, row.image)):
        found = {
            Chunk(
                image,
                row.chunk,
                row.is_last,
                bytes(row.bitstream),
                row.age_s,
                bytes(row.version),
            ): row
            for row in came
        }
        prefix = Chunk.prefix_of(found)
        if not prefix:
            continue
        latest, first = found[prefix[-1]], found[prefix[0]]
        age_s = prefix[0].age_s
        packet_bytes, is_enough, captured_s = said.get(
            (sender, image, len(prefix)),
            (None, False, None if age_s is None else first.received_s - age_s),
        )
        images.append(
            StoredImage(
                latest.number,
                image,
                b"".join(chunk.bitstream for chunk in prefix),
                prefix[-1].is_last,
                n_chunks=len(prefix),
                counter=latest.counter,
                received_s=latest.received_s,
                age_s=age_s,
                packet_bytes=packet_bytes,
                is_enough=is_enough,
                node_id=latest.node_id,
                sender=sender,
                captured_s=captured_s,
            )
        )
    return images


def _said(
    connection: Connection, bundle: str, keys: Sequence[ImageKey], span: Span
) -> dict[tuple[int, int, int], tuple[int | None, bool, float | None]]:
    """What the host told of these images when they came: by sender, image and number of chunks."""
    sender, image = RESULTS.c.sender, RESULTS.c.image
    rows = connection.execute(
        select(
            sender,
            image,
            RESULTS.c.rev,
            RESULTS.c.packet_bytes,
            RESULTS.c.is_enough,
            RESULTS.c.captured_s,
        )
        .join(DECODERS, DECODERS.c.id == RESULTS.c.decoder_id)
        .where(
            DECODERS.c.bundle == bundle,
            RESULTS.c.is_live,
            *among(sender, image, keys, span),
        )
        .order_by(RESULTS.c.received_s)
    )
    return {(row[0], row[1], row[2]): (row[3], bool(row[4]), row[5]) for row in rows}


def among(
    sender: Column[int], image: Column[int], keys: Sequence[ImageKey], span: Span = EVER
) -> list[ColumnElement[bool]]:
    """These images, in their order: all from the first to the last of them, unless the span leaves
    some out.
    """
    first, last = keys[0], keys[-1]
    between = [
        or_(sender > first[0], and_(sender == first[0], image >= first[1])),
        or_(sender < last[0], and_(sender == last[0], image <= last[1])),
    ]
    return between if span.since_s is None else [*between, tuple_(sender, image).in_(keys)]
