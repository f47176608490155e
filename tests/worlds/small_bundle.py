"""Small real things to test with: tables, symbols drawn from them, and a bundle folder on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import HostHalf, Manifest, Measured, NodeHalf, Provenance, TaskEntry
from link.coder.tables import Tables


def random_tables(
    seed: int, n_latents: int = 12, n_components: int = 5, max_symbols: int = 20
) -> Tables:
    rng = np.random.default_rng(seed)
    alphabet = rng.integers(2, max_symbols + 1, n_latents)
    probabilities = [rng.dirichlet(np.full(n, 0.3), size=n_components) for n in alphabet]
    return Tables.from_probabilities(
        -(alphabet // 2), probabilities, rng.dirichlet(np.ones(n_components))
    )


def random_symbols(tables: Tables, seed: int) -> np.ndarray:
    """Drawn from one component, as the tables expect them."""
    rng = np.random.default_rng(seed)
    component = rng.integers(tables.n_components)
    indices = [
        rng.choice(len(counts) - 1, p=np.diff(counts[:, component]) / counts[-1, component])
        for counts in tables.cumulative
    ]
    return (tables.symbol_min + np.array(indices)).astype(np.int8)


def make_bundle(
    folder: Path, tables: Tables | None = None, encoder: bytes = b"int8 model"
) -> Bundle:
    tables = tables or random_tables(seed=1)
    folder.mkdir(parents=True)
    (folder / "encoder.tflite").write_bytes(encoder)
    (folder / "decoder.onnx").write_bytes(b"float decoder")
    tables.to_npz(folder / "tables.npz")
    told = {"provenance": Provenance(seed=1), "measured": Measured(accuracy=0.97)}
    return Bundle.write(
        folder, small_manifest(ImageSpec(8, 8, 1), tables.n_latents, ("zero", "one"), **told)
    )


def small_manifest(
    image: ImageSpec, n_latents: int, classes: Sequence[str], **more: Any
) -> Manifest:
    """The manifest of a bundle with the label's decoder alone."""
    node = NodeHalf(image=image, wavelet="haar", latents=n_latents, input_zero_point=-128)
    tasks = {"label": TaskEntry(file="decoder.onnx", classes=tuple(classes))}
    return Manifest(node=node, host=HostHalf(tasks=tasks), **more)
