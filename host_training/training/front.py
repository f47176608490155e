"""Front batches: mini-batches of what a backbone's frozen front makes of the images.

Of every training image some versions are drawn, the image itself first, and their maps are computed
once and kept, at most MAX_BYTES of them; an image shows its versions in turn, another one in each
epoch. Where not even one version of all images can be kept, maps are computed as they are wanted.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from host_training.data.batches import SEED_STRIDE, Batches, augment, to_model_input
from host_training.data.dataset import Augmentation, Split
from host_training.models.backbone.encoder import PhotoEncoder
from host_training.training.progress import StageProgress

MAX_BYTES = 1 << 30
CHUNK = 64
"Images that go through the front at once."


def channels_last(maps: Tensor) -> Tensor:
    """(N, C, h, w) → (N, h, w, C): convolutions are faster where channels lie side by side."""
    return maps.permute(0, 2, 3, 1)


def channels_first(kept: Tensor) -> Tensor:
    """And back; nothing moves in memory."""
    return kept.permute(0, 3, 1, 2)


class FrontBatch(NamedTuple):
    """What an update learns."""

    maps: Tensor
    "(N, C, h, w)"
    labels: Tensor
    "(N,)"
    wanted: Tensor | None
    "A teacher's scores (N, K), where there is one."


class FrontBatches(Batches):
    """Batches behind the front of an encoder, with the scores that a teacher has for each version
    of an image.
    """

    def __init__(
        self,
        split: Split,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        device: torch.device,
        encoder: PhotoEncoder,
        teacher: nn.Module | None,
        n_views: int,
    ) -> None:
        super().__init__(split, augmentation, batch_size, seed, device, 0)
        self.encoder, self.teacher = encoder, teacher
        shape = channels_last(encoder.front(to_model_input(self.pixels[:1], 0))).shape[1:]
        n_bytes = len(self.labels) * shape.numel() * torch.bfloat16.itemsize
        self.n_views = min(n_views, MAX_BYTES // n_bytes)
        "Versions of each image that are kept; 0: none is."
        self.maps = torch.empty(
            (self.n_views, len(self.labels), *shape), dtype=torch.bfloat16, device=device
        )
        "(V, N, h, w, C)"
        self.wanted: Tensor | None = None

    def fill(self, until: Callable[[], bool]) -> bool:
        """Compute what is kept; False when `until` ended it."""
        wanted: list[Tensor] = []  # of all chunks of one version after the other
        n_chunks = -(-len(self.labels) // CHUNK)
        with StageProgress("frozen layers", self.n_views * n_chunks, 0, 1) as shown:
            for view in range(self.n_views):
                for i, images in enumerate(self.versions(view)):
                    maps = self.encoder.front(images)
                    self.maps[view, i * CHUNK : i * CHUNK + len(maps)] = channels_last(maps)
                    if (scores := self._taught(images)) is not None:
                        wanted.append(scores)
                    shown.step()
                    if until():
                        return False
        if wanted:
            self.wanted = torch.cat(wanted).unflatten(0, (self.n_views, len(self.labels)))
        return True

    def versions(self, view: int) -> Iterator[Tensor]:
        """One version of all images, in chunks (n, C, H, W); the first is the images themselves."""
        generator = torch.Generator().manual_seed(self.seed * SEED_STRIDE + view)
        seeds = torch.randint(1 << 62, (-(-len(self.labels) // CHUNK),), generator=generator)
        for seed, pixels in zip(seeds.tolist(), self.pixels.split(CHUNK), strict=True):
            torch.manual_seed(seed)
            yield to_model_input(augment(pixels, self.augmentation) if view else pixels, 0)

    def maps_of(self, view: int) -> Iterator[Tensor]:
        """The maps of one version of all images, in chunks (n, C, h, w)."""
        if view < self.n_views:
            yield from (channels_first(kept.float()) for kept in self.maps[view].split(CHUNK))
        else:
            yield from (self.encoder.front(images) for images in self.versions(view))

    def batch(self, step: int) -> FrontBatch:  # type: ignore[override]
        indices = self.draw(step)
        labels = self.labels[indices]
        if not self.n_views:
            images = to_model_input(augment(self.pixels[indices], self.augmentation), 0)
            return FrontBatch(self.encoder.front(images), labels, self._taught(images))
        views = (step // self.steps_per_epoch + indices) % self.n_views
        wanted = None if self.wanted is None else self.wanted[views, indices]
        return FrontBatch(channels_first(self.maps[views, indices].float()), labels, wanted)

    @torch.no_grad()
    def _taught(self, images: Tensor) -> Tensor | None:
        return None if self.teacher is None else self.teacher(images).float()
