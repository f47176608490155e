"""The range coder against constriction, message by message and both ways, and against its own
claims.
"""

from contextlib import suppress

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.coder.range_coder import TOTAL_BITS, RangeDecoder, RangeEncoder

TOTAL = 1 << TOTAL_BITS


def random_table(rng):
    """Cumulative counts of 2 to 256 symbols, from flat to a single symbol that takes nearly all."""
    n_symbols = int(rng.integers(2, 257))
    shares = rng.dirichlet(np.full(n_symbols, 10.0 ** rng.integers(-3, 2)))
    steps = 1 + np.floor(shares * (TOTAL - n_symbols)).astype(int)
    steps[rng.integers(n_symbols)] += TOTAL - steps.sum()
    return [0, *np.cumsum(steps).tolist()]


@st.composite
def tables_and_symbols(draw, max_length=40):
    """Some tables, and one index into each: any index, or a probable one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tables = [random_table(rng) for _ in range(draw(st.integers(0, max_length)))]
    is_typical = draw(st.booleans())
    indices = [
        int(
            rng.choice(len(table) - 1, p=np.diff(table) / TOTAL)
            if is_typical
            else rng.integers(len(table) - 1)
        )
        for table in tables
    ]
    return tables, indices


def encode(tables, indices):
    encoder = RangeEncoder()
    for cumulative, index in zip(tables, indices, strict=True):
        encoder.encode(index, cumulative[index], cumulative[index + 1], len(cumulative) - 1)
    return encoder.finish()


def decode(data, tables, complete=True):
    decoder = RangeDecoder(data, complete)
    indices = []
    for cumulative in tables:
        index = decoder.decode(cumulative)
        if index is None:
            break
        indices.append(index)
    return indices


def categorical(cumulative):
    return constriction.stream.model.Categorical(
        np.diff(cumulative).astype(np.float64), perfect=False
    )


def as_words(data):
    """Our bytes as constriction's 32-bit words: big endian, the implied zeros written out."""
    return np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)


@given(tables_and_symbols())
@settings(max_examples=150, deadline=None)
def test_constriction_decodes_what_we_encode(case):
    tables, indices = case
    decoder = constriction.stream.queue.RangeDecoder(as_words(encode(tables, indices)))
    assert [int(decoder.decode(categorical(cumulative))) for cumulative in tables] == indices


@given(tables_and_symbols())
@settings(max_examples=150, deadline=None)
def test_we_decode_what_constriction_encodes(case):
    tables, indices = case
    encoder = constriction.stream.queue.RangeEncoder()
    for cumulative, index in zip(tables, indices, strict=True):
        encoder.encode(index, categorical(cumulative))
    assert decode(encoder.get_compressed().astype(">u4").tobytes(), tables) == indices


@given(tables_and_symbols(max_length=12))
@settings(max_examples=60, deadline=None)
def test_no_shorter_bytes_decode_to_the_same_symbols(case):
    tables, indices = case
    data = encode(tables, indices)
    assert decode(data, tables) == indices
    assert not data.endswith(b"\0")
    if data:
        below = data[:-1]
        above = (int.from_bytes(below, "big") + 1).to_bytes(len(below) + 1, "big")[1:]
        for shorter in (below, above):
            with suppress(ValueError):
                assert decode(shorter, tables) != indices


@given(tables_and_symbols(max_length=25))
@settings(max_examples=60, deadline=None)
def test_every_prefix_tells_a_true_and_growing_part(case):
    tables, indices = case
    data = encode(tables, indices)
    n_known = 0
    for n_bytes in range(len(data) + 1):
        told = decode(data[:n_bytes], tables, complete=False)
        assert told == indices[: len(told)]
        assert len(told) >= n_known
        n_known = len(told)
    assert decode(data, tables, complete=True) == indices


@given(tables_and_symbols(max_length=8), st.binary(max_size=6), st.binary(max_size=12))
@settings(max_examples=100, deadline=None)
def test_what_a_prefix_tells_holds_for_every_continuation(case, prefix, continuation):
    tables, _ = case
    try:
        told = decode(prefix, tables, complete=False)
        whole = decode(prefix + continuation, tables, complete=True)
    except ValueError:
        return
    assert whole[: len(told)] == told


@given(tables_and_symbols(max_length=12), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_a_prefix_tells_all_that_it_determines(case, n_bytes):
    tables, indices = case
    prefix = encode(tables, indices)[:n_bytes]
    try:
        lowest = decode(prefix + bytes(100), tables)
        highest = decode(prefix + b"\xff" * 100, tables)
    except ValueError:
        return
    n_shared = next((i for i in range(len(tables)) if lowest[i] != highest[i]), len(tables))
    assert decode(prefix, tables, complete=False) == lowest[:n_shared]


def test_a_prefix_at_the_top_of_the_range_tells_as_much_as_any():
    halves = [[0, TOTAL // 2, TOTAL]] * 80
    data = encode(halves, [1] * 80)
    for n_bytes in range(1, len(data)):
        assert len(decode(data[:n_bytes], halves, complete=False)) >= 8 * n_bytes - 1


def test_zero_bytes_at_the_end_are_left_out():
    tables = [[0, 300, TOTAL]] * 20
    assert encode(tables, [0] * 20) == b""
    assert decode(b"", tables) == [0] * 20


def test_no_symbol_needs_no_byte():
    assert RangeEncoder().finish() == b""
    assert decode(b"", [[0, 1, TOTAL]], complete=False) == []


def test_bytes_that_no_encoder_writes_are_refused():
    with pytest.raises(ValueError, match="cannot have been written"):
        decode(b"\xff" * 8, [[0, 1, TOTAL]])
