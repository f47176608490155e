"""Weights rounded for int8: on the converter's grid, and outputs nearer than nearest rounding
leaves them.
"""

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor

from export.deployment import N_IMAGES_TO_ROUND_BY, some_images
from export.encoder import tflite
from export.encoder.fold import fold
from export.encoder.model_file import read_model
from export.encoder.rounding import LARGEST, round_weights, rounded_rows
from host_training.data.batches import to_model_input, to_pixels
from host_training.data.catalogue import load
from host_training.training.checkpoint import Checkpoint


def correlated(n: int, size: int) -> Tensor:
    """Inputs whose variance lies in few directions, as neighbouring pixels' does."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(size // 4, size, generator=generator, dtype=torch.float64)
    inputs = torch.randn(n, size // 4, generator=generator, dtype=torch.float64) @ mixing
    return inputs + 0.1 * torch.randn(n, size, generator=generator, dtype=torch.float64)


def nearest(weight: Tensor) -> Tensor:
    scale = weight.abs().amax(1, keepdim=True) / LARGEST
    return (weight / scale).round() * scale


@pytest.fixture
def weight() -> Tensor:
    return torch.randn(24, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_rows_lie_on_a_grid_that_their_largest_weight_sets(weight):
    rounded = rounded_rows(weight, correlated(1000, 64).T.cov())
    assert torch.allclose(rounded.abs().amax(1), weight.abs().amax(1))
    assert torch.allclose(rounded, nearest(rounded))
    assert not torch.allclose(rounded, nearest(weight))


def test_outputs_move_less_than_by_nearest_rounding_on_inputs_not_seen(weight):
    seen, others = correlated(2000, 64).split(1000)
    rounded = rounded_rows(weight, seen.T.cov())
    error, usual = (
        (others @ (new - weight).T).square().mean() for new in (rounded, nearest(weight))
    )
    assert error < usual / 3


def test_a_large_weight_on_an_input_that_hardly_varies_leaves_the_others_fine(weight):
    inputs = correlated(2000, 64)
    inputs[:, 7] *= 1e-3
    weight[:, 7] = 100
    seen, others = inputs.split(1000)
    rounded = rounded_rows(weight, seen.T.cov())
    assert rounded.abs().amax(1).max() < 50  # nearest rounding has but a few steps for the others
    fine = rounded_rows(weight.index_fill(1, torch.tensor(7), 0), seen.T.cov())
    error, least = ((others @ (new - weight).T).square().mean() for new in (rounded, fine))
    assert error < 2 * least + 0.01


def test_inputs_that_never_vary_are_no_obstacle(weight):
    covariance = correlated(1000, 64).T.cov()
    covariance[5], covariance[:, 5] = 0, 0
    assert rounded_rows(weight, covariance).isfinite().all()
    constant = rounded_rows(weight, torch.zeros_like(covariance))
    assert torch.allclose(constant, nearest(weight))


def test_many_layers_are_rounded_at_once_as_each_by_itself(weight):
    others = correlated(1000, 64).roll(3, 1)
    covariances = torch.stack([correlated(1000, 64).T.cov(), others.T.cov()])
    together = rounded_rows(torch.stack([weight, -weight]), covariances)
    each = [rounded_rows(row, by) for row, by in zip((weight, -weight), covariances, strict=True)]
    assert torch.equal(together, torch.stack(each))


@torch.no_grad()
def test_depthwise_kernels_are_rounded_each_by_its_own_inputs():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(8, 8, 5, padding=2, groups=8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 4, 1),
    )
    smooth = torch.nn.functional.avg_pool2d(torch.randn(64, 8, 20, 20), 5, 1).repeat(2, 1, 1, 1)
    rounded = round_weights(layers, smooth[:64], steps=list)
    usual = round_weights(layers, torch.zeros(1, 8, 16, 16))
    kernels = rounded.get_parameter("0.weight").flatten(1)
    assert torch.allclose(kernels, nearest(kernels))
    wanted, with_care, nearest_ones = (net(smooth) for net in (layers, rounded, usual))
    assert (with_care - wanted).square().mean() < 0.8 * (nearest_ones - wanted).square().mean()


@pytest.fixture(scope="module")
def halves(checkpoint):
    model = Checkpoint.read(checkpoint).model
    data = load("digits")
    encoder, _ = fold(model, range(model.config.latents), torch.zeros(model.config.latents))
    images = to_model_input(to_pixels(some_images(data, N_IMAGES_TO_ROUND_BY)), 0)
    return (
        encoder,
        round_weights(encoder, images),
        images,
        to_model_input(to_pixels(data.test.images), 0),
    )


@torch.no_grad()
def test_a_rounded_encoders_latents_are_nearer_to_the_float_ones_than_by_nearest_rounding(halves):
    encoder, rounded, images, test = halves
    usual = round_weights(encoder, torch.zeros_like(images[:1]))  # nothing varies: nearest rounding
    wanted = encoder(test)
    assert (rounded(test) - wanted).square().mean() < (usual(test) - wanted).square().mean() / 2
    assert torch.allclose(rounded(images).mean(0), encoder(images).mean(0), atol=1e-3)


def test_the_converter_finds_the_weights_rounded_already(halves, exported):
    model = read_model(exported.bundle.encoder_path)
    graph = model.subgraphs[0]
    seen = 0
    for operator in graph.operators:
        if tflite.builtin_operator(model, operator) == schema.BuiltinOperator.CONV_2D:
            kernel = graph.tensors[operator.inputs[1]]
            steps = np.frombuffer(bytes(model.buffers[kernel.buffer].data), np.int8).reshape(
                kernel.shape[0], -1
            )
            assert (np.abs(steps.astype(int)).max(1) == LARGEST).all()
            seen += 1
    assert seen == sum(isinstance(layer, torch.nn.Conv2d) for layer in halves[0].modules())
