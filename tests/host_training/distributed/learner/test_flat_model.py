"""Flat model: the vector is the model, in the order that nodes know."""

import numpy as np
import pytest
import torch

from host_training.distributed.learner import network
from host_training.distributed.learner.flat_model import FlatModel
from host_training.models.architecture import Architecture, Team
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from tests.worlds.small_global import DATA, small_flat


def test_what_the_vector_holds_is_what_the_model_is():
    flat = small_flat()
    images = torch.rand(4, 1, 8, 8)
    flat.model.eval()
    before = flat.model(images)
    flat.set_weights(flat.weights + np.float32(0.1))
    assert not torch.equal(flat.model(images), before)
    flat.set_weights(flat.weights * 0)
    assert not any(each.any() for _, each in network.trained(flat.model))


def test_its_layout_is_the_one_that_nodes_train():
    flat = small_flat()
    described = network.describe(flat.model)
    assert dict(zip(flat.layout.names, flat.layout.shapes, strict=True)) == described.parameters
    assert list(described.parameters) == list(flat.layout.names)
    np.testing.assert_array_equal(network.weights(flat.model), flat.weights)


def test_statistics_are_set_as_they_were_and_estimated_from_images():
    flat = small_flat()
    flat.estimate_statistics(DATA.train)
    estimated = flat.statistics
    flat.set_statistics(estimated * 2)
    np.testing.assert_array_equal(flat.statistics, estimated * 2)
    flat.estimate_statistics(DATA.train)
    np.testing.assert_array_equal(flat.statistics, estimated)
    with pytest.raises(ValueError, match="3 numbers for batch norms"):
        flat.set_statistics(estimated[:3])


def test_a_teams_encoder_is_refused():
    team = ModelConfig.of(Architecture(team=Team(nodes=3), latents=6), (32, 32, 3), 3)
    with pytest.raises(ValueError, match="take a preset of one node"):
        FlatModel(AutoEncoder(team))
