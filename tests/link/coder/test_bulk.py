"""In bulk, decoding and counting bits give what they give one by one, only faster."""

import time

import constriction
import numpy as np
import pytest

from link.coder import latent_coder
from link.coder.bulk import BLOCK_IMAGES, decode_bulk, mean_bits
from link.coder.tables import TOTAL, Tables
from tests.worlds.small_bundle import random_symbols, random_tables

MIXTURES = pytest.mark.parametrize(
    ("n_latents", "n_components"), [(12, 1), (12, 5), (1, 3), (40, 64)]
)


def streams(tables: Tables, n_images: int) -> tuple[np.ndarray, list[bytes]]:
    symbols = np.array([random_symbols(tables, seed) for seed in range(n_images)])
    return symbols, [latent_coder.encode(row, tables) for row in symbols]


def one_by_one(
    bitstreams: list[bytes], tables: Tables, complete: bool
) -> list[latent_coder.Latent | None]:
    """None for what no encoder can have written."""
    latents: list[latent_coder.Latent | None] = []
    for bitstream in bitstreams:
        try:
            latents.append(latent_coder.decode(bitstream, tables, complete))
        except ValueError:
            latents.append(None)
    return latents


def check_same(bitstreams: list[bytes], tables: Tables, complete: bool) -> None:
    bulk = decode_bulk(bitstreams, tables, [complete] * len(bitstreams))
    for row, latent in enumerate(one_by_one(bitstreams, tables, complete)):
        assert bulk.is_valid[row] == (latent is not None)
        if latent is not None:
            assert bulk.n_known[row] == latent.n_known
            assert bulk.symbols[row].tolist() == latent.symbols.tolist()


@MIXTURES
def test_whole_bitstreams_give_back_the_symbols(n_latents, n_components):
    tables = random_tables(1, n_latents, n_components)
    symbols, bitstreams = streams(tables, 50)
    latents = decode_bulk(bitstreams, tables)
    assert latents.symbols.tolist() == symbols.tolist()
    assert latents.n_known.tolist() == [n_latents] * 50
    assert latents.is_valid.all()


@MIXTURES
@pytest.mark.parametrize("complete", [True, False])
def test_every_prefix_decodes_as_it_does_alone(n_latents, n_components, complete):
    tables = random_tables(2, n_latents, n_components)
    _, bitstreams = streams(tables, 12)
    prefixes = [bitstream[:end] for bitstream in bitstreams for end in range(len(bitstream) + 1)]
    check_same(prefixes, tables, complete)


@MIXTURES
@pytest.mark.parametrize("complete", [True, False])
def test_garbage_decodes_as_it_does_alone(n_latents, n_components, complete):
    tables = random_tables(3, n_latents, n_components)
    random = np.random.default_rng(4)
    garbage = [random.bytes(random.integers(0, 30)) for _ in range(200)] + [
        b"\xff" * n for n in range(20)
    ]
    check_same(garbage, tables, complete)


def test_the_heaviest_tables_stay_exact():
    """1024 components of the largest weight: the sums that come closest to 2**53."""
    random = np.random.default_rng(5)
    tables = Tables.from_probabilities(
        [-4] * 6, [random.random((1024, 9)) ** 8 for _ in range(6)], np.ones(1024)
    )
    symbols, bitstreams = streams(tables, 20)
    assert decode_bulk(bitstreams, tables).symbols.tolist() == symbols.tolist()


def test_more_images_than_a_block_and_none_at_all():
    tables = random_tables(6, 5, 2)
    symbols, bitstreams = streams(tables, 30)
    many = bitstreams * (BLOCK_IMAGES // 30 + 2)
    assert decode_bulk(many, tables).symbols[-30:].tolist() == symbols.tolist()
    assert decode_bulk([], tables).symbols.shape == (0, 5)


def test_it_reads_what_constriction_writes():
    tables = random_tables(7, 12, 1)
    symbols = [random_symbols(tables, seed) for seed in range(20)]
    bitstreams = []
    for row in symbols:
        encoder = constriction.stream.queue.RangeEncoder()
        for index, counts in zip(tables.indices(row).tolist(), tables.cumulative, strict=True):
            frequencies = np.diff(counts[:, 0]).astype(np.float64) / TOTAL
            encoder.encode(index, constriction.stream.model.Categorical(frequencies, perfect=False))
        bitstreams.append(encoder.get_compressed().astype(">u4").tobytes())
    assert decode_bulk(bitstreams, tables).symbols.tolist() == np.array(symbols).tolist()


def seconds(work) -> float:
    started_s = time.thread_time()
    work()
    return time.thread_time() - started_s


def test_a_batch_takes_less_time_than_its_images():
    tables = random_tables(8, 64, 256)
    _, bitstreams = streams(tables, 200)
    # others may be at work
    batch_s = min(seconds(lambda: decode_bulk(bitstreams, tables)) for _ in range(3))
    assert batch_s < seconds(lambda: one_by_one(bitstreams, tables, complete=True)) / 2


@MIXTURES
def test_the_bits_are_those_of_the_coder_bit_for_bit(n_latents, n_components):
    tables = random_tables(8, n_latents, n_components)
    inside, _ = streams(tables, 30)
    symbols = np.clip(inside.astype(int) * 2, -128, 127).astype(np.int8)  # many outside the tables
    bits = [latent_coder.ideal_bits(row, tables) for row in symbols]
    assert mean_bits(symbols, tables) == pytest.approx(np.mean(bits), abs=1e-9)
    assert mean_bits(symbols[:1], tables) == bits[0]
    assert mean_bits(symbols[::-1], tables, block_images=7) == pytest.approx(
        np.mean(bits), abs=1e-9
    )
