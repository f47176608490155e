import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main
from export.decoders import calibration
from export.decoders.calibration import expected_calibration_error, fit_temperature
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.prefixes import hat_functions
from link.bundle.bundle import Bundle
from link.bundle.calibration import softmax
from tests.worlds.small_bundle import random_tables

MODELS = Path(__file__).parents[3] / "models"


def test_the_temperature_that_labels_were_drawn_with_is_found_again():
    rng = np.random.default_rng(0)
    knots = (0, 10, 20)
    n_known = rng.integers(0, 21, 30_000)
    true = np.exp(np.interp(n_known, knots, np.log([4.0, 2.0, 1.0])))
    logits = rng.normal(0, 4, (len(n_known), 5))
    labels = (softmax(logits / true[:, None]).cumsum(1) < rng.random((len(n_known), 1))).sum(1)
    found = fit_temperature(softmax(logits), labels, hat_functions(n_known, knots))
    assert found == pytest.approx((4, 2, 1), rel=0.1)


def test_the_confidence_is_fitted_not_the_classes_that_label_smoothing_lifted():
    rng = np.random.default_rng(0)
    wanted = softmax(rng.normal(0, 4, (20_000, 50)))
    labels = (wanted.cumsum(1) < rng.random((len(wanted), 1))).sum(1)
    lifted = softmax(np.log(0.9 * wanted + 0.1 / 50) / 0.8)  # flat tails, too sure of the first
    [temperature] = fit_temperature(lifted, labels, np.ones((len(wanted), 1)))
    fitted = softmax(np.log(lifted) / temperature)
    correct = lifted.argmax(1) == labels
    assert expected_calibration_error(fitted.max(1), correct) < 0.02


def test_a_knot_without_data_follows_its_neighbours():
    probabilities = np.tile([0.9, 0.1], (100, 1))
    labels = np.repeat([0, 1], (70, 30))
    first, second, third = fit_temperature(
        probabilities, labels, hat_functions(np.zeros(100), (0, 5, 9))
    )
    assert first == pytest.approx(np.log(9) / np.log(70 / 30), rel=0.1)
    assert second == pytest.approx(first, rel=0.2)
    assert third == pytest.approx(second, rel=0.2)


def test_the_calibration_error_of_known_cases():
    assert expected_calibration_error(np.array([0.75] * 4), np.array([1, 1, 1, 0])) == 0
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([1, 0])) == 0.5
    assert expected_calibration_error(np.array([0.2, 0.9]), np.array([0, 1])) == pytest.approx(0.15)


def test_an_export_is_calibrated_on_its_validation_split(exported):
    fitted = exported.report.deployed.calibration
    assert exported.bundle.calibration == fitted.calibration
    assert fitted.calibration.n_latents == 8
    assert fitted.ece_after <= fitted.ece_before + 0.01
    assert "## Confidence" in (exported.settings.out / "report.md").read_text()


def test_a_bundle_calibrated_later_is_the_same_and_keeps_its_id(exported, tmp_path, capsys):
    path = tmp_path / "bundle"
    shutil.copytree(exported.settings.out, path)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["host"]["tasks"]["label"]["calibration"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert Bundle.load(path, "host").calibration is None
    assert main(["calibrate", "--bundle", str(path), "--threads", "1"]) == 0
    assert f"{exported.bundle.id.hex()} in {path}, the same id" in capsys.readouterr().out
    assert (path / "manifest.json").read_bytes() == (
        exported.settings.out / "manifest.json"
    ).read_bytes()


def test_a_bundle_that_is_not_there_or_of_other_images_is_one_sentence(exported, tmp_path, capsys):
    assert main(["calibrate", "--bundle", str(tmp_path / "nowhere")]) == 1
    assert "there is no bundle at" in capsys.readouterr().err
    other = tmp_path / "bundle"
    shutil.copytree(exported.settings.out, other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["host"]["tasks"]["label"]["classes"] = ["even", "odd"]
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert main(["calibrate", "--bundle", str(other), "--threads", "1"]) == 1
    assert "data set digits has images (8, 8, 1) of 10 classes" in capsys.readouterr().err


def test_a_handful_of_validation_images_calibrates_nothing_and_says_so():
    tables = random_tables(seed=3)
    symbols = np.zeros((calibration.MIN_IMAGES - 1, tables.n_latents), np.int8)
    labels = np.zeros(len(symbols), np.int64)
    decoder = Classifier(MODELS / "cifar10-tiny/decoder.onnx", 10, 10)  # never asked
    assert calibration.fit(decoder, symbols, labels, tables) is None
    said = calibration.describe(None, len(symbols))
    assert said.startswith("not calibrated: 49 validation images are too few")
    assert "50 are needed" in said
