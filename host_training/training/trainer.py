"""End-to-end cross-entropy training, then DuPHiL's two phases; resumable to the update.

A stage is a number of updates. Everything random in an update follows from (seed, step), so the
state to keep is the weights, the optimisers' momenta and the step. The best weights of each stage
are chosen on the validation split.
"""

import hashlib
import math
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from host_training.data.batches import Batches
from host_training.data.dataset import Augmentation, DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training import checkpoint, distillation
from host_training.training.cuda_graph import LossGraph
from host_training.training.distillation import loss_to_teacher
from host_training.training.evaluation import (
    Evaluation,
    autocast,
    encode_split,
    evaluate,
    latent_order,
)
from host_training.training.mcr2 import RateReduction, rate_reduction
from host_training.training.muon import Muon
from host_training.training.progress import StageProgress
from host_training.training.recipe import Recipe

# TensorBoard imports all of TensorFlow where it is installed, unless this marker exists: saves
# seconds.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
from torch.utils.tensorboard import SummaryWriter  # noqa: E402

SAVE_EVERY_S, SAVE_EPOCHS_EVERY_S = 60.0, 1.0
"Within an epoch, and at the end of one: on a GPU a short one ends before a disk has saved it."


@dataclass(frozen=True)
class Progress:
    """What an update reports; still tensors, as reading a number makes a GPU wait for the
    processor.
    """

    loss: Tensor
    rates: RateReduction | None = None


NOTHING_YET = (-1.0, -math.inf)


def merit(figures: Evaluation) -> tuple[float, float]:
    """What makes a checkpoint the best of its stage: accuracy on the validation split, then a lower
    loss.
    """
    return figures.accuracy, -figures.loss


def learning_rate_factor(recipe: Recipe, progress: float) -> float:
    """Multiplier of the learning rate at a stage's progress 0…1: the paper's milestones, or warm-up
    and a cosine.
    """
    if recipe.schedule == "milestones":
        return 0.1 ** sum(progress >= milestone for milestone in (0.5, 0.75, 0.9))
    warm_up = 0.1
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def augmentation(recipe: Recipe, usual: Augmentation) -> Augmentation:
    """The recipe's, from what is usual for the data set."""
    crop_pad = usual.crop_pad if recipe.crop_pad is None else recipe.crop_pad
    return replace(usual, crop_pad=crop_pad, cutout=recipe.cutout)


def sgd(
    recipe: Recipe, parameters: Iterator[nn.Parameter], learning_rate: float
) -> torch.optim.SGD:
    return torch.optim.SGD(
        parameters,
        learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.schedule == "one-cycle",
    )


def kernels_before_norms(module: nn.Module) -> list[Tensor]:
    """Weights of the 3 × 3 convolutions, each of which a batch norm follows."""
    return [
        each.weight
        for each in module.modules()
        if isinstance(each, nn.Conv2d) and each.kernel_size == (3, 3)
    ]


class CrossEntropyStage:
    """E2E cross-entropy, to the labels and to a teacher's scores where there is one; the side
    branch is off.
    """

    name = "ce"

    def __init__(self, model: AutoEncoder, recipe: Recipe, teacher: AutoEncoder | None) -> None:
        self.model = model
        self.epochs = recipe.ce_epochs
        self.batch_size = recipe.batch_size
        self.teacher = teacher
        self.label_smoothing = recipe.label_smoothing
        self.graph: LossGraph | None = None
        parts = nn.ModuleList([model.encoder, model.decoder])
        kernels = kernels_before_norms(parts) if recipe.optimiser == "muon" else []
        others = (
            each for each in parts.parameters() if not any(each is kernel for kernel in kernels)
        )
        self.learning_rates = [recipe.learning_rate]
        self.optimisers: list[torch.optim.Optimizer] = [sgd(recipe, others, recipe.learning_rate)]
        if kernels:
            self.learning_rates.append(recipe.muon_learning_rate)
            self.optimisers.append(Muon(kernels, recipe.muon_learning_rate, recipe.momentum))

    def update(self, images: Tensor, labels: Tensor) -> Progress:
        self.model.train()
        if images.is_cuda:
            self.graph = self.graph or LossGraph(self.loss, self.model, images, labels)
            loss = self.graph(images, labels)
        else:
            self.model.zero_grad(set_to_none=True)
            loss = self.loss(images, labels)
            loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return Progress(loss.detach())

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar in nats; nothing in it may wait for a number, as a CUDA
        graph is made of it.
        """
        with autocast(images.device):
            scores = self.model(images)
        loss = cross_entropy(scores.float(), labels, label_smoothing=self.label_smoothing)
        if self.teacher is None:
            return loss
        with torch.no_grad(), autocast(images.device):
            wanted = self.teacher(images)
        return (
            distillation.SHARE * loss_to_teacher(scores.float(), wanted.float())
            + (1 - distillation.SHARE) * loss
        )


class DuPHiLStage:
    """Phase 1: encoder and side branch by MCR². Phase 2: decoder by cross-entropy on a frozen
    encoder.

    The phases alternate per mini-batch, as in the authors' code; unlike there, the encoder's
    batch-norm statistics stay frozen in phase 2.
    """

    name = "duphil"

    def __init__(self, model: AutoEncoder, recipe: Recipe) -> None:
        self.model = model
        self.epochs = recipe.duphil_epochs
        self.batch_size = recipe.duphil_batch_size
        self.eps_sq = recipe.eps_sq
        phase1 = nn.ModuleList([model.encoder, model.side_branch])
        self.learning_rates = [recipe.mcr2_learning_rate, recipe.duphil_decoder_learning_rate]
        self.optimisers = [
            sgd(recipe, module.parameters(), rate)
            for module, rate in zip((phase1, model.decoder), self.learning_rates, strict=True)
        ]

    def update(self, images: Tensor, labels: Tensor) -> Progress:
        rates = self.phase1(images, labels)
        return Progress(self.phase2(images, labels), rates)

    def phase1(self, images: Tensor, labels: Tensor) -> RateReduction:
        self.model.train()
        with autocast(images.device):
            latents = self.model.encoder(images)
        rates = rate_reduction(
            self.model.side_branch(self.model.relax(latents.float())), labels, self.eps_sq
        )
        _descend(-rates.reduction, self.optimisers[0])
        return RateReduction(rates.coding_rate.detach(), rates.class_coding_rate.detach())

    def phase2(self, images: Tensor, labels: Tensor) -> Tensor:
        self.model.encoder.eval()
        self.model.decoder.train()
        with autocast(images.device):
            with torch.no_grad():
                latents = self.model.encoder(images)
            scores = self.model.decoder(self.model.relax(latents))
        loss = cross_entropy(scores.float(), labels)
        _descend(loss, self.optimisers[1])
        return loss.detach()


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


Stage = CrossEntropyStage | DuPHiLStage


class Trainer:
    """One run in one folder: `last.pt` to go on from, `ce.pt` and `duphil.pt` the best of each
    stage.
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
        `teacher`: one whose scores it learns in end-to-end training, of any preset but for the same
        classes.
        """
        recipe = recipe.for_images(len(data.train))
        self.data = data
        self.recipe = recipe
        self.run_dir = run_dir
        self.device = device
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(recipe.seed)
        config = ModelConfig.of(recipe.model, data.image_shape, len(data.classes))
        self.model = AutoEncoder(config).to(device)
        self.started_from = None if start_from is None else self._start_from(start_from)
        self.teacher_path = teacher
        self.stages: list[Stage] = [
            CrossEntropyStage(self.model, recipe, self._teacher()),
            DuPHiLStage(self.model, recipe),
        ]
        self.stage_index = 0
        self.step = 0
        self.best = NOTHING_YET
        self.is_resumed = False
        self.writer: SummaryWriter | None = None

    def train(self, until: Callable[[], bool] = lambda: False) -> None:
        """Go on from `last.pt`, if there is one, to the end or until `until()` says so."""
        self.resume()
        self.writer = SummaryWriter(str(self.run_dir / "tensorboard"))
        while self.stage_index < len(self.stages):
            stage = self.stages[self.stage_index]
            if not self._run_stage(stage, until):
                break
            self.stage_index = self.stage_index + 1
            self.step = 0
            self.best = NOTHING_YET
            if stage.epochs:
                self._take_best(stage)
            self._save_last()
        self.writer.close()

    def _take_best(self, stage: Stage) -> None:
        """Go on with the stage's best weights, whose latents are ranked now that they are known to
        be the best.
        """
        result = checkpoint.load(self._best_path(stage), self.device)
        self.model.load_state_dict(result["model"])
        symbols, labels = encode_split(self.model, self.data.train, self.device)
        order = latent_order(symbols.cpu().numpy(), labels.cpu().numpy())
        checkpoint.save({**result, "latent_order": order.tolist()}, self._best_path(stage))

    def _start_from(self, path: Path) -> str:
        """Take over the weights of that checkpoint; returns its SHA-256."""
        try:
            self.model.load_state_dict(checkpoint.load(path, self.device)["model"])
            return sha256(path)
        except (KeyError, RuntimeError, TypeError, AttributeError) as error:
            said = str(error).partition("\n")[0]
            raise checkpoint.CheckpointError(
                f"a run of this preset can not start from {path}, which holds another model "
                f"({said}); give one of the "
                "same preset, image size and classes"
            ) from None

    def _teacher(self) -> AutoEncoder | None:
        if self.teacher_path is None:
            return None
        state = checkpoint.load(self.teacher_path, self.device)
        config = self.model.config
        reads = {name: getattr(config, name) for name in ("height", "width", "channels", "wavelet")}
        its_own = state.get("model_config")
        can_read = isinstance(its_own, dict) and all(
            its_own.get(name) == value for name, value in reads.items()
        )
        if state.get("classes") != list(self.data.classes) or not can_read:
            raise checkpoint.CheckpointError(
                f"{self.teacher_path} can not teach: it is no finished stage (ce.pt, "
                "duphil.pt), or of other classes, "
                f"image sizes or another wavelet; name a checkpoint of {self.data.name}"
            )
        return load_model(self.teacher_path, self.device)[0]

    @property
    def is_finished(self) -> bool:
        return self.stage_index == len(self.stages)

    def _run_stage(self, stage: Stage, until: Callable[[], bool]) -> bool:
        batches = Batches(
            self.data.train,
            augmentation(self.recipe, self.data.augmentation),
            stage.batch_size,
            self.recipe.seed,
            self.device,
            self.model.config.pixel_pad,
        )
        n_steps = stage.epochs * batches.steps_per_epoch
        saved_at = time.monotonic()
        with StageProgress(stage.name, n_steps, self.step, stage.epochs) as shown:
            while self.step < n_steps:
                for optimiser, rate in zip(stage.optimisers, stage.learning_rates, strict=True):
                    optimiser.param_groups[0]["lr"] = rate * learning_rate_factor(
                        self.recipe, self.step / n_steps
                    )
                progress = stage.update(*batches.batch(self.step))
                self.step += 1
                shown.step()
                interrupted = until()
                ends_epoch = self.step % batches.steps_per_epoch == 0
                pause = SAVE_EPOCHS_EVERY_S if ends_epoch else SAVE_EVERY_S
                is_due = interrupted or time.monotonic() - saved_at > pause
                if is_due or ends_epoch:
                    self._require_finite(stage, progress)
                if ends_epoch:
                    self._end_epoch(stage, progress, self.step // batches.steps_per_epoch, shown)
                if is_due:
                    self._save_last()
                    saved_at = time.monotonic()
                if interrupted:
                    return False
        return True

    def _require_finite(self, stage: Stage, progress: Progress) -> None:
        if not progress.loss.isfinite():
            raise FloatingPointError(
                f"{stage.name} loss is {float(progress.loss)} at step {self.step}; "
                "the recipe's learning rate is too high for this data"
            )

    def _end_epoch(
        self, stage: Stage, progress: Progress, epoch: int, shown: StageProgress
    ) -> None:
        figures = evaluate(self.model, self.data.validation, self.device)
        shown.epoch(epoch, describe(figures))
        self._log(stage, figures, progress, epoch)
        if merit(figures) > self.best:
            self.best = merit(figures)
            checkpoint.save(self._result(stage, figures, epoch), self._best_path(stage))

    def _log(self, stage: Stage, figures: Evaluation, progress: Progress, epoch: int) -> None:
        assert self.writer is not None
        values = {
            **vars(figures),
            "rate_reduction": figures.rate_reduction,
            "train_loss": float(progress.loss),
        }
        if progress.rates is not None:
            values["train_rate_reduction"] = float(progress.rates.reduction)
        for name, value in values.items():
            self.writer.add_scalar(f"{stage.name}/{name}", value, epoch)

    def _result(self, stage: Stage, figures: Evaluation, epoch: int) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "model_config": asdict(self.model.config),
            **self._origin(),
            "classes": list(self.data.classes),
            "stage": stage.name,
            "epoch": epoch,
            "validation": vars(figures),
        }

    def _save_last(self) -> None:
        state = {
            **self._origin(),
            "stage_index": self.stage_index,
            "step": self.step,
            "best": list(self.best),
            "model": self.model.state_dict(),
            "optimisers": [
                [optimiser.state_dict() for optimiser in stage.optimisers] for stage in self.stages
            ],
        }
        checkpoint.save(state, self.run_dir / "last.pt")

    def resume(self) -> None:
        """Take up `last.pt` if there is one; CheckpointError when it is of another run."""
        path = self.run_dir / "last.pt"
        if self.is_resumed or not path.exists():
            return
        state = checkpoint.load(path, self.device)
        if differences := list(_differences(_as_now(state), self._origin())):
            raise checkpoint.CheckpointError(
                f"{self.run_dir} holds another run ({'; '.join(differences)}); "
                "continue it with its own settings, or train into another folder (RUN=…)"
            )
        self.stage_index = state["stage_index"]
        self.step = state["step"]
        self.best = tuple(state["best"])
        self.model.load_state_dict(state["model"])
        for stage, states in zip(self.stages, state["optimisers"], strict=True):
            for optimiser, optimiser_state in zip(stage.optimisers, states, strict=True):
                optimiser.load_state_dict(optimiser_state)
        self.is_resumed = True

    def _origin(self) -> dict[str, Any]:
        """What makes this run this run: every checkpoint says it, and only the same run is
        continued.
        """
        return {
            "data_set": self.data.name,
            "data_sha256": self.data.sha256,
            "recipe": self.recipe.to_dict(),
            "started_from_sha256": self.started_from,
            "teacher_sha256": None if self.teacher_path is None else sha256(self.teacher_path),
        }

    def _best_path(self, stage: Stage) -> Path:
        return self.run_dir / f"{stage.name}.pt"


def _differences(made_with: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """What tells two runs apart, a phrase for each."""
    for key, value in wanted.items():
        before = made_with.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _differences(before, value)
        elif before != value:
            yield f"its {key} is {before}, not {value}"


def _as_now(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "recipe": Recipe.from_dict(state["recipe"]).to_dict()}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe(figures: Evaluation) -> str:
    """One line for the progress bar."""
    return (
        f"val {figures.accuracy:.2%} loss {figures.loss:.3f} R {figures.coding_rate:.1f} "
        f"Rc {figures.class_coding_rate:.1f} ΔR {figures.rate_reduction:.1f} "
        f"{figures.bits_per_image:.0f} bit/image"
    )


def load_model(
    path: Path, device: torch.device | str = "cpu"
) -> tuple[AutoEncoder, dict[str, Any]]:
    """A trained model in evaluation mode and the rest of its checkpoint (`latent_order`, `recipe`,
    `classes`, …).
    """
    state = checkpoint.load(path, device)
    try:
        model = AutoEncoder(ModelConfig.from_dict(state["model_config"])).to(device)
        model.load_state_dict(state["model"])
    except Exception as error:  # what is in it may be anything
        said = str(error).partition("\n")[0] or type(error).__name__
        raise checkpoint.CheckpointError(
            f"{path} holds no model of this program ({said}); give a run's ce.pt or duphil.pt"
        ) from None
    return model.eval(), state
