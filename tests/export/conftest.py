"""A small model really trained on the digits, and its real export, once for all tests."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from export.decoders.finetune import FineTuning
from export.encoder import tflite
from export.pipeline import export
from export.report import ExportReport
from export.settings import Settings
from host_training.data.catalogue import load
from host_training.models.architecture import Architecture
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe
from host_training.training.trainer import Trainer
from link.bundle.bundle import Bundle
from tests.worlds.once import made_once

MODEL: dict[str, Any] = dict(
    base_width=8,
    blocks=(1, 1, 1),
    pooled=2,
    hidden=24,
    latents=10,
    latent_decoder_width=16,
    upsamplings=2,
    features=8,
)


SMALL: dict[str, Any] = MODEL | dict(
    height=16, width=12, channels=3, n_classes=5, base_width=6, pooled=1, latents=9
)


@dataclass(frozen=True)
class Exported:
    """A bundle with everything that was said and measured on the way to it."""

    settings: Settings
    bundle: Bundle
    report: ExportReport
    lines: list[str]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A digits model after ten epochs: not good, but a classifier."""
    torch.set_num_threads(1)

    def train(folder: Path) -> Path:
        run = folder / "digits-small"
        model = Architecture(**MODEL)
        short = replace(recipe("digits", ce_epochs=10, duphil_epochs=1), model=model)
        Trainer(load("digits"), short, run, torch.device("cpu")).train()
        return run / "duphil.pt"

    return made_once(tmp_path_factory, "trained", train)


@pytest.fixture(scope="session")
def exported(checkpoint, tmp_path_factory) -> Exported:
    """Eight of the ten latents, one fine-tuning pass or two."""

    settings = Settings(
        checkpoint,
        tmp_path_factory.mktemp("export") / "bundle",
        latents=8,
        components=(1, 4, 10, 1000),
        max_drop_points=3.0,
        fine_tuning=FineTuning(max_epochs=3),
    )
    run_worker = tflite.run_worker

    def convert_once(scratch: Path, worker: Path) -> None:
        """TensorFlow's part, the same in each worker."""

        def convert(folder: Path) -> bytes:
            run_worker(scratch, worker)
            return (scratch / "encoder.tflite").read_bytes()

        converted = made_once(tmp_path_factory, "converted", convert)
        (scratch / "encoder.tflite").write_bytes(converted)

    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "run_worker", convert_once)
        bundle, report = export(settings, lines.append)
    return Exported(settings, bundle, report, lines)


def random_model(seed: int = 0, **changes) -> AutoEncoder:
    """An untrained model whose batch norms have seen something; smaller than any preset."""
    torch.manual_seed(seed)
    model = AutoEncoder(ModelConfig(**(SMALL | changes)))
    with torch.no_grad():
        for _ in range(5):
            model(random_images(model.config, 32))
        last = model.encoder.dense[3]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight.mul_(40)
    return model.eval()


def random_images(config: ModelConfig, n: int) -> torch.Tensor:
    """Float images with their reflected border, as the encoder reads them."""
    pad = config.pixel_pad
    return torch.rand(n, config.channels, config.height + 2 * pad, config.width + 2 * pad)


@pytest.fixture(name="random_model")
def random_model_fixture():
    return random_model


@pytest.fixture(name="random_images")
def random_images_fixture():
    return random_images
