import copy
import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from host_training.data.dataset import Augmentation, DataSet, Split
from host_training.models.architecture import Architecture
from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError
from host_training.training.recipe import Recipe
from host_training.training.stages import DuPHiLStage
from host_training.training.trainer import Trainer

CPU = torch.device("cpu")
MODEL: dict[str, Any] = dict(
    base_width=8,
    blocks=(1, 1, 1),
    hidden=16,
    latents=6,
    latent_decoder_width=8,
    upsamplings=2,
    features=4,
)
RECIPE = Recipe(
    model=Architecture(**MODEL), ce_epochs=2, duphil_epochs=2, batch_size=16, duphil_batch_size=32,
    schedule="one-cycle", mcr2_learning_rate=1e-2,
)  # fmt: skip
MUON = replace(RECIPE, optimiser="muon")


def blobs(n: int = 96, n_classes: int = 3, seed: int = 0) -> DataSet:
    """Images that are bright in one corner: the corner is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    images = rng.integers(0, 60, (n, 8, 8, 1))
    for image, label in zip(images, labels, strict=True):
        rows, columns = (label // 2) * 4, (label % 2) * 4
        image[rows : rows + 4, columns : columns + 4] += 150
    part = Split(images.astype(np.uint8), labels.astype(np.int64))
    classes = tuple(str(i) for i in range(n_classes))
    return DataSet(
        "blobs", classes, part, part.subset(np.arange(0, n, 3)), part, Augmentation(crop_pad=1)
    )


def stop_after(n_updates: int):
    """An `until` that says yes once so many updates are done."""
    left = [n_updates]

    def until() -> bool:
        left[0] -= 1
        return left[0] <= 0

    return until


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.model.state_dict())


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Top-level parts (encoder, side_branch, decoder) of which any weight or statistic differs."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("recipe", [RECIPE, MUON])
def test_a_tiny_set_is_learned_by_heart(recipe, tmp_path):
    trainer = Trainer(blobs(), replace(recipe, ce_epochs=15, duphil_epochs=0), tmp_path, CPU)
    trainer.train()
    best = Checkpoint.read(tmp_path / "ce.pt")
    assert best.validation.accuracy == 1.0
    assert sorted(best.latent_order or ()) == list(range(MODEL["latents"]))


def test_phase_1_moves_encoder_and_side_branch_only_and_raises_the_rate_reduction(tmp_path):
    trainer = Trainer(blobs(), RECIPE, tmp_path, CPU)
    stage = trainer.stages[1]
    assert isinstance(stage, DuPHiLStage)
    images, labels = torch.rand(48, 1, 8, 8), torch.arange(48) % 3
    before = weights(trainer)
    reductions = [stage.phase1(images, labels).reduction.item() for _ in range(30)]
    assert changed(before, weights(trainer)) == {"encoder", "side_branch"}
    assert np.mean(reductions[-5:]) > np.mean(reductions[:5])


def test_phase_2_moves_the_decoder_only_and_freezes_the_encoders_statistics(tmp_path):
    trainer = Trainer(blobs(), RECIPE, tmp_path, CPU)
    stage = trainer.stages[1]
    assert isinstance(stage, DuPHiLStage)
    before = weights(trainer)
    stage.phase2(torch.rand(48, 1, 8, 8), torch.arange(48) % 3)
    assert changed(before, weights(trainer)) == {"decoder"}


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
        *("--ce-epochs", "15", "--duphil-epochs", "0", "--threads", "1"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not (tmp_path / "run" / "last.pt").exists() and process.poll() is None:
        process.stderr.read(1)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    done = checkpoint.load(tmp_path / "run" / "last.pt")["step"]
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    assert done > 0
    assert f"ce, epoch {done // 20 + 1} of 15" in resumed.stderr  # of 20 updates
    assert "ce, epoch 1 of 15" not in resumed.stderr
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


def test_a_teacher_puts_right_what_corrupted_labels_say(tmp_path):
    clean = blobs()
    Trainer(clean, replace(RECIPE, ce_epochs=15), tmp_path / "teacher", CPU).train()
    wrong = replace(clean.train, labels=(clean.train.labels + 1) % 3)
    recipe, path = replace(RECIPE, ce_epochs=15, duphil_epochs=0), tmp_path / "teacher" / "ce.pt"
    trainer = Trainer(replace(clean, train=wrong), recipe, tmp_path / "student", CPU, teacher=path)
    trainer.train()
    best = Checkpoint.read(tmp_path / "student" / "ce.pt")
    assert best.validation.accuracy == 1.0
    assert best.provenance.teacher_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unfinished_teacher_or_one_of_other_classes_is_refused(tmp_path):
    Trainer(blobs(), RECIPE, tmp_path / "teacher", CPU).train()
    with pytest.raises(CheckpointError, match=r"last\.pt can not teach: it is no finished stage"):
        Trainer(
            blobs(), RECIPE, tmp_path / "student", CPU, teacher=tmp_path / "teacher" / "last.pt"
        )
    others = replace(blobs(), classes=("x", "y", "z"))
    with pytest.raises(CheckpointError, match=r"ce\.pt can not teach.*a checkpoint of blobs"):
        Trainer(others, RECIPE, tmp_path / "student", CPU, teacher=tmp_path / "teacher" / "ce.pt")
