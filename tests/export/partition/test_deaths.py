import numpy as np

from export.partition.chain import NOBODY
from export.partition.deaths import (
    as_may_come,
    dead_sets,
    draw_lives,
    heard_by,
    latents_with_deaths,
    with_deaths,
)
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images


def test_every_set_of_one_and_two_is_drawn_as_often_at_half_of_the_images():
    lives = draw_lives(20_000, 4)
    n_dead = (~lives).sum(1)
    assert abs((n_dead == 0).mean() - 0.5) < 0.02
    assert n_dead.max() == 2
    assert abs((~draw_lives(20_000, 4, share=0.125)).any(1).mean() - 0.125) < 0.02
    rows, counts = np.unique(lives[n_dead > 0], axis=0, return_counts=True)
    assert len(rows) == len(dead_sets(4, 1)) + len(dead_sets(4, 2)) == 10
    assert counts.max() < 1.3 * counts.min()


def test_somebody_lives():
    assert dead_sets(2, 0) == [NOBODY]
    assert dead_sets(2, 2) == []
    assert draw_lives(100, 2).any(1).all()


def test_with_deaths_is_the_chain_whose_dead_nobody_hears(tmp_path):
    bundle = make_team_bundle(tmp_path / "bundle")
    images, chain = random_images(60), chain_of(bundle)
    encode = with_deaths(chain)
    latents = latents_with_deaths(chain, images, share=0.5)
    hit = (latents != chain(images)[:, 3:]).any(1)
    assert 0.3 < hit.mean() < 0.7
    first, second = encode(images), encode(images)
    lives = first[:, :3].astype(bool)
    assert np.array_equal(first, chain(images, lives, heard_by(lives, 2)))
    assert not np.array_equal(first[:, :3], second[:, :3])
    assert np.array_equal(as_may_come(bundle)(images), first)
    assert not heard_by(lives, 2)[~lives[:, 0]][:, :, 1, 0].any()
