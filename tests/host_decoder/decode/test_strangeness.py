"""None of these: what every answer says of whether its image shows any of the classes."""

from pathlib import Path

import numpy as np
import pytest

from device.encoder.encoder import Encoder
from export.decoders.strangers import draw
from host_decoder.decode.reader import Reader
from host_decoder.decode.strangeness import StrangenessScorer
from link.bundle.bundle import Bundle, BundleError
from link.bundle.manifest import ANOMALY_TASK
from link.coder import latent_coder
from tests.worlds.small_bundle import random_tables
from tests.worlds.small_host import make_bundle

MODELS = Path(__file__).parents[3] / "models"
RELEASED = sorted(
    path.parent.name
    for path in MODELS.glob("*/manifest.json")
    if path.parent.name != "universal"  # whose questions bring what they say of none of theirs
)


@pytest.mark.parametrize("name", RELEASED)
def test_every_released_bundle_has_a_score_for_what_it_does_not_know(name):
    bundle = Bundle.load(MODELS / name, side="host")
    measured = bundle.manifest.host.tasks[ANOMALY_TASK].measured
    assert measured is not None
    assert measured.figures["false_alarms"] < 0.07
    assert measured.figures["caught_lens_cap"] > 0.9
    assert StrangenessScorer.of(bundle) is not None


@pytest.fixture(scope="module")
def tiny():
    return Bundle.load(MODELS / "cifar10-tiny", side="host")


def verdicts(bundle: Bundle, pictures: np.ndarray, n_bytes: int | None = None):
    """What the host says of pictures that go through node and coder; of the first n_bytes of their
    bitstreams alone.
    """
    encoder, reader = Encoder(Bundle.load(bundle.path, side="node")), Reader(bundle, None)
    for picture in pictures:
        bitstream = latent_coder.encode(encoder(picture), bundle.tables)
        n = len(bitstream) if n_bytes is None else min(n_bytes, len(bitstream) - 1)
        latent = latent_coder.decode(bitstream[:n], bundle.tables, n == len(bitstream))
        yield from reader.judge_all(latent.symbols[np.newaxis], np.array([latent.n_known]))


@pytest.mark.parametrize(
    ("kind", "least"), [("lens cap", 0.9), ("noise", 0.8), ("wall", 0.8), ("disc", 0.5)]
)
def test_pictures_of_nothing_are_said_to_be_none_of_these(tiny, kind, least):
    own = np.zeros((1, 32, 32, 3), np.uint8)
    said = [
        verdict.strangeness.is_anomaly for verdict in verdicts(tiny, draw(kind, 60, own, seed=7))
    ]
    assert np.mean(said) > least


def test_of_a_prefix_nothing_is_said(tiny):
    own = np.zeros((1, 32, 32, 3), np.uint8)
    assert {
        verdict.strangeness for verdict in verdicts(tiny, draw("noise", 5, own, seed=7), n_bytes=1)
    } == {None}


def test_a_bundle_from_before_there_was_a_score_answers_without(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", random_tables(seed=1))
    assert StrangenessScorer.of(bundle) is None
    [verdict] = Reader(bundle, None).judge_all(
        np.zeros((1, bundle.n_latents), np.float32), np.array([bundle.n_latents])
    )
    assert verdict.strangeness is None


def test_a_file_that_gives_something_else_is_named(tiny, tmp_path):
    task = tiny.task("label")
    with pytest.raises(BundleError, match=r"decoder.onnx"):
        StrangenessScorer(task, tiny.n_latents)
