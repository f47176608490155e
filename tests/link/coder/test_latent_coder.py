"""The latent coder: nothing lost, a prefix is worth its length, and close to what its model
allows.
"""

import time
from dataclasses import replace

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.coder import latent_coder
from link.coder.bulk import decode_bulk, mean_bits
from link.coder.tables import Tables
from tests.worlds.small_bundle import random_symbols, random_tables


@st.composite
def tables_and_symbols(draw):
    tables = random_tables(
        draw(st.integers(0, 2**32)),
        n_latents=draw(st.integers(1, 40)),
        n_components=draw(st.sampled_from([1, 2, 17])),
        max_symbols=draw(st.sampled_from([2, 20, 256])),
    )
    if draw(st.booleans()):
        return tables, random_symbols(tables, draw(st.integers(0, 2**32)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return tables, (tables.symbol_min + rng.integers(0, tables.alphabet)).astype(np.int16)


def mixed_categorical(tables, d, weights):
    return constriction.stream.model.Categorical(
        np.diff(tables.mixed(d, weights)).astype(np.float64), perfect=False
    )


@given(tables_and_symbols())
@settings(max_examples=100, deadline=None)
def test_every_latent_comes_back(case):
    tables, symbols = case
    latent = latent_coder.decode(latent_coder.encode(symbols, tables), tables)
    assert latent.symbols.tolist() == symbols.tolist()
    assert latent.symbols.dtype == np.float32
    assert latent.n_known == tables.n_latents


@given(tables_and_symbols())
@settings(max_examples=50, deadline=None)
def test_numpy_and_machine_code_have_the_same_intervals(case):
    tables, symbols = case
    rows = tables.first_rows + tables.indices(symbols)
    here = latent_coder.intervals(np.arange(tables.n_latents), tables.indices(symbols), tables)
    np.testing.assert_array_equal(here, latent_coder.intervals_by_numpy(rows, tables))


@given(tables_and_symbols())
@settings(max_examples=50, deadline=None)
def test_constriction_decodes_the_bitstream_with_the_mixed_tables(case):
    tables, symbols = case
    data = latent_coder.encode(symbols, tables)
    words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)
    decoder = constriction.stream.queue.RangeDecoder(words)
    weights = tables.prior
    decoded = []
    for d in range(tables.n_latents):
        index = int(decoder.decode(mixed_categorical(tables, d, weights)))
        decoded.append(tables.symbol_min[d] + index)
        weights = tables.reweigh(d, weights, index)
    assert decoded == symbols.tolist()


@given(tables_and_symbols())
@settings(max_examples=50, deadline=None)
def test_the_bitstream_of_constriction_decodes_here(case):
    tables, symbols = case
    encoder = constriction.stream.queue.RangeEncoder()
    weights = tables.prior
    for d, index in enumerate(tables.indices(symbols).tolist()):
        encoder.encode(index, mixed_categorical(tables, d, weights))
        weights = tables.reweigh(d, weights, index)
    data = encoder.get_compressed().astype(">u4").tobytes()
    assert latent_coder.decode(data, tables).symbols.tolist() == symbols.tolist()


@given(tables_and_symbols(), st.sampled_from([1, 40, 1 << 14]))
@settings(max_examples=50, deadline=None)
def test_intervals_are_those_of_the_mixed_tables_in_turn(case, block_numbers):
    tables, symbols = case
    indices, weights, expected = tables.indices(symbols), tables.prior, []
    for d, index in enumerate(indices):
        expected.append(tables.mixed(d, weights)[index : index + 2].tolist())
        weights = tables.reweigh(d, weights, index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_coder, "BLOCK_NUMBERS", block_numbers)
        low, high = latent_coder.intervals(np.arange(tables.n_latents), indices, tables)
    assert np.stack([low, high], axis=1).tolist() == expected


@given(tables_and_symbols())
@settings(max_examples=40, deadline=None)
def test_every_prefix_gives_true_symbols_and_more_with_each_byte(case):
    tables, symbols = case
    data = latent_coder.encode(symbols, tables)
    n_known = 0
    for n_bytes in range(len(data) + 1):
        latent = latent_coder.decode(data[:n_bytes], tables, complete=False)
        assert latent.symbols[: latent.n_known].tolist() == symbols[: latent.n_known].tolist()
        assert latent.n_known >= n_known
        assert latent.symbols.shape == (tables.n_latents,)
        n_known = latent.n_known
    assert latent_coder.decode(data, tables).n_known == tables.n_latents


def test_a_latent_that_has_not_arrived_is_its_expectation_under_what_has():
    left, right = [60000, 5535, 1], [1, 5535, 60000]
    rows = np.array([left, right])
    tables = Tables.from_frequencies([-1, -1], [rows, rows], np.array([2**23, 2**23]))
    nothing = latent_coder.decode(b"", tables, complete=False)
    assert nothing.n_known == 0
    assert nothing.symbols == pytest.approx([0, 0], abs=1e-3)
    some = latent_coder.decode(b"\x94", tables, complete=False)
    assert some.n_known == 1
    mean = (rows[1] @ [-1, 0, 1]) / 65536
    assert some.symbols == pytest.approx([1, mean], abs=1e-3)


def test_symbols_outside_the_tables_are_sent_as_the_nearest():
    tables = random_tables(seed=8, n_latents=6)
    far = np.array([-1000, 1000] * 3)
    latent = latent_coder.decode(latent_coder.encode(far, tables), tables)
    highest = tables.symbol_min + tables.alphabet - 1
    assert latent.symbols.tolist() == np.where(far < 0, tables.symbol_min, highest).tolist()


def test_the_coder_costs_at_most_3_bits_over_its_model_on_average_and_never_8():
    tables = random_tables(seed=9, n_latents=48, n_components=16)
    drawn = [random_symbols(tables, seed) for seed in range(300)]
    overheads = [
        8 * len(latent_coder.encode(symbols, tables)) - latent_coder.ideal_bits(symbols, tables)
        for symbols in drawn
    ]
    assert np.mean(overheads) <= 3
    assert max(overheads) < 8
    assert min(overheads) > -8


@given(tables_and_symbols())
@settings(max_examples=100, deadline=None)
def test_no_latent_costs_8_bits_more_than_its_model_says(case):
    tables, symbols = case
    n_bits = 8 * len(latent_coder.encode(symbols, tables))
    assert n_bits - latent_coder.ideal_bits(symbols, tables) < 8


def test_ideal_bits_are_the_model_s_log_probability():
    tables = Tables.from_frequencies(
        [0, 0], [np.array([[32768, 32768]]), np.array([[16384, 49152]])], np.array([2**23])
    )
    assert latent_coder.ideal_bits(np.array([0, 0]), tables) == pytest.approx(3.0)


def test_a_mixture_codes_dependent_latents_in_fewer_bits_than_static_histograms():
    rng = np.random.default_rng(0)
    hidden = rng.integers(0, 4, 400)
    symbols = hidden[:, None] + (rng.random((400, 10)) < 0.1)
    static = Tables.from_counts(
        [0] * 10, [np.bincount(column, minlength=5) for column in symbols.T]
    )
    rows = [
        np.stack([np.bincount(symbols[hidden == k, d], minlength=5) for k in range(4)])
        for d in range(10)
    ]
    mixture = Tables.from_probabilities([0] * 10, rows, np.bincount(hidden))

    def mean_bytes(tables):
        return np.mean([len(latent_coder.encode(row, tables)) for row in symbols])

    assert mean_bytes(mixture) < 0.6 * mean_bytes(static)


@given(st.binary(max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_decode_to_a_latent_or_are_refused(data, complete):
    tables = random_tables(seed=2, n_latents=20)
    try:
        latent = latent_coder.decode(data, tables, complete)
    except ValueError:
        with pytest.raises(ValueError, match="cannot have been written with these tables"):
            latent_coder.decode(data, tables, complete)
        return
    assert (tables.symbol_min <= latent.symbols).all()
    assert (latent.symbols <= tables.symbol_min + tables.alphabet - 1).all()


def test_a_latent_of_64_symbols_and_256_components_takes_milliseconds():
    tables = random_tables(seed=4, n_latents=64, n_components=256)
    symbols = random_symbols(tables, seed=1)
    data = latent_coder.encode(symbols, tables)

    def fastest_s(action):
        def once():
            start = time.process_time()
            action()
            return time.process_time() - start

        return min(once() for _ in range(10))

    assert fastest_s(lambda: latent_coder.encode(symbols, tables)) < 0.004
    assert fastest_s(lambda: latent_coder.decode(data, tables)) < 0.008


def team_tables(draw: np.random.Generator, n_components: int = 5) -> Tables:
    """Two flags, and three latents each that hang on them, in a mixed order."""
    alphabets = [2, 2, 7, 5, 9, 3, 6, 4]
    rows = [draw.dirichlet(np.ones(n), n_components) for n in alphabets]
    rows[:2] = [np.tile([1 / 128, 127 / 128], (n_components, 1))] * 2
    minima = [0, 0, -3, -2, -4, -1, -3, -2]
    made = Tables.from_probabilities(minima, rows, draw.uniform(0.1, 1, n_components))
    return replace(made, owner=(-1, -1, 0, 1, 1, 0, 0, 1))


@pytest.mark.parametrize("flags", [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_what_a_dead_node_would_have_said_is_not_sent_and_decodes_to_0(flags) -> None:
    draw = np.random.default_rng(sum(flags))
    tables = team_tables(draw)
    owner = np.array(tables.owner)
    bitstreams, wanted = [], []
    for _ in range(300):
        symbols = tables.symbol_min + draw.integers(0, tables.alphabet)
        symbols[:2] = flags
        heard = np.where((owner < 0) | (symbols[np.maximum(owner, 0)] == 1), symbols, 0)
        data = latent_coder.encode(symbols, tables)
        assert data == latent_coder.encode(heard, tables)
        assert np.array_equal(latent_coder.decode(data, tables).symbols, heard)
        bitstreams.append(data)
        wanted.append(heard)
    together = decode_bulk(bitstreams, tables)
    assert np.array_equal(together.symbols, wanted)
    assert together.is_valid.all()
    assert (together.n_known == tables.n_latents).all()
    single = np.mean([latent_coder.ideal_bits(each, tables) for each in wanted])
    assert mean_bits(np.array(wanted), tables) == pytest.approx(single, rel=1e-12)
    assert sum(map(len, bitstreams)) / 300 * 8 < single + 8


def test_a_part_of_a_teams_bitstream_decodes_alike_one_by_one_and_in_bulk() -> None:
    draw = np.random.default_rng(7)
    tables = team_tables(draw)
    for _ in range(200):
        symbols = tables.symbol_min + draw.integers(0, tables.alphabet)
        symbols[:2] = draw.integers(0, 2, 2)
        data = latent_coder.encode(symbols, tables)
        for n_bytes in range(len(data)):
            one = latent_coder.decode(data[:n_bytes], tables, complete=False)
            many = decode_bulk([data[:n_bytes]], tables, [False])
            assert np.allclose(many.symbols[0], one.symbols)
            assert many.n_known[0] == one.n_known


def test_tables_of_a_team_are_the_same_from_their_file(tmp_path) -> None:
    tables = team_tables(np.random.default_rng(0))
    tables.to_npz(tmp_path / "tables.npz")
    read = Tables.from_npz(tmp_path / "tables.npz")
    assert read.owner == tables.owner
    with pytest.raises(ValueError, match="no flag"):
        replace(tables, owner=(-1, -1, -1, 2, -1, -1, -1, -1))
    with pytest.raises(ValueError, match="cannot hang"):
        replace(tables, owner=(1, -1, -1, -1, -1, -1, -1, -1))


@given(tables_and_symbols(), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a_bitstream_is_cut_where_the_tables_say_and_is_then_a_prefix(case, max_bytes):
    tables, symbols = case
    whole = latent_coder.encode(symbols, tables)
    capped = replace(tables, max_bytes=max_bytes)
    data = latent_coder.encode(symbols, capped)
    assert data == whole[:max_bytes]
    is_cut = len(data) == max_bytes
    expected = latent_coder.decode(data, tables, complete=not is_cut)
    for latent in (latent_coder.decode(data, capped), decode_bulk([data] * 8, capped)):
        assert np.all(latent.n_known == expected.n_known)
        assert (latent.symbols == expected.symbols).all()
