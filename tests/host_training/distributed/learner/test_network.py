"""A model as a description and one vector of weights, and back."""

import numpy as np
import pytest
import torch

from device.training import description
from host_training.data.dataset import Split
from host_training.distributed.learner.network import (
    describe,
    restore_statistics,
    take,
    trained,
    weights,
)
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS

SINGLE = [name for name, preset in PRESETS.items() if not preset.recipe.model.team]
SHAPES = {"digits": (8, 8, 1), "plain-5-long": (32, 32, 3), "cifar-64": (32, 32, 3)}


def model(preset: str, shape: tuple[int, int, int] = (32, 32, 3)) -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(ModelConfig.of(PRESETS[preset].recipe.model, shape, 10))


@pytest.mark.parametrize(
    "preset",
    [
        name
        for name, one in PRESETS.items()
        if not (one.recipe.model.team or one.recipe.model.backbone)
    ],
)
def test_a_node_reads_the_parameters_of_every_preset_in_the_order_of_the_vector(preset):
    described = describe(model(preset, SHAPES.get(preset, (32, 32, 3))))
    layers = description.read(described.text)
    assert list(description.parameters(layers).items()) == list(described.parameters.items())


def test_a_vector_of_weights_becomes_the_model_again():
    one, other = model("plain-5-long"), model("plain-5-long")
    vector = weights(one) + np.float32(0.5)
    take(other, vector)
    assert weights(other).tobytes() == vector.tobytes()
    for (name, before), (_, after) in zip(trained(one), trained(other), strict=True):
        assert torch.equal(before + 0.5, after), name


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ValueError, match="is no model of"):
        take(model("digits", (8, 8, 1)), np.zeros(7, np.float32))


def test_its_name_is_that_which_a_node_finds():
    one, other = (describe(model(preset, (32, 32, 3))) for preset in ("plain-5-long", "narrow-5"))
    assert one.name == description.name_of(one.text.encode()) != other.name
    assert len(one.name) == 16


def test_a_team_is_refused():
    with pytest.raises(ValueError, match="team"):
        describe(model("branch-3"))


def test_statistics_are_those_of_the_images():
    one = model("plain-5-long")
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (60, 32, 32, 3), np.uint8), np.zeros(60, np.int64))
    restore_statistics(one, split)
    images = torch.from_numpy(split.images).permute(0, 3, 1, 2).float() / 255
    before_norm = one.encoder.stem[0](one.encoder.dwt(images))
    norm = one.encoder.stem[1]
    torch.testing.assert_close(norm.running_mean, before_norm.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, before_norm.var((0, 2, 3)), rtol=1e-4, atol=0)
    assert norm.momentum == 0.1
