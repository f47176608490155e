"""What manifest.json says, read and written again without a byte's change.

What is refused, and how: test_bundle.py.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from link.bundle.bundle import Bundle, compute_id
from link.bundle.manifest import ANOMALY_TASK, Measured, Output, Provenance, TaskEntry
from tests.worlds.small_bundle import make_bundle

MODELS = Path(__file__).parents[3] / "models"
RELEASED = sorted(path.parent.name for path in MODELS.glob("*/manifest.json"))


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_manifest_is_written_again_byte_for_byte(name, tmp_path):
    shutil.copytree(MODELS / name, tmp_path / name)
    bundle = Bundle.load(tmp_path / name, "host")
    assert Bundle.write(bundle.path, bundle.manifest).id == bundle.id
    written = (tmp_path / name / "manifest.json").read_bytes()
    assert written == (MODELS / name / "manifest.json").read_bytes()


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_manifest_is_understood_whole(name):
    manifest = Bundle.load(MODELS / name, "host").manifest
    assert manifest.others.keys() == {"format", "bundle_id"}
    assert not manifest.node.others
    assert not manifest.measured.others
    assert set(manifest.provenance.others.values()) <= {None}  # "no such file"
    if name != "universal":  # whose questions bring what they say of none of their classes
        assert manifest.host.tasks[ANOMALY_TASK].output == Output.SCORE
    assert manifest.measured.accuracy is not None


def test_what_another_version_wrote_stays_and_so_does_the_id(tmp_path):
    path = make_bundle(tmp_path / "bundle").path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["node"]["segments"] = [1, {"a": None}]
    manifest["host"]["tasks"]["label"]["colour"] = "red"
    manifest["provenance"]["weather"] = None
    manifest["measured"]["accuracy"] = "good"
    manifest["bundle_id"] = compute_id(manifest["node"]).hex()
    path.write_text(json.dumps(manifest))
    bundle = Bundle.load(tmp_path / "bundle", "host")
    assert bundle.measured.accuracy is None
    again = bundle.with_task("more", TaskEntry(file="decoder.onnx", classes=("a", "b")))
    assert again.id == bundle.id
    written = json.loads(path.read_text())
    assert written["host"]["tasks"].pop("more") == {"file": "decoder.onnx", "classes": ["a", "b"]}
    assert written == manifest


def test_a_training_that_started_from_nothing_says_so(tmp_path):
    manifest = make_bundle(tmp_path / "bundle").manifest
    said = Provenance(seed=1, started_from_sha256=None, teacher_sha256="ab")
    Bundle.write(tmp_path / "bundle", replace(manifest, provenance=said, measured=Measured()))
    written = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert written["provenance"] == {
        "seed": 1,
        "started_from_sha256": None,
        "teacher_sha256": "ab",
    }
    assert written["measured"] == {}
