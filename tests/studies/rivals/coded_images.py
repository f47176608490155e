"""Images as they look after a codec: the test split at one setting, or a data set to train on, at
random settings.

Coding takes minutes, so everything is kept in a folder, in blocks: a run goes on where it was
interrupted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from host_training.data.batches import to_pixels
from host_training.data.dataset import DataSet, Split
from link.base import durable
from tests.studies.rivals.image_codecs import PIXELS, Setting, body, decode, rebuild

BLOCK = 2500


@dataclass(frozen=True, eq=False)
class Coded:
    """Images after the codec, and the bytes that each took."""

    images: np.ndarray
    "uint8 (N, side, side, 3)"
    n_bytes: np.ndarray
    "int64 (N,)"


def coded(images: np.ndarray, setting: Setting, folder: Path) -> Coded:
    """Each image (N, 32, 32, 3) to its body and back: the host decodes the file that it rebuilt."""
    path = folder / f"{setting.name}-{len(images)}.npz"
    if not path.exists():
        template = setting.encode(blank())
        bodies = [
            body(setting, setting.encode(Image.fromarray(image)), template) for image in images
        ]
        decoded = np.stack(
            [np.asarray(decode(rebuild(setting, sent, template))) for sent in bodies]
        )
        _save(path, images=decoded, n_bytes=np.array([len(sent) for sent in bodies]))
    with np.load(path) as file:
        return Coded(file["images"], file["n_bytes"])


def blank() -> Image.Image:
    """The image whose files are the templates; any would do."""
    return Image.new("RGB", (PIXELS, PIXELS), (120, 110, 100))


def enlarge(images: np.ndarray) -> np.ndarray:
    """uint8 (N, side, side, 3) → (N, 32, 32, 3), bicubic."""
    if images.shape[1] == PIXELS:
        return images
    larger = torch.nn.functional.interpolate(
        to_pixels(images).float(), PIXELS, mode="bicubic", align_corners=False
    )
    return larger.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def mixed(
    data: DataSet, settings: Sequence[Setting], n_draws: int, folder: Path, seed: int = 0
) -> DataSet:
    """Every training image `n_draws` times and every validation image once, each at a setting of
    its own.
    """
    train = [
        _mixed_split(data.train, settings, folder, (seed, 1 + draw)) for draw in range(n_draws)
    ]
    labels = np.tile(data.train.labels, n_draws)
    validation = _mixed_split(data.validation, settings, folder, (seed, 0))
    return replace(
        data,
        train=Split(np.concatenate(train), labels),
        validation=Split(validation, data.validation.labels),
    )


def _mixed_split(
    split: Split, settings: Sequence[Setting], folder: Path, seed: tuple[int, int]
) -> np.ndarray:
    chosen = np.random.default_rng(seed).integers(len(settings), size=len(split))
    blocks = []
    for start in tqdm(range(0, len(split), BLOCK), desc=f"coding, draw {seed[1]}", unit="block"):
        path = folder / f"mixed-{seed[0]}-{seed[1]}-{start}.npz"
        if not path.exists():
            rows = range(start, min(start + BLOCK, len(split)))
            _save(
                path,
                images=np.stack(
                    [_through(split.images[row], settings[chosen[row]]) for row in rows]
                ),
            )
        with np.load(path) as file:
            blocks.append(file["images"])
    return np.concatenate(blocks)


def _through(image: np.ndarray, setting: Setting) -> np.ndarray:
    return enlarge(np.asarray(decode(setting.encode(Image.fromarray(image))))[None])[0]


def _save(path: Path, **arrays: np.ndarray) -> None:
    with durable.whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)
