"""Checkpoints that no kill, power cut or full disk damages: written beside the old one, then
renamed over it.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from link.base import durable


class CheckpointError(Exception):
    """A checkpoint can not be written or read; the message says what is left and what to do."""


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
