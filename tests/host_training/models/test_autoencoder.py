from typing import Any

import pytest
import torch
from torch import nn

from host_training.data.batches import to_model_input
from host_training.models.architecture import Architecture, restored
from host_training.models.autoencoder import (
    SMALLEST_UNDECIMATED,
    AutoEncoder,
    ModelConfig,
    drop_tail,
    quantise,
)
from host_training.models.blocks import PlainBlock
from host_training.presets import PRESETS

NARROW: dict[str, Any] = dict(has_module3_on_node=True, widths=(6, 10, 14))
SMALL: dict[str, Any] = dict(
    base_width=8,
    blocks=(1, 1, 1),
    hidden=16,
    latents=6,
    latent_decoder_width=8,
    upsamplings=2,
    features=4,
)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("shape", "n_classes"), [((32, 32, 3), 10), ((48, 64, 3), 5), ((8, 8, 1), 100)]
)
def test_every_preset_takes_its_shapes_from_the_data_set(preset, shape, n_classes):
    height, width, channels = shape
    architecture = PRESETS[preset].recipe.model
    if min(shape[:2]) < SMALLEST_UNDECIMATED and not architecture.is_decimated:
        height, width, channels = 16, 16, 1
    if architecture.backbone:
        height, width, channels = max(height, 32), max(width, 32), 3
    config = ModelConfig.of(architecture, (height, width, channels), n_classes)
    model = AutoEncoder(config).eval()
    pixels = torch.randint(256, (2, channels, height, width)).byte()
    images = to_model_input(pixels, config.pixel_pad)
    latents = model.encoder(images)
    assert latents.shape == (2, model.config.n_symbols)
    assert model(images).shape == (2, n_classes)
    features = model.side_branch(latents)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("wavelet", ["haar", "bior2.2", "bior4.4"])
def test_every_wavelet_keeps_the_size_of_the_subbands(wavelet):
    config = ModelConfig(height=16, width=16, channels=3, n_classes=4, wavelet=wavelet, **SMALL)
    images = to_model_input(torch.randint(256, (2, 3, 16, 16)).byte(), config.pixel_pad)
    encoder = AutoEncoder(config).encoder
    assert encoder.stem(encoder.dwt(images)).shape == (2, 8, 8, 8)


def test_the_undecimated_transform_wants_images_that_can_be_pooled():
    with pytest.raises(ValueError, match=r"16x8 vanish.*sides of 16 or more"):
        ModelConfig(height=16, width=8, channels=3, n_classes=4, is_decimated=False)


def test_the_undecimated_transform_is_of_haar_alone():
    with pytest.raises(ValueError, match="haar alone, not of 'bior2"):
        ModelConfig(
            height=16, width=16, channels=3, n_classes=4, wavelet="bior2.2", is_decimated=False
        )


def test_the_papers_encoder_has_the_papers_cost_and_its_authors_wavelet():
    config = ModelConfig.of(PRESETS["cifar-64"].recipe.model, (32, 32, 3), 10)
    n_parameters = sum(p.numel() for p in AutoEncoder(config).encoder.parameters())
    assert n_parameters == pytest.approx(810_000, rel=0.01)
    assert (config.wavelet, config.pixel_pad) == ("bior2.2", 4)


def test_odd_images_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"31x32.*crop or resize"):
        ModelConfig(height=31, width=32, channels=3, n_classes=10)


@pytest.mark.parametrize("half_width", [1.0, 0.5])
def test_rounding_is_relaxed_by_noise_in_training_only(half_width):
    torch.manual_seed(0)
    model = AutoEncoder(
        ModelConfig(
            height=16, width=16, channels=1, n_classes=3, noise_half_width=half_width, **SMALL
        )
    )
    noise = model.relax(torch.zeros(100_000))
    assert -half_width <= noise.min() < -0.99 * half_width
    assert 0.99 * half_width < noise.max() <= half_width
    images = torch.rand(4, 1, 16, 16)
    model.eval()
    torch.testing.assert_close(model(images), model(images), rtol=0, atol=0)
    model.train()
    assert not torch.equal(model(images), model(images))


def test_symbols_are_whole_numbers_within_int8():
    assert quantise(torch.tensor([-400.0, -0.4, 0.6, 126.7, 900.0])).tolist() == [
        -128,
        0,
        1,
        127,
        127,
    ]


def test_with_m3_on_the_node_the_decoder_is_two_dense_layers():
    model = AutoEncoder(
        ModelConfig(height=16, width=12, channels=3, n_classes=5, **(SMALL | NARROW))
    )
    assert model.encoder.dense[0].in_channels == 14
    assert (
        sum(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in model.decoder.modules())
        == 0
    )
    assert model(torch.rand(4, 3, 16, 12)).shape == (4, 5)


def test_without_residuals_the_encoder_pools_what_it_convolved():
    encoder = AutoEncoder(
        ModelConfig(
            height=16,
            width=12,
            channels=3,
            n_classes=5,
            **(SMALL | NARROW | {"has_residuals": False}),
        )
    ).encoder
    features = encoder.module1(encoder.stem(encoder.dwt(torch.rand(2, 3, 16, 12))))
    (block,) = encoder.module2
    assert isinstance(block, PlainBlock)
    convolved = block.bn(block.conv(features))
    assert convolved.shape == (2, 10, 8, 6)
    torch.testing.assert_close(
        encoder.module2(features)[:, :, 0, 0], convolved[:, :, :2, :2].amax((2, 3)).relu()
    )


def test_a_configuration_is_an_architecture_for_some_images():
    architecture = Architecture(**(SMALL | NARROW))
    config = ModelConfig.of(architecture, (16, 12, 3), 5)
    assert (config.height, config.width, config.channels, config.n_classes) == (16, 12, 3, 5)
    assert config.architecture == architecture


def test_what_json_made_lists_of_are_tuples_again():
    assert Architecture(**restored(SMALL | NARROW | {"widths": [6, 10, 14]})) == Architecture(
        **(SMALL | NARROW)
    )


def test_tail_drop_keeps_a_leading_share_of_each_latent():
    torch.manual_seed(0)
    kept = drop_tail(torch.ones(2000, 10), 0.3)
    lengths = kept.sum(1)
    assert (kept.diff(dim=1) <= 0).all()
    assert (lengths.min(), lengths.max()) == (4, 10)
    assert abs(float(lengths.mean()) - 7) < 0.1
