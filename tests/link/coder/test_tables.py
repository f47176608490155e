"""Tables stay integer tables under every weight, and their file is exactly as trustworthy as its
bytes.
"""

import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from link.coder.tables import MAX_COMPONENTS, TOTAL, WEIGHT_BITS, Tables, quantise
from tests.worlds.small_bundle import random_tables

LARGEST_WEIGHT = (1 << WEIGHT_BITS) - 1


@st.composite
def tables_and_weights(draw):
    tables = random_tables(
        draw(st.integers(0, 2**32)),
        n_latents=3,
        n_components=draw(st.integers(1, 9)),
        max_symbols=30,
    )
    weights = draw(arrays(np.int64, tables.n_components, elements=st.integers(1, LARGEST_WEIGHT)))
    weights[draw(st.integers(0, tables.n_components - 1))] = LARGEST_WEIGHT
    return tables, weights


@given(tables_and_weights())
@settings(max_examples=100, deadline=None)
def test_a_mixed_table_keeps_the_total_and_every_symbol(case):
    tables, weights = case
    for d in range(tables.n_latents):
        mixed = tables.mixed(d, weights)
        assert mixed[0] == 0
        assert mixed[-1] == TOTAL
        assert np.diff(mixed).min() >= 1


@given(tables_and_weights())
@settings(max_examples=100, deadline=None)
def test_mixing_and_reweighing_are_exact_integer_arithmetic(case):
    tables, weights = case
    plain = weights.tolist()
    for d in range(tables.n_latents):
        rows = tables.cumulative[d].tolist()
        expected = [
            sum(w * c for w, c in zip(plain, row, strict=True)) // sum(plain) for row in rows
        ]
        assert tables.mixed(d, weights).tolist() == expected
        for index in range(len(rows) - 1):
            products = [
                w * (high - low)
                for w, low, high in zip(plain, rows[index], rows[index + 1], strict=True)
            ]
            shift = max(products).bit_length() - WEIGHT_BITS
            assert shift >= 0
            assert tables.reweigh(d, weights, index).tolist() == [
                max(p >> shift, 1) for p in products
            ]


def test_the_largest_tables_allowed_do_not_overflow():
    n_symbols = 256
    frequencies = np.ones((MAX_COMPONENTS, n_symbols), np.int64)
    frequencies[:, 0] = TOTAL - n_symbols + 1
    tables = Tables.from_frequencies([0], [frequencies], np.full(MAX_COMPONENTS, LARGEST_WEIGHT))
    assert tables.mixed(0, tables.prior).tolist() == tables.cumulative[0][:, 0].tolist()
    weights = tables.reweigh(0, tables.prior, 0)
    assert int(weights.max()).bit_length() == WEIGHT_BITS


@given(tables_and_weights(), st.lists(st.integers(0, 2**32), max_size=30))
@settings(max_examples=50, deadline=None)
def test_weights_stay_in_bounds_along_any_message(case, draws):
    tables, weights = case
    for d, draw in enumerate(draws):
        d %= tables.n_latents
        weights = tables.reweigh(d, weights, draw % (len(tables.cumulative[d]) - 1))
        assert int(weights.max()).bit_length() == WEIGHT_BITS
        assert weights.min() >= 1


def test_one_component_is_the_static_histogram_and_never_changes():
    tables = Tables.from_counts([-1, 0], [np.array([1, 2, 1]), np.array([3, 1])])
    assert tables.n_components == 1
    assert np.diff(tables.mixed(0, tables.prior)).tolist() == [16384, 32768, 16384]
    weights = tables.reweigh(0, tables.prior, 2)
    assert tables.mixed(1, weights).tolist() == [0, 49152, 65536]


def test_reweighing_is_bayes_rule():
    tables = random_tables(seed=3, n_latents=1, n_components=4)
    weights = tables.reweigh(0, tables.prior, index=1)
    likelihood = np.diff(tables.cumulative[0], axis=0)[1]
    posterior = tables.prior * likelihood / (tables.prior @ likelihood)
    np.testing.assert_allclose(weights / weights.sum(), posterior, atol=1e-6)


def test_the_expected_symbol_is_the_mean_of_the_mixed_table():
    tables = Tables.from_counts([-2], [np.array([1, 0, 0, 3])])
    assert tables.expected(0, tables.prior) == pytest.approx(0.25 * -2 + 0.75 * 1, abs=1e-4)


def test_symbols_outside_the_tables_are_clamped():
    tables = Tables.from_counts([-1, 3], [np.ones(3), np.ones(2)])
    assert tables.indices(np.array([-128, 127], np.int8)).tolist() == [0, 1]
    assert tables.indices(np.array([0, 3], np.int8)).tolist() == [1, 0]


def test_a_latent_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\), the tables are for \(12,\)"):
        random_tables(seed=1).indices(np.zeros(3, np.int8))


@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 4), st.integers(2, 256)), elements=st.floats(0, 1e6)
    ),
)
@settings(max_examples=200, deadline=None)
def test_quantised_rows_are_positive_and_sum_to_the_total(counts):
    counts[:, 0] += 1e-3
    frequencies = quantise(counts)
    assert frequencies.min() >= 1
    assert (frequencies.sum(axis=1) == TOTAL).all()
    n_symbols = counts.shape[1]
    share = counts / counts.sum(axis=1, keepdims=True) * (TOTAL - n_symbols) + 1
    assert np.abs(frequencies - share).max() < 1 + 1e-6


def test_quantising_breaks_ties_towards_the_lower_symbol():
    assert quantise(np.ones((1, 3)))[0].tolist() == [21846, 21845, 21845]


@pytest.mark.parametrize(
    ("symbol_min", "frequencies", "prior", "sentence"),
    [
        ([0], [[[65535, 2]]], [LARGEST_WEIGHT], "sum to"),
        ([0], [[[65536, 0]]], [LARGEST_WEIGHT], "frequency of 0"),
        ([0], [[[65536]]], [LARGEST_WEIGHT], "1 symbols"),
        ([0], [[[32768, 32768]]], [1, LARGEST_WEIGHT], "prior has 2 components"),
        ([0], [[[32768, 32768]]], [5], "bit length must be 24"),
        ([0], [[[32768, 32768]] * 2], [LARGEST_WEIGHT, 0], "at least 1"),
        ([0, 0], [[[32768, 32768]]], [LARGEST_WEIGHT], "2 symbol minima for 1 latents"),
    ],
)
def test_impossible_tables_are_refused_in_a_sentence(symbol_min, frequencies, prior, sentence):
    with pytest.raises(ValueError, match=sentence):
        Tables.from_frequencies(
            symbol_min, [np.array(rows) for rows in frequencies], np.array(prior)
        )


def test_a_latent_without_any_count_is_refused():
    with pytest.raises(ValueError, match="no probability at all"):
        Tables.from_counts([0], [np.zeros(4)])


def test_tables_come_back_from_their_file(tmp_path):
    tables = random_tables(seed=5)
    tables.to_npz(tmp_path / "tables.npz")
    read = Tables.from_npz(tmp_path / "tables.npz")
    assert read.symbol_min.tolist() == tables.symbol_min.tolist()
    assert read.prior.tolist() == tables.prior.tolist()
    assert read.prior.dtype == np.int64
    assert read.max_bytes is None
    for mine, theirs in zip(tables.cumulative, read.cumulative, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert theirs.dtype == np.int64


def test_where_bitstreams_are_cut_comes_back_too(tmp_path):
    replace(random_tables(seed=5), max_bytes=40).to_npz(tmp_path / "tables.npz")
    read = Tables.from_npz(tmp_path / "tables.npz")
    assert read.max_bytes == 40
    assert [read.is_whole(bytes(n)) for n in (0, 39, 40)] == [True, True, False]


def test_the_file_is_an_npz_of_the_promised_types(tmp_path):
    random_tables(seed=5).to_npz(tmp_path / "tables.npz")
    with np.load(tmp_path / "tables.npz", allow_pickle=False) as stored:
        assert {name: str(stored[name].dtype) for name in stored.files} == {
            "symbol_min": "int16",
            "alphabet": "uint16",
            "frequencies": "uint16",
            "prior": "uint32",
        }
        assert stored["frequencies"].shape == (5, stored["alphabet"].sum())


def test_the_file_is_byte_identical_when_written_again(tmp_path):
    random_tables(seed=5).to_npz(tmp_path / "once.npz")
    Tables.from_npz(tmp_path / "once.npz").to_npz(tmp_path / "again.npz")
    assert (tmp_path / "once.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def stored_arrays(**changes):
    arrays_ = {
        "symbol_min": np.array([0], np.int16),
        "alphabet": np.array([2], np.uint16),
        "frequencies": np.array([[32768, 32768]], np.uint16),
        "prior": np.array([LARGEST_WEIGHT], np.uint32),
    }
    return arrays_ | changes


def test_the_arrays_of_the_next_test_are_good_before_they_are_spoilt(tmp_path):
    np.savez(tmp_path / "tables.npz", **stored_arrays())
    assert Tables.from_npz(tmp_path / "tables.npz").n_latents == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"alphabet": np.array([3], np.uint16)},
        {"alphabet": np.array([0], np.uint16)},
        {"alphabet": np.array([], np.uint16)},
        {"alphabet": np.full(5000, 2, np.uint16)},
        {"frequencies": np.array([[32768, 32767]], np.uint16)},
        {"frequencies": np.array([[32768.0, 32768.0]])},
        {"frequencies": np.array([[32768, 32768]], np.uint32)},
        {"frequencies": np.asfortranarray(np.full((2, 2), 32768, np.uint16))},
        {"frequencies": np.array([32768, 32768], np.uint16)},
        {"prior": np.array([0], np.uint32)},
        {"prior": np.array([], np.uint32)},
        {"prior": np.full(2000, LARGEST_WEIGHT, np.uint32)},
        {"symbol_min": np.array([0, 0], np.int16)},
        {"symbol_min": np.array([{}], dtype=object)},
        {"max_bytes": np.array([0], np.uint16)},
        {"max_bytes": np.array([20, 40], np.uint16)},
    ],
)
def test_a_file_with_wrong_arrays_is_refused_by_name(tmp_path, changes):
    np.savez(tmp_path / "tables.npz", **stored_arrays(**changes))
    with pytest.raises(ValueError, match=r"tables\.npz is damaged"):
        Tables.from_npz(tmp_path / "tables.npz")


def test_a_file_that_claims_a_huge_array_is_refused_before_it_is_read(tmp_path):
    np.savez(tmp_path / "good.npz", **stored_arrays())
    with (
        zipfile.ZipFile(tmp_path / "good.npz") as good,
        zipfile.ZipFile(tmp_path / "tables.npz", "w") as bad,
    ):
        for name in good.namelist():
            content = good.read(name)
            bad.writestr(
                name,
                content.replace(b"(1, 2), }  ", b"(1, 999999999999), }")
                if "freq" in name
                else content,
            )
    with pytest.raises(ValueError, match=r"tables\.npz is damaged"):
        Tables.from_npz(tmp_path / "tables.npz")


def test_a_file_whose_content_unfolds_without_bound_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "tables.npz", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in stored_arrays():
            bomb.writestr(f"{name}.npy", bytes(40 << 20))
    with pytest.raises(ValueError, match="claims 41943040 bytes"):
        Tables.from_npz(tmp_path / "tables.npz")


def test_a_compressed_file_is_refused_since_some_methods_take_any_memory(tmp_path):
    random_tables(seed=5).to_npz(tmp_path / "good.npz")
    lzma = zipfile.ZipFile(tmp_path / "tables.npz", "w", zipfile.ZIP_LZMA)
    with zipfile.ZipFile(tmp_path / "good.npz") as good, lzma as packed:
        for name in good.namelist():
            packed.writestr(name, good.read(name))
    with pytest.raises(ValueError, match="symbol_min is compressed"):
        Tables.from_npz(tmp_path / "tables.npz")


def test_an_archive_that_claims_a_huge_directory_takes_no_memory_for_it(tmp_path):
    path = tmp_path / "tables.npz"
    random_tables(seed=5).to_npz(path)
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    # size of the directory
    path.write_bytes(data[: end + 12] + (1 << 30).to_bytes(4, "little") + data[end + 16 :])
    tracemalloc.start()
    with suppress(ValueError):
        Tables.from_npz(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_no_damaged_byte_raises_anything_but_the_named_error(tmp_path):
    path = tmp_path / "tables.npz"
    random_tables(seed=5, n_latents=3, n_components=2, max_symbols=6).to_npz(path)
    good = path.read_bytes()
    refusals = []
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        try:
            Tables.from_npz(path)
        except ValueError as error:
            refusals.append(str(error))
    assert all("tables.npz is damaged" in sentence for sentence in refusals)
    assert len(refusals) > len(good) // 2


@pytest.mark.parametrize("n_bytes", [0, 1, 100, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, n_bytes):
    path = tmp_path / "tables.npz"
    random_tables(seed=5).to_npz(path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"tables\.npz is damaged"):
        Tables.from_npz(path)
