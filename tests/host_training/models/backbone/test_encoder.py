"""The encoder of a photo: what it reads, and what stays as it came."""

import pytest
import torch

from host_training.models.architecture import Architecture, Backbone
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.models.backbone.encoder import PhotoEncoder, Standardise, normalised
from tests.worlds.small_photos import RECIPE, saved_weights


def test_a_pixel_enters_as_int8_would_read_it():
    pixels = torch.tensor([0.0, 128.0, 255.0])
    torch.testing.assert_close(normalised(pixels / 255), (pixels - 128) / 128)


def test_features_are_standardised_by_what_they_were():
    features = 3 + 2 * torch.randn(500, 4, 1, 1)
    features[:, 3] = 7
    layer = Standardise(4)
    layer.fit(features)
    made = layer(features)
    assert made.mean((0, 2, 3)).abs().max() < 1e-4
    assert made.std((0, 2, 3))[:3] == pytest.approx(torch.ones(3), abs=1e-4)
    assert (made[:, 3] == 0).all()


@torch.no_grad()
def test_latents_of_maps_are_those_of_images():
    encoder = PhotoEncoder(Backbone(blocks=2, frozen=1), (32, 32), 5).eval()
    encoder.start_from(saved_weights())
    images = torch.rand(3, 3, 32, 32)
    assert encoder(images).shape == (3, 5)
    torch.testing.assert_close(encoder.of_maps(encoder.front(images)), encoder(images))


def test_a_backbone_behind_anything_but_photos_is_refused():
    with pytest.raises(ValueError, match=r"8x8 in 1 channels are no photos .* take another preset"):
        ModelConfig.of(RECIPE.model, (8, 8, 1), 3)


def test_a_checkpoint_says_which_backbone_it_has():
    from host_training.models.architecture import restored

    saved = {"backbone": {"blocks": 2, "frozen": 1}, "latents": 4}
    assert Architecture(**restored(saved)).backbone == Backbone(blocks=2, frozen=1)
    model = AutoEncoder(ModelConfig.of(RECIPE.model, (32, 32, 3), 3))
    assert isinstance(model.encoder, PhotoEncoder)
    assert model.config.architecture == RECIPE.model
