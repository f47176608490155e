"""Checkpoints: a stage's best model and how far a run is, each with what makes that run this run.

No kill, power cut or full disk damages one: it is written beside the old one, then renamed over it.
"""

import os
import pickle
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from host_training.models.architecture import restored
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.training.evaluation import Evaluation
from host_training.training.mixture import SymbolMixture
from host_training.training.recipe import Recipe, StageName
from link.base import durable


class CheckpointError(Exception):
    """A checkpoint can not be written or read; the message says what is left and what to do."""


class NoModelError(CheckpointError):
    """What was read is whole, and is no stage's best model."""


@dataclass(frozen=True)
class Provenance:
    """What makes a run this run: every checkpoint says it, and only the same run is continued."""

    data_set: str
    data_sha256: str | None
    "None in a checkpoint of an earlier version."
    recipe: Recipe
    started_from_sha256: str | None
    teacher_sha256: str | None

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Provenance":
        return cls(
            saved["data_set"],
            saved.get("data_sha256"),
            Recipe.from_dict(saved["recipe"]),
            saved.get("started_from_sha256"),
            saved.get("teacher_sha256"),
        )


def differences(before: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """What tells two provenances apart, a phrase for each; both as `asdict` gives them."""
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(before[key], dict):
            yield from differences(before[key], value)
        elif before[key] != value:
            yield f"its {key} is {before[key]}, not {value}"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The best of a stage: ce.pt, duphil.pt or rate.pt."""

    model: AutoEncoder
    provenance: Provenance
    classes: tuple[str, ...]
    stage: StageName
    epoch: int
    validation: Evaluation
    latent_order: tuple[int, ...] | None = None
    "Latents by falling discriminative power; None until the stage is finished."
    mixture: SymbolMixture | None = None
    "What learned with the encoder in the stage `rate`."

    def write(self, path: Path) -> None:
        also = {} if self.mixture is None else {"mixture": self.mixture.state_dict()}
        order = {} if self.latent_order is None else {"latent_order": list(self.latent_order)}
        whole = {
            "model": self.model.state_dict(),
            "model_config": asdict(self.model.config),
            **asdict(self.provenance),
            "classes": list(self.classes),
            "stage": self.stage,
            "epoch": self.epoch,
            "validation": asdict(self.validation),
        }
        save(whole | order | also, path)

    @classmethod
    def read(cls, path: Path, device: torch.device | str = "cpu") -> "Checkpoint":
        """The model is in evaluation mode."""
        saved = load(path, device)
        try:
            model = AutoEncoder(ModelConfig(**restored(saved["model_config"]))).to(device)
            model.load_state_dict(saved["model"])
            return cls(
                model.eval(),
                Provenance.from_dict(saved),
                tuple(saved["classes"]),
                saved["stage"],
                saved["epoch"],
                Evaluation(**saved["validation"]),
                tuple(saved["latent_order"]) if "latent_order" in saved else None,
                _mixture(saved["mixture"]) if "mixture" in saved else None,
            )
        except Exception as error:  # what is in it may be anything
            said = str(error).partition("\n")[0] or type(error).__name__
            raise NoModelError(
                f"{path} holds no model of this program ({said}); give a run's ce.pt, duphil.pt or "
                "rate.pt"
            ) from None


def _mixture(state: dict[str, torch.Tensor]) -> SymbolMixture:
    n_latents, _, n_components = state["logits"].shape
    mixture = SymbolMixture(n_latents, n_components)
    mixture.load_state_dict(state)
    return mixture


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Replace `path` in one step; on any failure the old file stays as it was."""
    try:
        with durable.whole(path) as unfinished, unfinished.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        kept = (
            f"the one before it, {path}, is intact" if path.exists() else "there was none before it"
        )
        raise CheckpointError(
            f"checkpoint not written ({error}); {kept}. Free some space and run the command again"
        ) from error


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values only, never code."""
    try:
        loaded = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(loaded, dict):
            raise ValueError(f"it holds a {type(loaded).__name__}")
        return loaded
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}; run `make train` first") from None
    except Exception as error:  # a damaged archive raises many kinds
        said = str(error).partition("\n")[0] or type(error).__name__
        # PyTorch's own words would have it loaded all the same
        if isinstance(error, pickle.UnpicklingError):
            said = "it holds something else than tensors and plain values"
        raise CheckpointError(
            f"checkpoint {path} is damaged ({said}); delete it and run `make train` again"
        ) from None
