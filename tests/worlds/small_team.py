"""A team as its host knows it: tables with alive flags, and a bundle whose parts are never run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import (
    HostHalf,
    Manifest,
    NodeHalf,
    Provenance,
    Segment,
    TaskEntry,
    TeamEntry,
)
from link.coder.tables import Tables
from tests.worlds.small_host import CLASSES, weights, write_decoder

GROUPS, N_EACH = 3, 4
N_SYMBOLS = GROUPS * (1 + N_EACH)


def team_tables(seed: int = 1) -> Tables:
    """Flags that are mostly 1, then latents of 8 values, each sent where its group lives."""
    rng = np.random.default_rng(seed)
    flags = [np.array([[0.1, 0.9]])] * GROUPS
    latents = [rng.dirichlet(np.full(8, 0.5), size=1) for _ in range(GROUPS * N_EACH)]
    owner = [*[-1] * GROUPS, *np.repeat(np.arange(GROUPS), N_EACH).tolist()]
    minimum = [*[0] * GROUPS, *[-4] * (GROUPS * N_EACH)]
    made = Tables.from_probabilities(minimum, [*flags, *latents], np.ones(1))
    return replace(made, owner=tuple(owner))


def team_symbols(seed: int, alive: Sequence[bool] = (True,) * GROUPS) -> np.ndarray:
    """int8 (N_SYMBOLS,): what an aggregator codes of an image."""
    flags = np.array(alive, np.int8)
    latents = np.random.default_rng(seed).integers(-4, 4, (GROUPS, N_EACH))
    return np.concatenate([flags, (latents * flags[:, None]).ravel()]).astype(np.int8)


def make_team_bundle(folder: Path) -> Bundle:
    folder.mkdir(parents=True)
    team = TeamEntry(
        groups=GROUPS,
        segments={"0": Segment(shape=(1, 1, N_EACH), levels=0, reads=((),) * GROUPS)},
        order=tuple(range(GROUPS * N_EACH)),
    )
    node = NodeHalf(image=ImageSpec(8, 8, 1), latents=N_SYMBOLS, team=team)
    for name in node.file_names:
        (folder / name).write_bytes(b"stays on the nodes")
    team_tables().to_npz(folder / "tables.npz")
    write_decoder(folder / "decoder.onnx", weights(N_SYMBOLS))
    host = HostHalf(tasks={"label": TaskEntry(file="decoder.onnx", classes=CLASSES)})
    manifest = Manifest(node=node, host=host, provenance=Provenance(data_set="blobs"))
    return Bundle.write(folder, manifest)
