"""A further decoder learns from what the node sends already; the node, and the bundle's id, stay as
they are.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export import ExportError, measure
from export.__main__ import main
from export.decoders.add import Request, add_decoder
from export.encoder.symbols import Int8Encoder, received
from host_decoder.decode.task_reader import task_reader
from host_training.data.catalogue import load
from link.bundle import copies
from link.bundle.bundle import Bundle
from tests.worlds.small_bundle import random_tables


@pytest.fixture(scope="module")
def fielded(exported, tmp_path_factory) -> Path:
    """The folder of the digits bundle, for the whole module: every test adds to it."""
    folder = tmp_path_factory.mktemp("fielded") / "bundle"
    shutil.copytree(exported.settings.out, folder)
    return folder


def answers(bundle: Bundle, task: str, images: np.ndarray) -> list[dict]:
    """What the host says of images that went through the node's encoder and the wire coder."""
    symbols = Int8Encoder(bundle.encoder_path, bundle.image)(images)
    return list(task_reader(bundle, task)(measure.through_coder(symbols, bundle.tables).symbols))


def own_accuracy(exported) -> float:
    return exported.report.accuracies.through_coder


@pytest.mark.parametrize("loss", ["ce", "kl", "svm"])
def test_the_label_is_learned_once_more_from_scratch(fielded, exported, loss):
    bundle, name, figures = add_decoder(Request(fielded, "label", loss=loss))
    assert name == f"label-{loss}"
    assert figures["accuracy"] > own_accuracy(exported) - 0.06
    test = load("digits").test
    said = [int(answer["label"]) for answer in answers(bundle, name, test.images)]
    assert figures["accuracy"] == pytest.approx(np.mean(said == test.labels))


def test_node_and_id_and_the_other_decoders_stay(fielded, exported):
    before = exported.bundle
    bundle, _, _ = add_decoder(Request(fielded, "anomaly", name="stay"))
    assert (
        bundle.id == before.id == Bundle.load(fielded, "node").id == Bundle.load(fielded, "host").id
    )
    assert bundle.manifest.node == before.manifest.node
    assert bundle.calibration == before.calibration
    assert bundle.task("label").classes == before.classes
    for name in ("encoder.tflite", "tables.npz", "decoder.onnx"):
        assert (fielded / name).read_bytes() == (exported.settings.out / name).read_bytes()


def test_the_same_request_gives_the_same_bytes(fielded):
    request = Request(fielded, "label", name="twice", loss="svm")
    add_decoder(request)
    first = (fielded / "decoder-twice.onnx").read_bytes()
    add_decoder(request)
    assert (fielded / "decoder-twice.onnx").read_bytes() == first
    add_decoder(replace(request, seed=1))
    assert (fielded / "decoder-twice.onnx").read_bytes() != first


def test_an_anomaly_score_passes_what_it_knows_and_stops_what_it_does_not(fielded):
    bundle, name, _ = add_decoder(Request(fielded, "anomaly"))
    test = load("digits").test.images
    noise = np.random.default_rng(0).integers(0, 256, test.shape).astype(np.uint8)
    known, strange = (
        [answer["is_anomaly"] for answer in answers(bundle, name, images)]
        for images in (test, noise)
    )
    assert np.mean(known) < 0.15
    assert np.mean(strange) > 2 * np.mean(known) > 0


def test_a_thumbnail_is_nearer_to_its_original_than_the_mean_image_is(fielded):
    bundle, name, figures = add_decoder(Request(fielded, "thumbnail"))
    data = load("digits")
    [answer] = answers(bundle, name, data.test.images[:1])
    assert answer["shape"] == [8, 8, 1]
    error = ((data.test.images - data.train.images.mean(0)) ** 2).mean((1, 2, 3))
    assert figures["psnr_db"] > (10 * np.log10(255**2 / error)).mean() + 1


def test_a_new_class_is_told_from_the_old_ones_after_a_few_examples(fielded, tmp_path, capsys):
    folder = tmp_path / "stripes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(20):
        stripes = np.zeros((8, 8), np.uint8)
        stripes[:, ::2] = rng.integers(150, 256)
        Image.fromarray(stripes).save(folder / f"{number}.png")
    options = ["--task", "new-class", "--examples", str(folder), "--shots", "8", "--threads", "1"]
    assert main(["decoder", "--bundle", str(fielded), *options]) == 0
    assert "new-stripes" in capsys.readouterr().out
    task = Bundle.load(fielded, "host").manifest.host.tasks["new-stripes"]
    assert task.classes == ("other", "stripes")
    assert task.measured is not None
    assert task.measured.figures["found"] > 0.7
    assert task.measured.figures["false_alarms"] < 0.15


def test_a_bundle_that_came_with_the_programs_stays_as_it_came(
    exported, tmp_path, monkeypatch, capsys
):
    released = tmp_path / "models" / "digits"
    shutil.copytree(exported.settings.out, released)
    before = {path.name: path.read_bytes() for path in released.iterdir()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(copies, "RELEASED", tmp_path / "models")
    for name in ("one", "two"):
        words = ["--task", "label", "--task-loss", "svm", "--task-name", name, "--threads", "1"]
        assert main(["decoder", "--bundle", "models/digits", *words]) == 0
    said = capsys.readouterr().out
    assert (
        "models/digits stays as it came; runs/bundles/digits is a copy of it, and is added to"
        in said
    )
    assert "python -m host_decoder decode STORE --bundle runs/bundles/digits --task two" in said
    assert {path.name: path.read_bytes() for path in released.iterdir()} == before
    copy = Bundle.load("runs/bundles/digits", "host")
    assert copy.id == exported.bundle.id
    assert {"label", "one", "two"} <= copy.manifest.host.tasks.keys()
    other = tmp_path / "runs" / "bundles" / "other"
    shutil.copytree(Path(__file__).parents[3] / "models" / "cifar10-tiny", other)
    assert (
        main(["decoder", "--bundle", "models/digits", "--out", str(other), "--task", "anomaly"])
        == 1
    )
    assert (
        "holds another bundle than models/digits; give --out another name"
        in capsys.readouterr().err
    )


def test_what_is_learned_from_is_what_the_coder_delivers():
    tables = random_tables(seed=1)
    symbols = np.random.default_rng(0).integers(-128, 128, (40, tables.n_latents)).astype(np.int8)
    heard = received(lambda images: symbols, tables)(symbols)
    assert (heard != symbols).any()
    assert np.array_equal(heard, measure.through_coder(symbols, tables).symbols)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--task", "gender"], "there is no task 'gender'; there are label, coarse, fine, living"),
        (["--task", "label", "--task-loss", "l2"], "there is no loss 'l2'; there are ce, kl, svm"),
        (
            ["--task", "anomaly", "--task-loss", "svm"],
            "the loss svm is for label, coarse, fine, living; anomaly has its own",
        ),
        (["--task", "coarse"], "data set digits has no superclasses"),
        (["--task", "living"], "has the class '0', and nobody said whether that lives"),
        (
            ["--task", "anomaly", "--task-name", "label"],
            "is the decoder that the export made, and stays",
        ),
        (["--task", "anomaly", "--task-name", "No such/name"], "cannot name a task"),
        (["--task", "new-class"], "--examples FOLDER or DATASET:CLASS shows a new class"),
        (["--task", "label", "--examples", "digits:3"], "goes with --task new-class and no other"),
        (["--task", "label", "--dataset", "nowhere"], "data set 'nowhere' is neither"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    fielded, capsys, options, sentence
):
    before = {path.name: path.read_bytes() for path in fielded.iterdir()}
    assert main(["decoder", "--bundle", str(fielded), "--threads", "1", *options]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in fielded.iterdir()} == before


def test_images_of_another_shape_are_refused(fielded, tmp_path):
    for name in ("dark", "light"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "own" / name / f"{number}.png")
    with pytest.raises(
        ExportError, match=r"own has images \(8, 8, 3\), the bundle takes \(8, 8, 1\)"
    ):
        add_decoder(Request(fielded, "label", dataset=str(tmp_path / "own")))


def test_kl_d_needs_the_classes_that_the_bundle_s_own_decoder_knows(fielded, tmp_path):
    shutil.copytree(fielded, tmp_path / "other")
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    manifest["host"]["tasks"]["label"]["classes"] = list("abcdefghij")
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ExportError, match="it is for the bundle's own classes"):
        add_decoder(Request(tmp_path / "other", "label", loss="kl"))
    assert add_decoder(Request(tmp_path / "other", "label"))[1] == "digits", (
        "named after whose classes they are"
    )
