import json
from dataclasses import asdict

import pytest

from host_training.models.architecture import Architecture
from host_training.training.recipe import Recipe

RECIPE = Recipe(Architecture(widths=(6, 10, 14), latents=6), duphil_epochs=0, seed=3)


def test_a_recipe_survives_a_checkpoint_and_json():
    assert Recipe.from_dict(asdict(RECIPE)) == RECIPE
    assert Recipe.from_dict(json.loads(json.dumps(asdict(RECIPE)))) == RECIPE


def test_what_an_earlier_version_did_not_say_is_as_usual():
    said = {"model": {"widths": (6, 10, 14), "latents": 6}, "duphil_epochs": 0, "seed": 3}
    assert Recipe.from_dict(said) == RECIPE


def test_a_small_set_is_learned_in_small_batches_and_a_large_one_as_the_recipe_says():
    recipe = Recipe(batch_size=128, learning_rate=0.1)
    small = recipe.for_images(160)
    assert (small.batch_size, small.learning_rate) == (10, pytest.approx(0.1 * 10 / 128))
    assert recipe.for_images(45_000) == recipe
