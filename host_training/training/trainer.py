"""Trainer: one run from its first update to its last; resumable to the update.

A stage is a number of updates. Everything random in an update follows from (seed, step), so the
state to keep is the weights, the optimisers' momenta and the step. The best weights of each stage
are chosen on the validation split.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from host_training.data.dataset import Augmentation, DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.models.backbone import weights
from host_training.run import sha256
from host_training.training import checkpoint
from host_training.training.checkpoint import Checkpoint, CheckpointError, Provenance
from host_training.training.curves import Curves
from host_training.training.distillation import read_teacher
from host_training.training.evaluation import Evaluation, encode_split, evaluate, symbol_order
from host_training.training.fine_tuning import FineTuningStage
from host_training.training.progress import StageProgress
from host_training.training.rate import RateStage
from host_training.training.recipe import Recipe
from host_training.training.stages import (
    CrossEntropyStage,
    DuPHiLStage,
    Progress,
    Stage,
    learning_rate_factor,
)

SAVE_EVERY_S, SAVE_EPOCHS_EVERY_S = 60.0, 1.0
"Within an epoch, and at the end of one: on a GPU a short one ends before a disk has saved it."
LAST = "last.pt"
NOTHING_YET = (-1.0, -math.inf)


LARGEST_CUTOUT = 1 / 4
"Share of an image's side: a larger square would hide what a small image shows."


def augmentation(recipe: Recipe, data: DataSet) -> Augmentation:
    """The recipe's, from what is usual for the data set."""
    usual = data.augmentation
    crop_pad = usual.crop_pad if recipe.crop_pad is None else recipe.crop_pad
    largest = round(LARGEST_CUTOUT * min(data.image_shape[:2]))
    return replace(usual, crop_pad=crop_pad, cutout=min(recipe.cutout, largest))


class Trainer:
    """One run in one folder: `last.pt` to go on from; `ce.pt`, `duphil.pt`, `rate.pt`: each stage's
    best.
    """

    def __init__(
        self,
        data: DataSet,
        recipe: Recipe,
        run_dir: Path,
        device: torch.device,
        start_from: Path | None = None,
        teacher: Path | None = None,
    ) -> None:
        """`start_from`: a checkpoint whose weights a new run begins with, instead of random ones;
        with a rate its stage alone follows. `teacher`: one whose scores it learns in end-to-end
        training, of any preset but for the same classes.
        """
        recipe = recipe.for_images(len(data.train))
        config = ModelConfig.of(
            recipe.model, data.image_shape, len(data.classes), len(data.coarse_classes)
        )
        self.data = data
        self.recipe = recipe
        self.run_dir = run_dir
        self.device = device
        torch.manual_seed(recipe.seed)
        self.model = AutoEncoder(config)
        if config.backbone is not None and not (run_dir / LAST).exists() and start_from is None:
            self.model.encoder.start_from(weights.read_file())
        self.model.to(device)
        taught_by = None if teacher is None else read_teacher(teacher, config, data, device)
        self.provenance = Provenance(
            data.name,
            data.sha256,
            recipe,
            None if start_from is None else self._start_from(start_from),
            None if teacher is None else sha256(teacher),
        )
        coarse_of = torch.from_numpy(data.coarse_of).to(device) if config.n_coarse else None
        self.stages: list[Stage] = [
            CrossEntropyStage(self.model, recipe, taught_by, coarse_of)
            if config.backbone is None
            else FineTuningStage(self.model, recipe, taught_by),
            DuPHiLStage(self.model, recipe),
        ]
        self.stage_index = 0
        if recipe.rate:
            self.stages.append(RateStage(self.model, recipe, taught_by))
            if start_from is not None:
                self.stage_index = len(self.stages) - 1  # what it starts from is trained
        self.step = 0
        self.best = NOTHING_YET
        self.is_resumed = False

    @property
    def is_finished(self) -> bool:
        return self.stage_index == len(self.stages)

    def train(self, until: Callable[[], bool] = lambda: False) -> None:
        """Go on from `last.pt`, if there is one, to the end or until `until()` says so."""
        self.resume()
        with Curves(str(self.run_dir / "tensorboard")) as curves:
            while not self.is_finished:
                stage = self.stages[self.stage_index]
                if not self._run_stage(stage, curves, until):
                    break
                self.stage_index += 1
                self.step = 0
                self.best = NOTHING_YET
                if stage.epochs:
                    self._take_best(stage)
                self._save()

    def _run_stage(self, stage: Stage, curves: Curves, until: Callable[[], bool]) -> bool:
        """To its end; False when it was interrupted before."""
        batches = stage.batches(
            self.data.train, augmentation(self.recipe, self.data), self.recipe.seed, self.device
        )
        n_steps = stage.epochs * batches.steps_per_epoch
        is_new = self.step == 0 and self.provenance.started_from_sha256 is None
        if self.step < n_steps and not stage.begin(batches, is_new, until):
            return False
        saved_at = time.monotonic()
        with StageProgress(stage.name, n_steps, self.step, stage.epochs) as shown:
            while self.step < n_steps:
                stage.set_learning_rates(learning_rate_factor(self.recipe, self.step / n_steps))
                progress = stage.update(*batches.batch(self.step))
                self.step += 1
                shown.step()
                is_interrupted = until()
                epoch, position = divmod(self.step, batches.steps_per_epoch)
                pause = SAVE_EVERY_S if position else SAVE_EPOCHS_EVERY_S
                is_due = is_interrupted or time.monotonic() - saved_at > pause
                if is_due or not position:
                    self._require_finite(stage, progress)
                if not position:
                    figures = self._judge(stage, epoch)
                    shown.epoch(epoch, figures.describe())
                    curves.add(stage.name, epoch, figures, progress)
                if is_due:
                    self._save()
                    saved_at = time.monotonic()
                if is_interrupted:
                    return False
        return True

    def _require_finite(self, stage: Stage, progress: Progress) -> None:
        if not progress.loss.isfinite():
            raise FloatingPointError(
                f"{stage.name} loss is {float(progress.loss)} at step {self.step}; "
                "the recipe's learning rate is too high for this data"
            )

    def _judge(self, stage: Stage, epoch: int) -> Evaluation:
        """What the model is worth on the validation split; the stage's best so far is kept."""
        figures = evaluate(self.model, self.data.validation, self.device)
        merit = stage.merit(figures, self.data.validation, self.device)
        if epoch > stage.judged_from * stage.epochs and merit > self.best:
            self.best = merit
            best = Checkpoint(
                self.model, self.provenance, self.data.classes, stage.name, epoch, figures
            )
            if isinstance(stage, RateStage):
                best = replace(best, mixture=stage.mixture)
            best.write(self._best_path(stage))
        return figures

    def _best_path(self, stage: Stage) -> Path:
        return self.run_dir / f"{stage.name}.pt"

    def _take_best(self, stage: Stage) -> None:
        """Go on with the stage's best weights, whose latents are ranked now."""
        best = Checkpoint.read(self._best_path(stage), self.device)
        self.model.load_state_dict(best.model.state_dict())
        symbols, labels = encode_split(self.model, self.data.train, self.device)
        order = symbol_order(self.model.config, symbols.cpu().numpy(), labels.cpu().numpy())
        replace(best, latent_order=tuple(order.tolist())).write(self._best_path(stage))

    def _start_from(self, path: Path) -> str:
        """Take over the weights of that checkpoint; returns its SHA-256."""
        try:
            self.model.load_state_dict(checkpoint.load(path, self.device)["model"])
            return sha256(path)
        except (KeyError, RuntimeError, TypeError, AttributeError) as error:
            said = str(error).partition("\n")[0]
            raise CheckpointError(
                f"a run of this preset can not start from {path}, which holds another model "
                f"({said}); give one of the same preset, image size and classes"
            ) from None

    def _save(self) -> None:
        state = {
            **asdict(self.provenance),
            "stage_index": self.stage_index,
            "step": self.step,
            "best": list(self.best),
            "model": self.model.state_dict(),
            "beside": [stage.beside.state_dict() for stage in self.stages],
            "optimisers": [
                [optimiser.state_dict() for optimiser in stage.optimisers] for stage in self.stages
            ],
        }
        checkpoint.save(state, self.run_dir / LAST)

    def resume(self) -> None:
        """Take up `last.pt` if there is one; CheckpointError when it is of another run."""
        path = self.run_dir / LAST
        if self.is_resumed or not path.exists():
            return
        state = checkpoint.load(path, self.device)
        before = asdict(Provenance.from_dict(state))
        if others := "; ".join(checkpoint.differences(before, asdict(self.provenance))):
            raise CheckpointError(
                f"{self.run_dir} holds another run ({others}); "
                "continue it with its own settings, or train into another folder (RUN=…)"
            )
        self.stage_index = state["stage_index"]
        self.step = state["step"]
        self.best = tuple(state["best"])
        self.model.load_state_dict(state["model"])
        for stage, beside in zip(self.stages, state.get("beside", ()), strict=False):
            stage.beside.load_state_dict(beside)
        for stage, states in zip(self.stages, state["optimisers"], strict=True):
            for optimiser, optimiser_state in zip(stage.optimisers, states, strict=True):
                optimiser.load_state_dict(optimiser_state)
        self.is_resumed = True
