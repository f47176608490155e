"""A calibration softens what the decoder says, never turns it around, and is read only when it fits
its bundle.
"""

import json
import math

import numpy as np
import pytest

from link.bundle.bundle import Bundle, BundleError
from link.bundle.calibration import Calibration
from tests.worlds.small_bundle import make_bundle

CALIBRATION = Calibration((0, 6, 12), (4.0, 2.0, 1.0), (0.9, 0.5, 0.0))


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "bundle")


def test_at_a_knot_the_logits_are_divided_by_its_temperature():
    for n_known, temperature in ((0, 4.0), (6, 2.0), (12, 1.0)):
        confidence, rest = CALIBRATION.apply(np.array([0.9, 0.1]), n_known)
        assert math.log(confidence / rest) == pytest.approx(math.log(9) / temperature)


def test_between_knots_the_temperature_is_the_geometric_mean():
    confidence, rest = CALIBRATION.apply(np.array([0.9, 0.1]), 9)
    assert math.log(9) / math.log(confidence / rest) == pytest.approx(math.sqrt(2))


def test_many_images_at_once_are_each_as_alone_and_keep_the_order_of_their_classes():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(5, 0.3), 200)
    n_known = rng.integers(0, 13, 200)
    calibrated = CALIBRATION.apply(probabilities, n_known)
    assert calibrated.sum(1) == pytest.approx(1)
    assert (calibrated.argmax(1) == probabilities.argmax(1)).all()
    for row, known, together in zip(probabilities, n_known, calibrated, strict=True):
        assert CALIBRATION.apply(row, known) == pytest.approx(together)


def test_a_probability_of_zero_is_no_error():
    assert CALIBRATION.apply(np.array([1.0, 0.0], np.float32), 12) == pytest.approx([1, 0])


def test_the_gain_to_come_is_the_share_of_the_doubt_that_the_rest_removes():
    assert CALIBRATION.gain_to_come(0.6, 6) == pytest.approx(0.4 * 0.5)
    assert CALIBRATION.gain_to_come(0.6, 9) == pytest.approx(0.4 * 0.25)
    assert CALIBRATION.gain_to_come(np.array([0.6, 0.9]), np.array([12, 0])) == pytest.approx(
        [0, 0.1 * 0.9]
    )


def test_it_comes_back_from_its_dictionary():
    assert Calibration.from_dict(json.loads(json.dumps(CALIBRATION.to_dict()))) == CALIBRATION


@pytest.mark.parametrize(
    ("n_known", "temperature", "share", "sentence"),
    [
        ((0,), (1.0,), (0.0,), "knots are"),
        ((1, 6), (1.0, 1.0), (0.5, 0.0), "must rise from 0"),
        ((0, 6, 6), (1.0, 1.0, 1.0), (0.5, 0.2, 0.0), "must rise from 0"),
        ((0, 6), (1.0,), (0.5, 0.0), "1 temperatures and 2 shares for 2 knots"),
        ((0, 6), (1.0, 0.0), (0.5, 0.0), "temperatures are"),
        ((0, 6), (1.0, math.nan), (0.5, 0.0), "temperatures are"),
        ((0, 6), (1.0, 1.0), (1.5, 0.0), "shares to come are"),
        ((0, 6), (1.0, 1.0), (0.5, 0.1), "end with 0"),
    ],
)
def test_what_makes_no_sense_is_refused(n_known, temperature, share, sentence):
    with pytest.raises(ValueError, match=sentence):
        Calibration(n_known, temperature, share)


def test_a_bundle_keeps_its_id_and_gives_back_its_calibration(bundle):
    assert bundle.calibration is None
    calibrated = bundle.with_calibration(CALIBRATION, {"split": "validation"})
    assert calibrated.id == bundle.id
    again = Bundle.load(bundle.path, "host")
    assert again.calibration == CALIBRATION
    assert again.classes == bundle.classes
    stored = again.manifest.host.tasks["label"].calibration
    assert stored is not None
    assert stored["split"] == "validation"
    assert not list(bundle.path.glob("*.part"))


def test_a_calibration_of_another_decoder_counts_as_none(bundle):
    calibrated = bundle.with_calibration(CALIBRATION, {})
    (bundle.path / "decoder.onnx").write_bytes(b"a better decoder")
    renewed = Bundle.write(bundle.path, calibrated.manifest)
    assert renewed.calibration is None
    assert renewed.with_calibration(CALIBRATION, {}).calibration == CALIBRATION


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda stored: stored.pop("temperature"), "lacks or misstates: 'temperature'"),
        (lambda stored: stored.update(temperature=["hot", 1, 1]), "lacks or misstates"),
        (lambda stored: stored.update(temperature=4), "lacks or misstates"),
        (lambda stored: stored.update(n_known=[0, 6, 1e400]), "lacks or misstates"),
        (lambda stored: stored.update(n_known=[0, 6, 13]), "is for 13 latents, the bundle has 12"),
    ],
)
def test_a_damaged_calibration_is_refused_by_the_host_and_ignored_by_the_node(
    bundle, change, sentence
):
    bundle.with_calibration(CALIBRATION, {})
    path = bundle.path / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["host"]["tasks"]["label"]["calibration"])
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=f"calibration.*{sentence}.*export calibrate"):
        Bundle.load(bundle.path, "host")
    assert Bundle.load(bundle.path, "node")
