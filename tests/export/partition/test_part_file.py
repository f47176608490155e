"""Parts as LiteRT runs them, against their layers in floats."""

import numpy as np
import pytest
import torch
from torch import nn

from export.encoder.int8_model import Int8Model
from export.encoder.operators import list_operators, require_integer
from export.partition.part_file import PIXEL, STEP, Conv, Mean, Pool, write_part


def conv(rng, n_out, n_in, size, padding, **more):
    weight = rng.normal(size=(n_out, n_in, size, size)) / np.sqrt(n_in * size**2)
    return Conv(weight, rng.normal(size=n_out), padding, **more)


def in_floats(layers, x):
    for layer in layers:
        if isinstance(layer, Conv):
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            x = nn.functional.conv2d(x, weight, bias, padding=layer.padding)
            x = x.relu() if layer.has_relu else x
        elif isinstance(layer, Pool):
            x = nn.functional.max_pool2d(x, 2)
        else:
            x = x.mean((2, 3), keepdim=True)
    return x


@pytest.mark.parametrize(("size", "padding"), [(4, 1), (3, 1), (3, 0), (1, 0)])
def test_a_boundarys_int8_output_is_the_symbol_minus_128(tmp_path, size, padding):
    rng = np.random.default_rng(0)
    layers = [conv(rng, 8, 3, size, padding, scale=0.02), Pool(), conv(rng, 5, 8, 3, 1, scale=0.2)]
    layers[-1].weight[:] *= 8
    shape = write_part(tmp_path / "part.tflite", (11, 9, 3), PIXEL, layers)
    pixels = rng.integers(-128, 128, (40, 11, 9, 3)).astype(np.int8)
    made = Int8Model(tmp_path / "part.tflite", batch=16)(pixels)
    require_integer(list_operators(tmp_path / "part.tflite"))
    floats = torch.tensor((pixels.transpose(0, 3, 1, 2).astype(np.float64) + 128) / 255)
    expected = in_floats(layers, floats).permute(0, 2, 3, 1).numpy() / 0.2
    assert made.shape[1:] == shape == expected.shape[1:]
    distance = np.abs(made.astype(int) + 128 - np.clip(np.rint(expected), 0, 255))
    assert expected.max() > 20
    assert distance.max() <= 1
    assert (distance == 0).mean() > 0.8


def test_the_last_parts_int8_output_is_the_latent(tmp_path):
    rng = np.random.default_rng(0)
    layers = [
        conv(rng, 16, 6, 3, 1, scale=0.3),
        Mean(0.15),
        conv(rng, 12, 16, 1, 0, scale=0.15),
        conv(rng, 4, 12, 1, 0, scale=STEP, has_relu=False),
    ]
    last = layers[-1].weight
    last[:] = 8 * (last - last.mean(1, keepdims=True))
    assert write_part(tmp_path / "part.tflite", (5, 5, 6), STEP, layers) == (1, 1, 4)
    symbols = rng.integers(0, 16, (60, 5, 5, 6))
    made = Int8Model(tmp_path / "part.tflite")((symbols - 128).astype(np.int8))
    expected = in_floats(layers, torch.tensor(symbols.transpose(0, 3, 1, 2), dtype=torch.float64))
    distance = np.abs(made - expected[:, :, 0, 0].round().numpy())
    assert made.shape == (60, 4)
    assert made.min() < -2
    assert made.max() > 2
    assert (distance == 0).mean() > 0.8
    assert distance.max() <= 1
