import numpy as np
import pytest

from export.entropy_model import FittedTables, fit_candidates
from export.partition.chain import NOBODY
from export.partition.tables import fitted_with_flags, with_flags
from link.coder import latent_coder
from link.coder.bulk import decode_bulk, mean_bits
from link.fog.tensors import TensorCoder
from tests.worlds.small_bundle import random_tables
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "bundle")


def test_being_alive_costs_next_to_nothing_and_a_dead_groups_latents_nothing(bundle):
    latents = random_tables(0, n_latents=6, n_components=3)
    tables = with_flags(latents, bundle.team)
    assert tables.owner == (-1, -1, -1, *(latent // 2 for latent in bundle.team.order))
    symbols = np.array([[1, 1, 1, 1, -1, 0, 0, 1, -1]], np.int8)
    flags_bits = mean_bits(symbols, tables) - mean_bits(symbols[:, 3:], latents)
    assert flags_bits == pytest.approx(3 * np.log2(128 / 127), abs=1e-3)
    nobody = np.zeros((1, 9), np.int8)
    assert mean_bits(nobody, tables) == pytest.approx(3 * 7, abs=0.01)


def test_symbols_with_deaths_come_back_from_the_coder(bundle):
    images = random_images(20, seed=5)
    dead = chain_of(bundle).of_dead_sets(images, [NOBODY, frozenset({1})])
    for symbols in dead.values():
        streams = [latent_coder.encode(image, bundle.tables) for image in symbols]
        clipped = np.clip(
            symbols, bundle.tables.symbol_min, bundle.tables.symbol_min + bundle.tables.alphabet - 1
        )
        sent = [bundle.tables.is_sent(d, symbols[0]) for d in range(9)]
        assert np.array_equal(
            decode_bulk(streams, bundle.tables).symbols, np.where(sent, clipped, 0)
        )


def test_candidates_keep_their_order_and_count_the_flags(bundle):
    symbols = chain_of(bundle)(random_images(300, seed=6))
    labels = np.arange(300) % 3
    plain = FittedTables(
        tuple(fit_candidates(symbols[:, 3:], labels, None, symbols[:50, 3:], (1, 2)))
    )
    fitted = fitted_with_flags(plain, symbols[:50], bundle.team)
    for one, before in zip(fitted.candidates, plain.candidates, strict=True):
        assert one.tables.n_latents == 9
        assert one.validation_bits == pytest.approx(before.validation_bits + 0.034, abs=0.01)


def test_a_boundarys_tables_are_read_by_nodes_and_shorten_what_is_published(bundle):
    coded, nibbles = (TensorCoder.load(bundle, is_coded) for is_coded in (True, False))
    for place, crossing in enumerate(chain_of(bundle).boundaries(random_images(10, seed=7))):
        for symbols in crossing[0]:
            data = coded.encode(place, symbols)
            assert np.array_equal(coded.decode(place, data), symbols)
            assert len(data) <= len(nibbles.encode(place, symbols)) + 2
