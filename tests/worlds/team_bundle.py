"""A small team's bundle: untrained parts that LiteRT runs, real tables, a decoder.

Made in a moment: three groups, wired by the block design (0, 1) and its dual.
"""

from pathlib import Path

import numpy as np

from export.partition.chain import Chain
from export.partition.part_file import PIXEL, STEP, Conv, Layer, Mean, Pool, write_part
from export.partition.tables import with_flags, write_boundaries
from host_training.models.wiring import heard
from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import (
    BOUNDARIES,
    TABLES,
    HostHalf,
    Manifest,
    NodeHalf,
    Segment,
    TaskEntry,
    TeamEntry,
    part_file,
)
from link.coder.tables import Tables
from tests.worlds.small_host import CLASSES, weights, write_decoder

GROUPS, N_EACH, LEVELS = 3, 2, 16
IMAGE = ImageSpec(8, 8, 1)
WIDTHS = (4, 3)
"Channels of a group at each boundary."
ORDER = (5, 0, 3, 2, 1, 4)
N_IMAGES = 200
"What the tables are made of."


def make_team_bundle(folder: Path, n_segments: int = 3, n_groups: int = GROUPS) -> Bundle:
    """A bundle whose decoder is `small_host.weights` of all its symbols; two or three segments."""
    folder.mkdir(parents=True)
    team = TeamEntry(
        groups=n_groups,
        segments={
            str(place): _write_segment(folder, place, n_segments, n_groups)
            for place in range(n_segments)
        },
        order=_order(n_groups),
    )
    chain = Chain(folder, team, IMAGE)
    images = random_images(N_IMAGES, seed=1)
    write_boundaries(folder / BOUNDARIES, chain.boundaries(images), team)
    tables = with_flags(_histograms(chain(images)[:, n_groups:]), team)
    tables.to_npz(folder / TABLES)
    write_decoder(folder / "decoder.onnx", weights(tables.n_latents))
    node = NodeHalf(
        image=IMAGE, latents=tables.n_latents, wavelet="haar", input_zero_point=-128, team=team
    )
    tasks = {"label": TaskEntry(file="decoder.onnx", classes=CLASSES)}
    return Bundle.write(folder, Manifest(node=node, host=HostHalf(tasks=tasks)))


def chain_of(bundle: Bundle) -> Chain:
    """All its parts in one process: what nodes over a link must give."""
    assert bundle.team is not None
    return Chain(bundle.path, bundle.team, bundle.image)


def random_images(n_images: int, seed: int = 0) -> np.ndarray:
    """uint8 (N, 8, 8, 1): blots."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n_images, 4, 4, 1))
    return np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2).astype(np.uint8)


def _order(n_groups: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(0).permutation(n_groups * N_EACH).tolist())


def _write_segment(folder: Path, place: int, n_segments: int, n_groups: int) -> Segment:
    is_first, is_last = place == 0, place == n_segments - 1
    reads = heard("design", n_groups, (place - 1) % 2).tolist()
    side = IMAGE.height >> place
    channels = IMAGE.channels if is_first else len(reads[0]) * WIDTHS[place - 1]
    shapes = {
        write_part(
            folder / part_file(place, group),
            (side, side, channels),
            PIXEL if is_first else STEP,
            _layers(np.random.default_rng([place, group]), channels, place, is_first, is_last),
        )
        for group in range(n_groups)
    }
    [shape] = shapes
    return Segment(
        shape=shape,
        levels=0 if is_last else LEVELS,
        reads=tuple(() if is_first else tuple(groups) for groups in reads),
    )


def _layers(
    rng: np.random.Generator, channels: int, place: int, is_first: bool, is_last: bool
) -> list[Layer]:
    """Weights that let a boundary's symbols reach its levels now and then, and latents differ."""

    def conv(
        n_out: int, n_in: int, size: int, spread: float, is_centred: bool = False, **more: object
    ) -> Conv:
        weight = rng.normal(size=(n_out, n_in, size, size)) * spread / np.sqrt(n_in * size**2)
        weight -= weight.mean((1, 2, 3), keepdims=True) * is_centred
        return Conv(weight, rng.normal(size=n_out), size // 2, **more)  # type: ignore[arg-type]

    spread = 18.0 if is_first else 1.5
    if not is_last:
        return [conv(WIDTHS[place], channels, 3, spread, scale=STEP), Pool()]
    return [
        conv(8, channels, 3, spread, scale=0.1),
        Mean(0.05),
        conv(N_EACH, 8, 1, 12.0, True, scale=STEP, has_relu=False),
    ]


def _histograms(latents: np.ndarray) -> Tables:
    """One of each latent, of int8 (N, D), and one more symbol on each side."""
    low = latents.min(0).astype(int) - 1
    counts = [np.bincount(column - low[d]) for d, column in enumerate(latents.T.astype(int))]
    return Tables.from_counts(low, [np.pad(count, (0, 1)) + 0.5 for count in counts])
