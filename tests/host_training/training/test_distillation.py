"""A small model learns a large one's scores: the loss is least where they are the same."""

import hashlib
from dataclasses import replace

import pytest
import torch

from host_training.training.checkpoint import Checkpoint, CheckpointError
from host_training.training.distillation import SHARE, TEMPERATURE, loss_to_teacher, taught
from host_training.training.trainer import Trainer
from tests.worlds.small_training import CPU, RECIPE, blobs

TEACHER = torch.tensor([[4.0, 0.0, -2.0], [0.0, 8.0, 1.0]])


def entropy_of(scores: torch.Tensor) -> float:
    softened = (scores / TEMPERATURE).softmax(1)
    return float(-(softened * softened.log()).sum(1).mean())


def test_who_has_the_teachers_scores_loses_their_entropy_and_has_nothing_left_to_learn():
    scores = TEACHER.clone().requires_grad_()
    loss = loss_to_teacher(scores, TEACHER)
    assert loss.item() == pytest.approx(TEMPERATURE**2 * entropy_of(TEACHER), rel=1e-5)
    [gradient] = torch.autograd.grad(loss, scores)
    assert gradient.abs().max() < 1e-6


def test_a_constant_added_to_all_scores_changes_nothing():
    other = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert loss_to_teacher(other + 5, TEACHER - 3) == pytest.approx(loss_to_teacher(other, TEACHER))


def test_scores_of_another_class_lose_more():
    assert loss_to_teacher(TEACHER.flip(1), TEACHER) > loss_to_teacher(TEACHER, TEACHER)


def test_the_labels_keep_their_share_of_the_loss():
    loss = torch.tensor(2.0)
    both = taught(loss, TEACHER, TEACHER)
    assert both == pytest.approx(SHARE * loss_to_teacher(TEACHER, TEACHER) + (1 - SHARE) * loss)


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
