"""What is known of an image is the longer of the receiver's memory and the store."""

import pytest

from host_decoder.receive.arrivals import Arrivals
from host_decoder.store.receipt import Receipt, ReceivedPacket
from link.coder import latent_coder
from link.host.interface import Gap, NodeState, Update
from link.wire.packet import Chunk, split
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE


@pytest.fixture
def arrivals(node_entry, store):
    return Arrivals([node_entry], store)


@pytest.fixture
def chunks(bundle):
    pieces = split(latent_coder.encode(random_symbols(bundle.tables, 3), bundle.tables), 1, 1)
    return [
        Chunk(4, index, index == len(pieces) - 1, piece, None if index else 2.0)
        for index, piece in enumerate(pieces)
    ]


def keep(store, bundle, *chunks: Chunk) -> None:
    packet = ReceivedPacket(5, bundle.id.hex(), chunks, b"sealed")
    store.add(Receipt(NODE, KEY, NodeState(b"salt", 5, 1), 1000.0, (packet,)))


def update(bundle, chunks: list[Chunk]) -> Update:
    """As a receiver tells of it that has these chunks in memory."""
    bitstream = b"".join(chunk.bitstream for chunk in chunks)
    is_complete = chunks[-1].is_last
    return Update(
        node=NODE,
        counter=9,
        image=4,
        bitstream=bitstream,
        bundle=bundle,
        n_chunks=len(chunks),
        is_complete=is_complete,
        age_s=2.0,
        captured_s=None,
        packet_bytes=100,
        chunk=chunks[-1],
    )


def gap(bundle, chunk: Chunk) -> Gap:
    return Gap("came without an earlier one", NODE, 9, bundle, chunk)


def test_what_the_receiver_has_is_enough_where_the_store_has_no_more(arrivals, bundle, chunks):
    [arrived] = arrivals.of(update(bundle, chunks[:1]))
    assert (arrived.n_chunks, arrived.packet_bytes) == (1, 100)


def test_chunks_of_an_earlier_start_count(arrivals, store, bundle, chunks):
    keep(store, bundle, *chunks[:2])
    [arrived] = arrivals.of(gap(bundle, chunks[2]))
    assert (arrived.n_chunks, arrived.age_s) == (3, 2.0)
    assert arrived.bitstream == b"".join(chunk.bitstream for chunk in chunks[:3])
    assert arrived.packet_bytes == len(arrived.bitstream) + 3 * 10 + 1


def test_chunk_0_sent_again_gives_all_that_is_stored(arrivals, store, bundle, chunks):
    keep(store, bundle, *chunks)
    stored, remembered = arrivals.of(update(bundle, chunks[:1]))
    assert (stored.n_chunks, stored.is_complete) == (len(chunks), True)
    assert remembered.n_chunks == 1


def test_without_chunk_0_an_image_cannot_be_read(arrivals, store, bundle, chunks):
    assert arrivals.of(gap(bundle, chunks[1])) == []
    keep(store, bundle, chunks[1])
    assert arrivals.of(gap(bundle, chunks[2])) == []


def test_chunks_of_another_bundle_are_not_mixed_in(arrivals, store, bundle, other_bundle, chunks):
    keep(store, other_bundle, chunks[0])
    assert arrivals.of(gap(bundle, chunks[1])) == []
    assert arrivals.chunks(NODE, other_bundle.id, 4) == chunks[:1]
