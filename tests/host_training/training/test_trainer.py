import copy
import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from host_training.data.dataset import Augmentation, DataSet, Split
from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError
from host_training.training.trainer import Trainer, augmentation
from tests.worlds.small_training import CPU, MODEL, RECIPE, blobs


def stop_after(n_updates: int):
    """An `until` that says yes once so many updates are done."""
    left = [n_updates]

    def until() -> bool:
        left[0] -= 1
        return left[0] <= 0

    return until


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.model.state_dict())


MUON = replace(RECIPE, optimiser="muon")


@pytest.mark.parametrize("recipe", [RECIPE, MUON])
def test_a_tiny_set_is_learned_by_heart(recipe, tmp_path):
    trainer = Trainer(blobs(), replace(recipe, ce_epochs=15, duphil_epochs=0), tmp_path, CPU)
    trainer.train()
    best = Checkpoint.read(tmp_path / "ce.pt")
    assert best.validation.accuracy == 1.0
    assert sorted(best.latent_order or ()) == list(range(MODEL["latents"]))


@pytest.mark.parametrize("recipe", [RECIPE, MUON])
def test_a_run_stopped_anywhere_and_continued_equals_one_that_never_stopped(recipe, tmp_path):
    whole = Trainer(blobs(), recipe, tmp_path / "whole", CPU)
    whole.train()
    for n_updates in (1, 4, 3, 100):  # stops inside either stage and at the end
        pieces = Trainer(blobs(), recipe, tmp_path / "pieces", CPU)
        pieces.train(until=stop_after(n_updates))
    assert pieces.is_finished
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(pieces)[name], tensor, rtol=0, atol=0, msg=name)


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    command = [
        *(sys.executable, "-m", "host_training", "train", "--dataset", "digits"),
        *("--run", str(tmp_path / "run")),
        *("--ce-epochs", "4", "--duphil-epochs", "0", "--threads", "1"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not (tmp_path / "run" / "last.pt").exists() and process.poll() is None:
        process.stderr.read(1)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    done = checkpoint.load(tmp_path / "run" / "last.pt")["step"]
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert resumed.returncode == 0, resumed.stderr
    assert done > 0
    assert f"ce, epoch {done // 20 + 1} of 4" in resumed.stderr  # of 20 updates
    assert "ce, epoch 1 of 4" not in resumed.stderr
    assert json.loads(resumed.stdout)["stage"] == "ce"


def test_a_run_of_another_recipe_is_not_continued(tmp_path):
    Trainer(blobs(), RECIPE, tmp_path, CPU).train(until=stop_after(2))
    with pytest.raises(CheckpointError, match=r"its seed is 0, not 7.*another folder"):
        Trainer(blobs(), replace(RECIPE, seed=7), tmp_path, CPU).train()


def test_a_run_on_other_images_is_not_continued(tmp_path):
    Trainer(blobs(seed=0), RECIPE, tmp_path, CPU).train(until=stop_after(2))
    with pytest.raises(CheckpointError, match=r"its data_sha256 is .*another folder"):
        Trainer(blobs(seed=1), RECIPE, tmp_path, CPU).train()


def test_a_run_can_start_from_anothers_weights_and_says_so(tmp_path):
    Trainer(blobs(), RECIPE, tmp_path / "first", CPU).train()
    path = tmp_path / "first" / "ce.pt"
    second = Trainer(blobs(), replace(RECIPE, seed=1), tmp_path / "second", CPU, start_from=path)
    for name, tensor in checkpoint.load(path)["model"].items():
        torch.testing.assert_close(weights(second)[name], tensor, rtol=0, atol=0)
    second.train()
    best = Checkpoint.read(tmp_path / "second" / "ce.pt")
    assert best.provenance.started_from_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("side", "wanted"), [(8, 2), (16, 4), (32, 8), (64, 8)])
def test_what_is_cut_out_of_an_image_is_a_quarter_of_its_side_at_most(side: int, wanted: int):
    pixels = np.zeros((4, side, side, 1), np.uint8)
    part = Split(pixels, np.arange(4))
    data = DataSet("blank", ("a", "b", "c", "d"), part, part, part, Augmentation(crop_pad=1))
    made = augmentation(replace(RECIPE, cutout=8), data)
    assert (made.cutout, made.crop_pad) == (wanted, 1)
