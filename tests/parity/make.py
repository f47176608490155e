"""Make what the parity test compares with, on Python 3.11: `python -m tests.parity.make`.

digits    the encoder of models/digits, from the checkpoint that it was exported of
photo     a small one of photo-32's kind, for scenes

Of each, encoder.onnx as it is on its way to TensorFlow Lite; of digits the images that its scales
are measured by; of photo what TensorFlow made, and its decoder.
"""

import argparse
import lzma
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from export.encoder import tflite
from export.pipeline import export
from export.settings import Settings
from host_training.data.dataset import Augmentation, DataSet, Split
from host_training.presets import recipe
from host_training.training.trainer import Trainer
from tests.parity import scenes

FOLDER = Path(__file__).parent
ONNX, CALIBRATION = "encoder.onnx.xz", "calibration.npz"
SIZES: dict[str, Any] = dict(base_width=12, hidden=48, latents=24, latent_decoder_width=32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", type=Path, required=True, metavar="CHECKPOINT.pt")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        keep(arguments.digits, Path(scratch) / "digits", FOLDER / "digits")
        run = Path(scratch) / "run"
        usual = recipe("photo-32", ce_epochs=12, duphil_epochs=2, batch_size=32)
        small = replace(usual, model=replace(usual.model, **SIZES))
        Trainer(scene_data(), small, run, torch.device("cpu")).train()
        with patch("export.pipeline.load_data", lambda *asked: scene_data()):
            keep(run / "duphil.pt", Path(scratch) / "photo", FOLDER / "photo")
        for name in ("encoder.tflite", "decoder.onnx"):
            shutil.copy(Path(scratch) / "photo" / name, FOLDER / "photo")


def scene_data() -> DataSet:
    train, validation, test = (
        Split(*scenes.scenes(n, seed)) for n, seed in ((3000, 1), (300, 2), (1000, 3))
    )
    seen = Augmentation(crop_pad=4, flip=True)
    return DataSet("scenes", scenes.CLASSES, train, validation, test, seen)


def keep(checkpoint: Path, bundle: Path, folder: Path) -> None:
    """Export, and keep what the converter is given."""
    folder.mkdir(exist_ok=True)
    convert = tflite.convert

    def kept(onnx_path: Path, calibration: np.ndarray, path: Path, views: object) -> None:
        if folder.name == "digits":
            np.savez_compressed(folder / CALIBRATION, images=calibration)
        else:
            calibration = scenes.calibration()
        (folder / ONNX).write_bytes(lzma.compress(onnx_path.read_bytes(), preset=9))
        convert(onnx_path, calibration, path)

    with patch.object(tflite, "convert", kept):
        export(Settings(checkpoint, bundle))


if __name__ == "__main__":
    main()
