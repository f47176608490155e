"""A checkpoint is whole or the one before it is, and what is none is named."""

import os
import re
import resource
import signal
from pathlib import Path

import pytest
import torch

from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError


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
            "holds no model of this program ('model_config'); give a run's ce.pt or duphil.pt",
        ),
        ({"model_config": {"height": "x"}}, "holds no model of this program"),
        ({"model_config": 7, "model": {}}, "holds no model of this program"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path: Path, content, sentence):
    torch.save(content, tmp_path / "ce.pt")
    with pytest.raises(CheckpointError, match=rf"ce\.pt {re.escape(sentence)}"):
        Checkpoint.read(tmp_path / "ce.pt")
