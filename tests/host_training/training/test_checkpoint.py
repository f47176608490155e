"""A checkpoint says what its run is; it is whole or the one before it is, and what is none is
named.
"""

import os
import re
import resource
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError, Provenance, differences
from host_training.training.evaluation import Evaluation
from tests.worlds.small_training import MODEL, RECIPE

PROVENANCE = Provenance("blobs", "12ab", RECIPE, None, "34cd")


def small() -> Checkpoint:
    model = AutoEncoder(ModelConfig.of(RECIPE.model, (8, 8, 1), 3)).eval()
    figures = Evaluation(0.9, 0.3, 5.0, 2.0, 12.0)
    return Checkpoint(model, PROVENANCE, ("0", "1", "2"), "ce", 7, figures, (2, 0, 1, 5, 4, 3))


def test_what_is_read_is_what_was_written(tmp_path):
    written = small()
    written.write(tmp_path / "ce.pt")
    read = Checkpoint.read(tmp_path / "ce.pt")
    assert replace(read, model=written.model).__dict__ == written.__dict__
    assert read.model.config == written.model.config
    assert not read.model.training
    for name, tensor in written.model.state_dict().items():
        torch.testing.assert_close(read.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_stage_that_is_not_finished_has_no_order(tmp_path):
    replace(small(), latent_order=None).write(tmp_path / "ce.pt")
    assert "latent_order" not in checkpoint.load(tmp_path / "ce.pt")
    assert Checkpoint.read(tmp_path / "ce.pt").latent_order is None


def test_what_an_earlier_version_wrote_is_read(tmp_path):
    """It said of the architecture only what was not usual, and not yet where a run came from."""
    small().write(tmp_path / "ce.pt")
    saved = checkpoint.load(tmp_path / "ce.pt")
    for name in ("data_sha256", "started_from_sha256", "teacher_sha256"):
        del saved[name]
    del saved["recipe"]["cutout"]
    saved["recipe"]["model"] = dict(MODEL)
    checkpoint.save(saved, tmp_path / "ce.pt")
    read = Checkpoint.read(tmp_path / "ce.pt").provenance
    assert read == replace(PROVENANCE, data_sha256=None, teacher_sha256=None)


def test_two_runs_are_told_apart_to_the_field():
    model = replace(RECIPE.model, hidden=17)
    other = replace(PROVENANCE, recipe=replace(RECIPE, seed=7, model=model), teacher_sha256=None)
    assert list(differences(asdict(PROVENANCE), asdict(other))) == [
        "its hidden is 16, not 17",
        "its seed is 0, not 7",
        "its teacher_sha256 is 34cd, not None",
    ]
    assert list(differences(asdict(PROVENANCE), asdict(PROVENANCE))) == []


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_the_old_one(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save({"step": 1}, path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the write then fails as on a full disk
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with pytest.raises(
            CheckpointError, match=r"not written.*last\.pt, is intact.*Free some space"
        ):
            checkpoint.save({"step": 2, "model": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert checkpoint.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "run `make train` first"),
        (b"PK\x03\x04 rest lost", "is damaged"),
        (b"", r"is damaged \(EOFError\)"),
        (
            b"\x80\x02cos\nsystem\n.",
            "is damaged .it holds something else than tensors and plain values",
        ),
    ],
)
def test_a_missing_or_damaged_checkpoint_is_named(tmp_path: Path, content, sentence):
    path = tmp_path / "ce.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"ce.pt.*{sentence}|{sentence}"):
        Checkpoint.read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (torch.zeros(3), "is damaged (it holds a Tensor); delete it"),
        (
            {"step": 3},
            "holds no model of this program ('model_config'); give a run's ce.pt, duphil.pt or "
            "rate.pt",
        ),
        ({"model_config": {"height": "x"}}, "holds no model of this program"),
        ({"model_config": 7, "model": {}}, "holds no model of this program"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path: Path, content, sentence):
    torch.save(content, tmp_path / "ce.pt")
    with pytest.raises(CheckpointError, match=rf"ce\.pt {re.escape(sentence)}"):
        Checkpoint.read(tmp_path / "ce.pt")
