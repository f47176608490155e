import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from export import ExportError
from export.__main__ import main
from export.encoder import tflite
from export.encoder.importance import Rotation
from export.encoder.operators import list_operators, require_integer
from export.encoder.symbols import Int8Encoder
from export.rotate import Rotating, rotate
from host_decoder.decode.classifier import Classifier
from host_training.data.catalogue import load
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.coder.bulk import decode_bulk


@pytest.fixture(scope="module")
def rotated(exported, tmp_path_factory):
    settings = Rotating(
        exported.settings.out, tmp_path_factory.mktemp("rotated") / "bundle", components=(4, 10)
    )
    return settings, *rotate(settings, lambda line: None)


def test_the_last_layer_alone_is_changed(exported, tmp_path):
    """Rotated by a selection and an offset, the symbols are those of the encoder it comes from."""
    images = load("digits").test.images
    order = [5, 0, 3]
    selection = torch.eye(8, dtype=torch.float64)[order]
    mean = torch.arange(8, dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    path = tmp_path / "encoder.tflite"
    tflite.rotate_latents(
        exported.bundle.encoder_path, Rotation(mean, selection, selection.T, ones, ones), path
    )
    before, after = (
        Int8Encoder(model, exported.bundle.image)(images)
        for model in (exported.bundle.encoder_path, path)
    )
    before = before[:, order].astype(int) - order
    assert after.shape == (len(images), 3)
    assert (before == after).mean() > 0.99
    assert np.abs(before - after).max() <= 1
    require_integer(list_operators(path))


def test_a_rotated_bundle_is_a_bundle_of_fewer_bytes_and_the_same_worth(exported, rotated):
    settings, bundle, figures = rotated
    for side in ("node", "host"):
        assert Bundle.load(settings.out, side).id == bundle.id
    assert bundle.id != exported.bundle.id
    assert bundle.n_latents <= exported.bundle.n_latents
    assert figures["bytes_per_image"] <= figures["bytes_per_image_before"] + 0.1
    assert figures["accuracy"] >= figures["accuracy_before"] - 0.03
    assert bundle.provenance.rotated.from_bundle == exported.bundle.id.hex()


def test_its_figures_are_those_of_images_decoded_from_bytes(rotated):
    settings, _, figures = rotated
    bundle, test = Bundle.load(settings.out, "host"), load("digits").test
    symbols = Int8Encoder(bundle.encoder_path, bundle.image)(test.images)
    bitstreams = [latent_coder.encode(image, bundle.tables) for image in symbols]
    decoded = decode_bulk(bitstreams, bundle.tables).symbols
    assert (Classifier.of(bundle)(decoded).argmax(1) == test.labels).mean() == figures["accuracy"]
    assert sum(map(len, bitstreams)) / len(test) == figures["bytes_per_image"]


def test_a_coarser_one_takes_fewer_bytes(rotated, tmp_path):
    settings, _, figures = rotated
    _, coarse = rotate(
        dataclasses.replace(settings, out=tmp_path / "coarse", coarseness=3.0), lambda line: None
    )
    assert coarse["bytes_per_image"] < figures["bytes_per_image"]


def test_what_is_there_is_not_overwritten(exported, capsys):
    out = str(exported.settings.out)
    assert main(["rotate", "--bundle", out, "--out", out]) == 1
    assert "is there already; give --out another name" in capsys.readouterr().err


def test_a_coarseness_that_is_none_is_refused():
    with pytest.raises(ExportError, match="coarseness is 0; it must be above 0"):
        Rotating(Path("a"), Path("b"), coarseness=0)
