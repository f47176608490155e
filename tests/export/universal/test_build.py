import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from export import ExportError
from export.universal import features
from export.universal.build import MAX_BYTES, N_LATENTS, Building, build
from export.universal.features import LEAST, STEPS, backbone, vouched
from export.universal.pool import Pool
from host_decoder.decode.reader import Reader
from host_decoder.teach.encoder import encode
from host_decoder.teach.examples import Examples
from host_decoder.teach.question import Question, write
from host_training.data.batches import to_model_input, to_pixels
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from tests.scale import IS_NIGHTLY

RELEASED = Path(__file__).parents[3] / "models/universal"
DIGITS = ("digits",)


@pytest.fixture(scope="module")
def some():
    """Digits 0 and 1, which the released bundle has seen; no figure follows from them."""
    pool = Pool.of(DIGITS, Path("data"), seed=3, n_images=120)
    rows = np.flatnonzero(pool.known.labels < 2)[:20]
    return pool.images[rows], pool.known.labels[rows]


def test_the_released_bundle_is_taught_a_question_through_its_own_encoder(some, tmp_path):
    shutil.copytree(RELEASED, tmp_path / "universal")
    bundle = Bundle.load(tmp_path / "universal", "host")
    assert sum(path.stat().st_size for path in RELEASED.iterdir()) <= 5 << 20
    images, labels = some
    symbols = encode(bundle, images)
    assert symbols.shape == (len(images), N_LATENTS)
    bitstream = latent_coder.encode(symbols[0], bundle.tables)
    assert len(bitstream) <= MAX_BYTES
    heard = latent_coder.decode(bitstream, bundle.tables)
    assert np.array_equal(heard.symbols[: heard.n_known], symbols[0, : heard.n_known])
    names = [f"digit {label}" for label in labels]
    question = Question.learned(bundle, Examples.of(symbols, names, "digits"))
    assert question.accuracy > 0.8
    asked = write(bundle, "digit", question).asked("digit")
    verdicts = Reader(asked, None).judge_all(symbols.astype(np.float32), np.full(20, N_LATENTS))
    said = [asked.classes[one.probabilities.argmax()] for one in verdicts]
    assert np.mean([a == b for a, b in zip(said, names, strict=True)]) > 0.9


def test_a_backbones_features_are_symbols_in_steps_that_hold_all_of_relu6():
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)
    network = backbone()
    symbols = network(to_model_input(to_pixels(images), 0)).detach().numpy()
    maps = network.lite0(network.look(to_model_input(to_pixels(images), 0))).detach().numpy()
    assert symbols == pytest.approx(maps.mean((2, 3)) * STEPS + LEAST, abs=1e-3)
    assert symbols.min() >= LEAST


def test_a_backbone_from_before_is_known_or_said_to_be_unvouched(tmp_path, monkeypatch):
    with pytest.raises(ExportError, match=r"encoder\.tflite cannot be read \(No such file"):
        vouched(tmp_path)
    (tmp_path / "encoder.tflite").write_bytes(b"something")
    assert "nothing vouches for it but you (sha256 3fc9b689459d738f" in vouched(tmp_path)
    found = hashlib.sha256(b"something").hexdigest()
    monkeypatch.setattr(features, "BACKBONE_SHA256", found)
    assert vouched(tmp_path).endswith("is the one that models/universal was made of")


def test_the_known_backbone_is_the_released_bundles():
    origin = Bundle.load(RELEASED, "host").manifest.provenance
    assert origin.checkpoint_sha256 == features.BACKBONE_SHA256


def test_a_bundle_that_is_there_is_not_replaced(tmp_path):
    with pytest.raises(ExportError, match="is there already"):
        build(Building(sets=DIGITS, asked=DIGITS, out=tmp_path), print)


@pytest.mark.skipif(not IS_NIGHTLY, reason="a backbone is converted in minutes: make nightly")
def test_a_bundle_is_made_from_nothing_but_images(tmp_path):
    settings = Building(
        sets=DIGITS, asked=DIGITS, out=tmp_path / "made", n_images=400, n_varied=100
    )
    bundle = build(settings, print)
    assert bundle.classes == tuple("0123456789")
    assert bundle.measured.accuracy is not None
    assert bundle.measured.accuracy > 0.5
