"""Thumbnails: the image itself, as somebody with the key would see it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from export.decoders.add import (
    Decoder,
    thumbnail_lessons,
)
from export.decoders.networks import Learning, PrincipalComponents, learn_pixels
from export.decoders.pictures import psnr, ssim
from link.bundle.manifest import Output
from link.picture.writer import to_png
from tests.studies.tasks.field import Field, write_array
from tests.studies.tasks.rows import Row, Rows

N_SHOWN, ZOOM = 10, 3
PICTURE_FIGURES = (("psnr_db", ".2f"), ("ssim", ".3f"), ("picked_out", ".4f"))


def thumbnail_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    if not (missing := rows.missing("thumbnail", seeds)):
        return
    data, test = place.data, place.receive(place.data.test.images)
    originals, shape = data.test.images, data.image_shape
    lessons, components = thumbnail_lessons(place.heard(data))
    means = np.stack(
        [
            data.train.images[data.train.labels == label].mean(0)
            for label in range(len(data.classes))
        ]
    )
    by_label = likeness(
        "label_only_", np.rint(means).astype(np.uint8)[test.labels], originals, components
    )
    for seed in missing:
        decode = place.on_host(
            Decoder(learn_pixels(lessons, components, shape, Learning(seed=seed)), Output.PIXELS)
        )
        pictures = np.concatenate([decode(part) for part in np.array_split(test.symbols, 20)])
        write_array(place.folder / "shown.npy", np.stack([originals[:N_SHOWN], pictures[:N_SHOWN]]))
        rows.add("thumbnail", seed, likeness("", pictures, originals, components) | by_label)


def likeness(
    prefix: str, pictures: np.ndarray, originals: np.ndarray, components: PrincipalComponents
) -> Row:
    return {
        f"{prefix}psnr_db": float(psnr(pictures, originals).mean()),
        f"{prefix}ssim": float(ssim(pictures, originals).mean()),
        f"{prefix}picked_out": picked_out(pictures, originals, components),
    }


def picked_out(
    pictures: np.ndarray, originals: np.ndarray, components: PrincipalComponents
) -> float:
    """Share of the pictures (N, H, W, C) that are nearer to their original than to any of the other
    N - 1.
    """
    given, true = (
        torch.from_numpy(components.coefficients(images)) for images in (pictures, originals)
    )
    nearest = torch.cat([torch.cdist(part, true).argmin(1) for part in given.split(1000)])
    return float((nearest == torch.arange(len(true))).float().mean())


def show(place: Field, path: Path) -> None:
    """A sheet of images, and below them what their symbols give back."""
    shown = np.load(place.folder / "shown.npy")
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in shown])
    path.write_bytes(to_png(sheet.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)))
