"""The score for images of none of the classes: in every bundle, and weak where it says that it
is.
"""

import numpy as np
import pytest
import torch

from export.decoders import anomaly
from export.decoders.strangers import KINDS, draw
from export.encoder.symbols import Int8Encoder, received
from host_decoder.decode.task_reader import task_reader
from host_training.data.catalogue import load
from link.bundle.manifest import ANOMALY_TASK


@pytest.fixture(scope="module")
def told(exported):
    """Share of images that the exported bundle's host takes for none of the classes."""
    bundle = exported.bundle
    encode = received(Int8Encoder(bundle.encoder_path, bundle.image), bundle.tables)
    read = task_reader(bundle, ANOMALY_TASK)

    def share(images: np.ndarray) -> float:
        return float(
            np.mean([answer["is_anomaly"] for answer in read(encode(images).astype(np.float32))])
        )

    return share


def test_every_export_has_one_that_passes_its_own_images(exported, told):
    entry = exported.bundle.manifest.host.tasks[ANOMALY_TASK]
    assert entry.learned.task == ANOMALY_TASK
    alarms = told(load("digits").test.images)
    assert alarms == pytest.approx(entry.measured.figures["false_alarms"])
    assert alarms < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_manifest_claims_of_a_kind_of_stranger_is_what_the_host_finds(
    exported, told, kind
):
    claimed = exported.bundle.manifest.host.tasks[ANOMALY_TASK].measured.figures[
        f"caught_{kind.replace(' ', '_')}"
    ]
    pictures = draw(kind, anomaly.N_TO_MEASURE, load("digits").train.images, anomaly.MEASURED)
    assert told(pictures) == pytest.approx(claimed)


def test_most_of_what_shows_nothing_is_told(exported):
    measured = exported.bundle.manifest.host.tasks[ANOMALY_TASK].measured.figures
    assert np.mean([measured[f"caught_{kind.replace(' ', '_')}"] for kind in KINDS]) > 0.5


def test_the_report_says_how_well_and_where_it_is_weak(exported):
    text = (exported.settings.out / "report.md").read_text()
    assert "## None of these" in text
    assert "| disc |" in text
    weak = exported.report.deployed.anomaly.weak_kinds
    assert (f"It is weak for these: {', '.join(weak)}." in text) == bool(weak)
    assert any(line.startswith("anomaly   none of these: ") for line in exported.lines)


class First(torch.nn.Module):
    """A score: the first symbol, stretched and moved."""

    def forward(self, symbols):
        return 1000 * symbols[:, 0] + 5


def test_scores_of_two_kinds_are_brought_to_one_scale():
    validation = np.random.default_rng(0).integers(-9, 10, (400, 3)).astype(np.int8)
    scaled = anomaly.run(anomaly.Scaled(First(), validation), validation).numpy()
    assert np.quantile(scaled, anomaly.ENDS) == pytest.approx([0, 1], abs=1e-6)


def test_few_validation_images_say_little_so_none_that_is_known_is_an_alarm():
    random = np.random.default_rng(0)
    own, validation = (
        random.integers(-9, 10, (300, 3)).astype(np.int8),
        random.integers(-9, 5, (60, 3)).astype(np.int8),
    )
    assert anomaly.threshold_of(First(), validation, own) == np.quantile(
        1000 * validation[:, 0] + 5, 0.95
    )
    assert anomaly.threshold_of(First(), validation[:49], own) == 1000 * own[:, 0].max() + 5
