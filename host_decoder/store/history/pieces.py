"""Pieces: the chunks of single images, as a page asks for them; whole bundles go page by page
(host_decoder.store.history.images).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_

from host_decoder.store.database.access import Database
from host_decoder.store.database.schema import CHUNKS, DECODERS, NODES, SENDERS, SITES

MAX_IMAGES = 200
"In one statement."


@dataclass(frozen=True)
class Piece:
    """A chunk as it came, with its packet's counter and time."""

    sender: int
    image: int
    bundle: str
    version: bytes
    chunk: int
    is_last: bool
    bitstream: bytes
    age_s: float | None
    counter: int
    received_s: float


def pieces_of(database: Database, images: Sequence[tuple[int, int]]) -> list[Piece]:
    """The chunks of images, given by sender and number, in the order of their coming."""
    columns = [CHUNKS.c[name] for name in Piece.__dataclass_fields__]
    key = tuple_(CHUNKS.c.sender, CHUNKS.c.bundle, CHUNKS.c.image)
    found = []
    with database.reading() as connection:
        bundles = connection.execute(select(DECODERS.c.bundle).distinct()).scalars().all()
        for start in range(0, len(images), MAX_IMAGES):
            wanted = [
                (sender, bundle, image)
                for sender, image in images[start : start + MAX_IMAGES]
                for bundle in bundles
            ]
            query = select(*columns).where(key.in_(wanted)).order_by(CHUNKS.c.counter)
            for row in connection.execute(query):
                piece = dict(row._mapping)
                binary = {name: bytes(piece[name]) for name in ("version", "bitstream")}
                found.append(Piece(**{**piece, **binary}))
    return found


def newest_senders(database: Database) -> dict[tuple[str, int], int]:
    """Each node under the key that it has now, by site and number."""
    query = (
        select(SITES.c.name, NODES.c.number, func.max(SENDERS.c.id))
        .select_from(SENDERS)
        .join(NODES, NODES.c.id == SENDERS.c.node_id)
        .join(SITES, SITES.c.id == NODES.c.site_id)
        .group_by(SITES.c.name, NODES.c.number)
    )
    with database.reading() as connection:
        return {(site, number): sender for site, number, sender in connection.execute(query)}
