"""Mini-batches whose content depends on (seed, step) alone: a resumed run continues exactly where
it was killed.
"""

import numpy as np
import torch
from torch import Tensor

from host_training.data.dataset import Augmentation, Split

SEED_STRIDE = 1_000_003
"Keeps the streams of neighbouring seeds apart; a run is shorter than this many updates."

MAX_PIXELS_AT_ONCE = 500 * 64 * 64


def to_pixels(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C) → uint8 tensor (N, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def to_model_input(pixels: Tensor, pixel_pad: int) -> Tensor:
    """uint8 (N, C, H, W) → float32 in 0…1, `pixel_pad` reflected pixels around, channels last."""
    images = pixels.float().div_(255)
    if pixel_pad:
        images = torch.nn.functional.pad(images, (pixel_pad,) * 4, mode="reflect")
    return images.contiguous(memory_format=torch.channels_last)


def augment(pixels: Tensor, augmentation: Augmentation) -> Tensor:
    """Random rotation, zoom and crops, shifts padded with zeros, mirroring.

    Pixels uint8 (N, C, H, W) in and out.
    """
    if augmentation.rotation_degrees or augmentation.zoom or augmentation.crop < 1:
        pixels = _rotate_and_zoom(pixels, augmentation)
    n, _, height, width = pixels.shape
    columns = torch.arange(width, device=pixels.device).repeat(n, 1)
    if augmentation.flip:
        mirrored = torch.randint(2, (n, 1)).bool().to(pixels.device, non_blocking=True)
        columns = torch.where(mirrored, columns.flip(1), columns)
    pad = augmentation.crop_pad
    shifts = torch.randint(2 * pad + 1, (2, n, 1)).to(pixels.device, non_blocking=True)
    rows = torch.arange(height, device=pixels.device) + shifts[0]
    columns = columns + shifts[1]
    padded = torch.nn.functional.pad(pixels, (pad,) * 4).permute(0, 2, 3, 1)
    image_index = torch.arange(n, device=pixels.device)[:, None, None]
    cropped = padded[image_index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return _cut_out(cropped, augmentation.cutout) if augmentation.cutout else cropped


def _cut_out(pixels: Tensor, side: int) -> Tensor:
    """A black square around a random pixel of each image, at the border only a part of it."""
    n, _, height, width = pixels.shape

    def stripe(length: int) -> Tensor:
        first = torch.randint(length, (n, 1)).to(pixels.device, non_blocking=True) - side // 2
        position = torch.arange(length, device=pixels.device)
        return (position >= first) & (position < first + side)

    square = stripe(height)[:, None, :, None] & stripe(width)[:, None, None, :]
    return pixels.masked_fill(square, 0)


def _rotate_and_zoom(pixels: Tensor, augmentation: Augmentation) -> Tensor:
    n = len(pixels)
    angle = (torch.rand(n) * 2 - 1) * torch.deg2rad(torch.tensor(augmentation.rotation_degrees))
    scale = 1 + (torch.rand(n) * 2 - 1) * augmentation.zoom
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = angle.cos() * scale
    affine[:, 0, 1] = -angle.sin() * scale
    affine[:, 1, 0] = angle.sin() * scale
    if augmentation.crop < 1:
        share = augmentation.crop + torch.rand(n, 1) * (1 - augmentation.crop)
        affine[:, :, :2] *= share[:, :, None]
        affine[:, :, 2] = (torch.rand(n, 2) * 2 - 1) * (1 - share)
    affine = affine.to(pixels.device, non_blocking=True)
    # what is turned in from outside a photo is no black corner to learn from
    outside = "zeros" if augmentation.crop == 1 else "reflection"
    at_once = max(MAX_PIXELS_AT_ONCE // (pixels.shape[2] * pixels.shape[3]), 1)
    parts = zip(pixels.split(at_once), affine.split(at_once), strict=True)
    return torch.cat([_transformed(*part, outside) for part in parts])


def _transformed(pixels: Tensor, affine: Tensor, outside: str) -> Tensor:
    """uint8 (N, C, H, W) by what leads from places in the new images to those in the old, (N, 2,
    3), each −1…1.
    """
    grid = torch.nn.functional.affine_grid(affine, list(pixels.shape), align_corners=False)
    return (
        torch.nn.functional.grid_sample(
            pixels.float(), grid, padding_mode=outside, align_corners=False
        )
        .round()
        .to(torch.uint8)
    )


class Batches:
    """Shuffled, augmented batches of a fixed size; an epoch's incomplete last one is dropped."""

    def __init__(
        self,
        split: Split,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        device: torch.device,
        pixel_pad: int,
    ) -> None:
        self.pixels = to_pixels(split.images).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)
        self.batch_size = min(batch_size, len(self.labels))
        self.seed = seed
        self.pixel_pad = pixel_pad
        self.augmentation = augmentation
        self._epoch = -1
        self._order = torch.empty(0)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.labels) // self.batch_size

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and labels (N,) of an update."""
        indices = self.draw(step)
        pixels = augment(self.pixels[indices], self.augmentation)
        return to_model_input(pixels, self.pixel_pad), self.labels[indices]

    def draw(self, step: int) -> Tensor:
        """Which images an update learns, int64 (N,).

        Seeds torch's generator, so what is drawn after it repeats too, the quantiser's noise
        included.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * SEED_STRIDE + epoch)
            self._epoch = epoch
            self._order = torch.randperm(len(self.labels), generator=generator).to(
                self.labels.device
            )
        torch.manual_seed(self.seed * SEED_STRIDE + step)
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]


def evaluation_batches(split: Split, batch_size: int, device: torch.device, pixel_pad: int):
    """Images and labels of a split in order, unchanged, nothing dropped; fewer at once where they
    are large.
    """
    height, width = split.images.shape[1:3]
    batch_size = max(min(batch_size, MAX_PIXELS_AT_ONCE // (height * width)), 1)
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        pixels = to_pixels(split.images[part]).to(device)
        yield to_model_input(pixels, pixel_pad), torch.from_numpy(split.labels[part]).to(device)
