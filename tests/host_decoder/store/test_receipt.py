"""Of an image's chunks only those from the first on without a gap can be decoded."""

from host_decoder.store.receipt import Receipt, prefix_of
from link.host.interface import NodeState
from link.wire.packet import Chunk


def chunk(index: int, bitstream: bytes = b"x") -> Chunk:
    return Chunk(0, index, False, bitstream)


def test_a_prefix_is_in_order_and_ends_at_the_first_gap():
    chunks = [chunk(3), chunk(1), chunk(0), chunk(4)]
    assert prefix_of(chunks) == [chunk(0), chunk(1)]


def test_without_chunk_0_there_is_none():
    assert prefix_of([chunk(1), chunk(2)]) == []


def test_of_two_with_one_index_the_first_counts():
    assert prefix_of([chunk(0, b"stored"), chunk(0, b"late")]) == [chunk(0, b"stored")]


def test_a_receipt_that_is_printed_keeps_the_key_to_itself():
    receipt = Receipt(7, b"secret key bytes", NodeState(b"salt", 1, 1), 0.0)
    assert "secret" not in repr(receipt)
