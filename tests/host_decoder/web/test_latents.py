"""Symbols as a person sees them: right, remembered, in a plane, and each with its nearest."""

import numpy as np
import pytest

from host_decoder.web import latents
from host_decoder.web.archive import Wish
from host_decoder.web.latents import Latents, principal
from tests.worlds.small_bundle import random_symbols


@pytest.fixture
def keys(fleet):
    return [one["key"] for one in fleet.archive.results(Wish(), "", 100)]


def test_symbols_are_those_that_the_nodes_sent(fleet, keys, bundle):
    shown = fleet.latents.shown(keys)
    sent = {
        tuple(random_symbols(bundle.tables, seed + node)) for node in (7, 8) for seed in range(6)
    }
    assert {tuple(one["symbols"]) for one in shown.values()} == sent
    assert all(one["known"] == bundle.n_latents for one in shown.values())
    assert all("picture" not in one for one in shown.values())


def test_what_was_decoded_is_remembered_until_more_of_it_comes(fleet, keys, monkeypatch):
    fleet.latents.of(keys)
    monkeypatch.setattr(latents, "decode_bulk", None)
    assert set(fleet.latents.of(keys)) == set(keys)


def test_an_image_of_a_bundle_that_is_not_here_has_no_symbols(fleet, keys, other_bundle):
    assert Latents(fleet.archive, [other_bundle.path]).shown(keys) == {}


def test_a_folder_that_is_no_bundle_is_left_out(fleet, keys, bundle, tmp_path):
    assert len(Latents(fleet.archive, [tmp_path, bundle.path]).shown(keys)) == len(keys)


def test_the_scatter_shows_the_two_directions_of_most_variance():
    random = np.random.default_rng(0)
    symbols = random.normal(size=(300, 6)) * [9, 1, 1, 4, 1, 1]
    xy, share = principal(symbols)
    assert np.abs(xy).max() == pytest.approx(1)
    assert abs(np.corrcoef(xy[:, 0], symbols[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(xy[:, 1], symbols[:, 3])[0, 1]) > 0.99
    assert share[0] > share[1] > 0
    assert share.sum() == pytest.approx(97 / 101, abs=0.02)


def test_images_that_are_all_the_same_lie_in_one_place():
    xy, share = principal(np.ones((4, 3)))
    assert not xy.any()
    assert not share.any()
    assert principal(np.arange(3.0)[:, None])[0].shape == (3, 2)


def test_of_too_few_images_there_is_no_scatter(fleet, keys):
    assert fleet.latents.scatter(keys[:2])["keys"] == []
    found = fleet.latents.scatter(keys)
    assert found["keys"] == keys
    assert np.shape(found["xy"]) == (len(keys), 2)


def test_the_nearest_are_those_that_differ_least(fleet, keys):
    symbols = {key: one[0] for key, one in fleet.latents.of(keys).items()}
    own, others = keys[0], keys[1:]
    near = fleet.latents.nearest(own, others, 3)
    best = sorted(others, key=lambda key: np.linalg.norm(symbols[key] - symbols[own]))[:3]
    assert [key for key, _ in near] == best
    assert fleet.latents.nearest("farm:7:999", others, 3) == []
    assert fleet.latents.nearest(own, [], 3) == []
