"""Clusters are named by what the bundle that made their symbols takes them for."""

from pathlib import Path

import numpy as np
import pytest

from host_decoder.collect.gathered import Gathered
from host_decoder.collect.guesses import guesses, known_bundles, majority
from host_decoder.decode.classifier import Classifier
from link.bundle import Bundle

DIGITS = Path("models/digits")


@pytest.fixture(scope="module")
def bundle():
    return Bundle.load(DIGITS, side="host")


def picture(bundle_id: str, symbols) -> Gathered:
    return Gathered(Path("00000001-00000000.png"), 1, 1, bundle_id, symbols, "b", 0.0, None)


def test_a_guess_is_what_the_decoder_says(bundle):
    symbols = np.random.default_rng(0).integers(-9, 9, (6, bundle.n_latents)).astype(np.int8)
    likely = Classifier.of(bundle)(symbols).argmax(axis=1)
    found = guesses([picture(bundle.id.hex(), one) for one in symbols], [Path("nowhere"), DIGITS])
    assert found == [bundle.classes[number] for number in likely]


def test_symbols_of_another_bundle_are_not_guessed(bundle):
    those = [
        picture("00" * 8, np.zeros(bundle.n_latents, np.int8)),
        picture(bundle.id.hex(), np.zeros(bundle.n_latents + 1, np.int8)),
    ]
    assert guesses(those, [DIGITS]) == ["", ""]
    assert guesses(those, []) == ["", ""]


def test_a_cluster_is_called_as_most_of_it_is():
    assert majority(["open"] * 6 + ["shut"] * 4) == "open"
    assert majority(["open"] * 5 + ["shut"] * 5) == ""
    assert majority([]) == majority(["", ""]) == ""


@pytest.mark.parametrize(
    ("label", "name"),
    [("../a/b", "_a_b"), ("half open", "half open"), ("a\nb", "a_b"), ("...", "")],
)
def test_no_label_leads_out_of_the_folder(label, name):
    assert majority([label]) == name


def test_a_host_knows_the_bundles_of_its_nodes(tmp_path):
    (tmp_path / "nodes").mkdir()
    (tmp_path / "host.toml").write_text('[[node]]\nnode = 1\nbundle = "one"\n')
    (tmp_path / "nodes/2.toml").write_text('node = 2\nbundle = ["new", "one"]\n')
    (tmp_path / "nodes/3.toml").write_text("not toml")
    assert known_bundles(tmp_path) == [tmp_path / "one", tmp_path / "new"]
    assert known_bundles(tmp_path / "nowhere") == []
