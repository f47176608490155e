from itertools import combinations

import numpy as np
import pytest

from export.encoder.int8_model import Int8Model
from export.partition.chain import NOBODY
from tests.worlds.team_bundle import (
    GROUPS,
    IMAGE,
    LEVELS,
    chain_of,
    make_team_bundle,
    random_images,
)


@pytest.fixture(scope="module", params=[2, 3], ids=["two segments", "three segments"])
def bundle(request, tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "bundle", request.param)


def by_hand(bundle, image, lives, heard):
    """Symbols of one image by nothing but LiteRT and arrays: what an exchange means."""
    cut = bundle.team.cut
    made: list[np.ndarray] = []
    for segment in range(len(cut)):
        inputs = [
            IMAGE.to_model_input(image[None])
            if segment == 0
            else np.concatenate(
                [
                    np.clip(made[other], -128, LEVELS - 129)
                    if heard[segment - 1][group][other]
                    else np.full_like(made[other], -128)
                    for other in cut[segment].reads[group]
                ],
                axis=3,
            )
            for group in range(GROUPS)
        ]
        made = [
            Int8Model(bundle.part_path(segment, group))(each) for group, each in enumerate(inputs)
        ]
    latents = np.concatenate(made) * np.array(lives)[:, None]
    return [*lives, *latents.flatten()[list(bundle.team.order)]]


def test_a_chain_is_its_parts_one_after_another_with_any_losses(bundle):
    rng = np.random.default_rng(0)
    images = random_images(20)
    lives = rng.random((20, GROUPS)) < 0.7
    heard = rng.random((20, len(bundle.team.cut) - 1, GROUPS, GROUPS)) < 0.7
    symbols = chain_of(bundle)(images, lives, heard)
    assert np.array_equal(
        symbols, [by_hand(bundle, *each) for each in zip(images, lives, heard, strict=True)]
    )
    assert not np.array_equal(symbols, chain_of(bundle)(images, lives))


def test_dead_sets_are_chains_whose_dead_nobody_hears(bundle):
    images, chain = random_images(30, seed=2), chain_of(bundle)
    sets = [frozenset(dead) for n in range(GROUPS) for dead in combinations(range(GROUPS), n)]
    made = chain.of_dead_sets(images, sets)
    assert np.array_equal(made[NOBODY], chain(images))
    for dead, symbols in made.items():
        lives = np.array([[group not in dead for group in range(GROUPS)]]).repeat(30, axis=0)
        heard = lives[:, None, None, :] | np.eye(GROUPS, dtype=bool)
        heard = heard.repeat(len(bundle.team.cut) - 1, axis=1)
        assert np.array_equal(symbols, chain(images, lives, heard))
    assert len({symbols.tobytes() for symbols in made.values()}) == len(sets)


def test_what_crosses_a_boundary_is_what_its_readers_take(bundle):
    images, chain = random_images(30), chain_of(bundle)
    for place, crossing in enumerate(chain.boundaries(images)):
        segment = bundle.team.cut[place]
        assert crossing.shape == (GROUPS, 30, *segment.shape)
        assert crossing.max() == segment.levels - 1
    first = Int8Model(bundle.part_path(0, 1))(IMAGE.to_model_input(images))
    assert np.array_equal(
        chain.boundaries(images)[0][1], np.minimum(first.astype(int) + 128, LEVELS - 1)
    )
