"""Chain: all parts of a cut encoder in one process, joined by the integers that cross its
boundaries.

What it gives is what nodes over a link must give, bit for bit. A part sees nothing but what it
reads, so where that is the same in two dead sets it runs once.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from export.encoder.int8_model import Int8Model
from export.encoder.symbols import Encode, Int8Encoder
from link.bundle import Bundle, ImageSpec, manifest

BATCH, BLOCK = 50, 1000
"Images that a part is given at once, and those whose tensors are held."
ZERO = -128
"What stands for symbol 0 of a boundary, and for all that did not come."

Dead = frozenset[int]
"Groups that are dead."
NOBODY: Dead = frozenset()


def encoder_of(bundle: Bundle, n_threads: int = 1) -> Encode:
    """What a bundle's node runs, or its team."""
    if bundle.team is None:
        return Int8Encoder(bundle.encoder_path, bundle.image, n_threads)
    return Chain(bundle.path, bundle.team, bundle.image, n_threads)


class Chain:
    """uint8 images (N, H, W, C) → symbols int8 (N, groups + D)."""

    def __init__(
        self, folder: Path, team: manifest.TeamEntry, image: ImageSpec, n_threads: int = 1
    ) -> None:
        self.team, self.image = team, image
        self.parts = [
            [
                Int8Model(folder / manifest.part_file(segment, group), n_threads, BATCH)
                for group in range(team.groups)
            ]
            for segment in range(len(team.segments))
        ]
        self.reach = [[NOBODY for _ in range(team.groups)]]
        "By segment and group: whose deaths change what that part makes."
        for segment in team.cut[1:]:
            before = self.reach[-1]
            self.reach.append(
                [
                    NOBODY.union(reads, *(before[other] for other in reads))
                    for reads in segment.reads
                ]
            )

    def __call__(
        self,
        images: np.ndarray,
        lives: np.ndarray | None = None,
        heard: np.ndarray | None = None,
    ) -> np.ndarray:
        """lives bool (N, groups): whose latents come; heard bool (N, exchanges, groups, groups):
        whether group g has at each exchange what group h made. None: all.
        """
        made = self._first(images)
        for place in range(1, len(self.parts)):
            comes = None if heard is None else heard[:, place - 1]
            made = [
                self._later(place, group, made, None if comes is None else comes[:, group])
                for group in range(self.team.groups)
            ]
        return self._joined(np.ones((1, self.team.groups)) if lives is None else lives, made)

    def of_dead_sets(self, images: np.ndarray, dead_sets: Iterable[Dead]) -> dict[Dead, np.ndarray]:
        """The symbols with those groups dead all the time."""
        dead_sets = list(dead_sets)
        blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
        made = [self._block_of_dead_sets(block, dead_sets) for block in blocks]
        return {dead: np.concatenate([block[dead] for block in made]) for dead in dead_sets}

    def boundaries(self, images: np.ndarray) -> list[np.ndarray]:
        """What crosses each exchange while all live: symbols uint8 (groups, N, h, w, c)."""
        made, crossing = self._first(images), []
        for place in range(1, len(self.parts)):
            published = self._published(place - 1, np.stack(made)).astype(np.int16)
            crossing.append((published - ZERO).astype(np.uint8))
            made = [self._later(place, group, made) for group in range(self.team.groups)]
        return crossing

    def _first(self, images: np.ndarray) -> list[np.ndarray]:
        pixels = self.image.to_model_input(images)
        return [part(pixels) for part in self.parts[0]]

    def _later(
        self,
        place: int,
        group: int,
        made: Sequence[np.ndarray | None],
        comes: np.ndarray | None = None,
    ) -> np.ndarray:
        """What a part makes of what the segment before it made; None: it did not come; comes
        bool (N, groups).
        """
        height, width, channels = self.team.cut[place - 1].shape
        n_images = next(len(tensor) for tensor in made if tensor is not None)
        read = []
        for other in self.team.cut[place].reads[group]:
            tensor = made[other]
            if tensor is None:
                tensor = np.full((n_images, height, width, channels), ZERO, np.int8)
            elif comes is not None:
                tensor = np.where(comes[:, other, None, None, None], tensor, np.int8(ZERO))
            read.append(self._published(place - 1, tensor))
        return self.parts[place][group](np.concatenate(read, axis=-1))

    def _published(self, place: int, tensor: np.ndarray) -> np.ndarray:
        return np.minimum(tensor, np.int8(self.team.cut[place].levels - 1 + ZERO))

    def _block_of_dead_sets(
        self, images: np.ndarray, dead_sets: Sequence[Dead]
    ) -> dict[Dead, np.ndarray]:
        first = self._first(images)
        known: dict[tuple[int, int, Dead], np.ndarray] = {}

        def made(place: int, group: int, dead: Dead) -> np.ndarray:
            if place == 0:
                return first[group]
            key = place, group, dead & self.reach[place][group]
            if key not in known:
                read = self.team.cut[place].reads[group]
                before = [
                    made(place - 1, other, dead) if other in read and other not in dead else None
                    for other in range(self.team.groups)
                ]
                known[key] = self._later(place, group, before)
            return known[key]

        last, n_each = len(self.parts) - 1, self.team.n_each
        nothing = np.zeros((len(images), n_each), np.int8)
        return {
            dead: self._joined(
                np.array([group not in dead for group in range(self.team.groups)])[None],
                [
                    nothing if group in dead else made(last, group, dead)
                    for group in range(self.team.groups)
                ],
            )
            for dead in dead_sets
        }

    def _joined(self, lives: np.ndarray, made: Sequence[np.ndarray]) -> np.ndarray:
        """Symbols of flags (N, groups) and each group's latents (N, n_each); a dead one's are 0."""
        flags = np.broadcast_to(lives, (len(made[0]), self.team.groups)).astype(np.int8)
        latents = np.concatenate(made, axis=1) * np.repeat(flags, self.team.n_each, axis=1)
        return np.concatenate([flags, latents[:, list(self.team.order)]], axis=1)
