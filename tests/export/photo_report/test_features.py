"""What photos are to a backbone before it learns any of them."""

from dataclasses import replace

import numpy as np
import pytest

from export.photo_report.features import as_it_came, backbone_of
from host_training.models.backbone import WeightsError, weights
from host_training.presets import PRESETS
from link.bundle import Bundle
from tests.worlds.small_bundle import make_bundle


def of_preset(bundle: Bundle, preset: str) -> Bundle:
    provenance = replace(bundle.provenance, preset=preset)
    return replace(bundle, manifest=replace(bundle.manifest, provenance=provenance))


def test_only_encoders_that_started_from_a_backbone_have_one(tmp_path, monkeypatch):
    bundle = make_bundle(tmp_path / "bundle")
    assert backbone_of(bundle) is None
    assert backbone_of(of_preset(bundle, "photo-32")) is None

    def missing() -> None:
        raise WeightsError("not here")

    monkeypatch.setattr(weights, "read_file", missing)
    assert backbone_of(of_preset(bundle, "photo")) is None
    monkeypatch.setattr(weights, "read_file", dict)
    assert backbone_of(of_preset(bundle, "photo")) == PRESETS["photo"].recipe.model.backbone


def test_each_photo_has_features_of_its_own():
    try:
        weights.read_file()
    except WeightsError as error:
        pytest.skip(str(error))
    backbone = PRESETS["photo-small"].recipe.model.backbone
    assert backbone is not None
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
    features = as_it_came(backbone, images)
    assert features.dtype == np.float32
    np.testing.assert_allclose(as_it_came(backbone, images[1:2]), features[1:2], atol=1e-4)
    assert np.abs(features[0] - features[1]).max() > 0.1
