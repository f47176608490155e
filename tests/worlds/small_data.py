"""Small data: folders of images and official CIFAR files with few rows."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from host_training.data import cifar


def make_image_folder(folder: Path, counts: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            size = (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
            image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
            mode, extension = [("RGB", "png"), ("L", "jpg"), ("P", "gif"), ("RGBA", "webp")][i % 4]
            image.convert(mode).save(folder / name / f"{i}.{extension}")
    return folder


def write_official_cifar10(folder: Path, n_per_batch: int = 40) -> None:
    """A small set in the official layout: the same pickles, fewer rows."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in (*cifar.SOURCES["cifar10"].train_files, "test_batch"):
        rows = rng.integers(0, 256, (n_per_batch, 3072), dtype=np.uint8)
        labels = [i % 10 for i in range(n_per_batch)]
        (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": labels}, protocol=2))
    names = [f"class {i}".encode() for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))


CIFAR100_NAMES = {b"fine_label_names": 100, b"coarse_label_names": 20}


def write_cifar_100(data_dir: Path, n_names: dict[bytes, int]) -> None:
    folder = data_dir / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("train", 400), ("test", 100)):
        fine = [i % 100 for i in range(n)]
        rows = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        batch = {
            b"data": rows,
            b"fine_labels": fine,
            b"coarse_labels": [label // 5 for label in fine],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {
        key: [f"{key[:6].decode()} {i}".encode() for i in range(n)] for key, n in n_names.items()
    }
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
