"""The gradients of every kind of layer, against torch's."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from device.training import description
from device.training.network import Draws, Gradient, Network
from host_training.distributed.learner.network import describe, trained, weights
from host_training.models.architecture import Architecture
from host_training.models.autoencoder import AutoEncoder, ModelConfig, drop_tail
from host_training.presets import PRESETS

PLAIN = PRESETS["plain-5-long"].recipe.model
MODELS = {
    "plain, undecimated": (PLAIN, (32, 32, 3)),
    "plain, decimated": (
        Architecture(
            widths=(8, 12, 16),
            blocks=(1, 2, 2),
            has_module3_on_node=True,
            has_residuals=False,
            hidden=32,
            latents=16,
            pooled=2,
            subband_gains=(2.0, 8.0, 8.0, 32.0),
            noise_half_width=0.5,
        ),
        (32, 32, 3),
    ),
    "digits": (PRESETS["digits"].recipe.model, (8, 8, 1)),
    "residual, M3 on the node": (PRESETS["narrow-5"].recipe.model, (32, 32, 3)),
    "a longer wavelet, a strided stem": (
        Architecture(
            base_width=8,
            blocks=(1, 1, 1),
            hidden=16,
            latents=16,
            latent_decoder_width=16,
            wavelet="bior2.2",
            stem_stride=2,
            pooled=3,
        ),
        (32, 32, 3),
    ),
}
N, SMOOTHING = 8, 0.1


class World:
    """One model at both ends, with the same weights, images and noise."""

    def __init__(self, architecture: Architecture, shape: tuple[int, int, int]) -> None:
        torch.manual_seed(1)
        config = ModelConfig.of(architecture, shape, 10)
        self.model = AutoEncoder(config)
        for _, parameter in trained(self.model):  # scales and shifts that are not all the same
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter), alpha=0.1 * (parameter.ndim == 1))
        self.network = Network(description.read(describe(self.model).text), SMOOTHING)
        rng = np.random.default_rng(2)
        self.images = rng.integers(0, 256, (N, *shape), np.uint8)
        self.labels = rng.integers(0, 10, N)
        self.noise = rng.uniform(-1, 1, (N, config.latents)).astype(np.float32)
        pixels = torch.from_numpy(self.images).permute(0, 3, 1, 2).float() / 255
        pad = config.pixel_pad
        self.pixels = torch.nn.functional.pad(pixels, (pad,) * 4, mode="reflect") if pad else pixels

    def torch_gradient(self, n_kept: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        noise = self.model.config.noise_half_width * torch.from_numpy(self.noise)
        latents: Tensor = self.model.encoder(self.pixels) + noise
        if n_kept is not None:
            latents = latents * (torch.arange(latents.shape[1]) < torch.from_numpy(n_kept)[:, None])
        labels = torch.from_numpy(self.labels)
        loss = cross_entropy(self.model.decoder(latents), labels, label_smoothing=SMOOTHING)
        gradients = torch.autograd.grad(loss, [parameter for _, parameter in trained(self.model)])
        return loss.item(), torch.cat([one.flatten() for one in gradients]).numpy()

    def compare(self, ours: Gradient, theirs: tuple[float, np.ndarray]) -> None:
        assert ours.loss == pytest.approx(theirs[0], abs=1e-5)
        expected = self.network.views(theirs[1])
        for name, gradient in self.network.views(ours.gradient).items():
            difference = np.abs(gradient - expected[name]).max()
            assert difference < 1e-4 * max(1, np.abs(expected[name]).max()), name


@pytest.fixture(params=MODELS)
def world(request) -> World:
    return World(*MODELS[request.param])


def test_every_gradient_is_torchs(world):
    ours = world.network.gradient(
        weights(world.model), world.images, world.labels, Draws(world.noise)
    )
    world.compare(ours, world.torch_gradient())


def test_with_frozen_statistics_every_gradient_is_torchs(world):
    world.model(world.pixels)  # moves the running statistics
    world.model.eval()
    ours = world.network.gradient(
        weights(world.model),
        world.images,
        world.labels,
        Draws(world.noise),
        statistics(world.model),
    )
    world.compare(ours, world.torch_gradient())


def statistics(model: AutoEncoder) -> np.ndarray:
    """Running mean and variance of each norm, as the vector that a server tells."""
    parts = (model.encoder, model.decoder)
    found = [each for part in parts for name, each in part.named_buffers() if "running" in name]
    return torch.cat(found).numpy()


def test_scores_are_those_of_the_rounded_latents(world):
    world.model(world.pixels)
    world.model.eval()
    ours = world.network.scores(weights(world.model), world.images, statistics(world.model))
    with torch.no_grad():
        theirs = world.model(world.pixels).numpy()
    close = np.abs(ours - theirs).max(1) < 1e-4  # a latent at ½ may be rounded either way
    assert close.mean() >= 0.75


def test_a_dropped_tail_learns_nothing():
    world = World(*MODELS["digits"])
    n_kept = np.arange(1, N + 1)
    draws = Draws(world.noise, n_kept)
    ours = world.network.gradient(weights(world.model), world.images, world.labels, draws)
    world.compare(ours, world.torch_gradient(n_kept))
    kept = drop_tail(torch.ones(1000, 16), 0.25).sum(1)
    described = describe(AutoEncoder(ModelConfig.of(dropping(), (8, 8, 1), 10)))
    network = Network(description.read(described.text))
    drawn = network.draws(np.random.default_rng(0), 1000).n_kept
    assert drawn is not None
    assert (drawn.min(), drawn.max()) == (kept.min(), kept.max()) == (5, 16)


def dropping() -> Architecture:
    return Architecture(**{**vars(PRESETS["digits"].recipe.model), "min_kept": 0.25})


def test_the_same_input_gives_the_same_bits():
    world = World(*MODELS["plain, undecimated"])
    given = weights(world.model), world.images, world.labels, Draws(world.noise)
    one, other = (world.network.gradient(*given) for _ in range(2))
    assert one.loss == other.loss
    assert one.gradient.tobytes() == other.gradient.tobytes()
