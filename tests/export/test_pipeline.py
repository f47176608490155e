import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from export import ExportError, pipeline
from export.__main__ import main
from export.measure import Accuracies
from export.pipeline import check_drop, export
from host_decoder.decode.classifier import Classifier
from host_training.data.catalogue import load
from host_training.training.checkpoint import CheckpointError
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.output.results import check_result

FILES = {
    "manifest.json",
    "encoder.tflite",
    "tables.npz",
    "decoder.onnx",
    "decoder-anomaly.onnx",
    "report.json",
    "report.md",
}
SAME_EACH_TIME = FILES - {"report.json", "report.md"}


@pytest.fixture
def converted_already(exported, monkeypatch):
    """TensorFlow's part is taken from the bundle that is there: other parts are tested, and it
    takes ten seconds.
    """
    monkeypatch.setattr(
        pipeline.tflite,
        "convert",
        lambda onnx, images, path, *rest: shutil.copy(exported.bundle.encoder_path, path),
    )


def test_node_and_host_accept_the_bundle(exported):
    assert {path.name for path in exported.settings.out.iterdir()} == FILES
    for side in ("node", "host"):
        bundle = Bundle.load(exported.settings.out, side)
        assert bundle.id == exported.bundle.id
    assert bundle.image.shape == (8, 8, 1)
    assert bundle.classes == tuple("0123456789")
    assert bundle.n_latents == bundle.tables.n_latents == 8
    assert bundle.manifest.node.input_zero_point == -128


def test_the_same_export_twice_gives_the_same_bytes_and_replaces_the_old_one(exported, tmp_path):
    again = replace(exported.settings, out=tmp_path / "again", threads=2)
    again.out.mkdir()
    shutil.copy(exported.settings.out / "manifest.json", again.out)
    export(again, lambda line: None)
    assert {path.name for path in again.out.iterdir()} == FILES
    for name in SAME_EACH_TIME:
        assert (again.out / name).read_bytes() == (exported.settings.out / name).read_bytes(), name
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_what_is_no_finished_stage_is_refused(exported, tmp_path):
    run = exported.settings.checkpoint.parent
    with pytest.raises(CheckpointError, match=r"last\.pt holds no model of this program"):
        export(replace(exported.settings, checkpoint=run / "last.pt", out=tmp_path / "new"))
    begun = torch.load(run / "duphil.pt", weights_only=True)
    del begun["latent_order"]
    torch.save(begun, tmp_path / "duphil.pt")
    with pytest.raises(
        ExportError, match=r"duphil\.pt is of a stage that is not finished; train on"
    ):
        export(replace(exported.settings, checkpoint=tmp_path / "duphil.pt", out=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_images_that_training_never_mirrors_are_looked_at_once(exported, tmp_path):
    with pytest.raises(ExportError, match="looked at once: say VIEWS=1"):
        export(replace(exported.settings, views=2, out=tmp_path / "new"), lambda line: None)
    assert not list(tmp_path.iterdir())


def test_the_int8_symbols_are_the_float_ones_but_for_one(exported):
    agreements = exported.report.agreements
    assert agreements["ONNX and PyTorch, weights rounded"].equal > 0.999
    assert agreements["int8 and PyTorch"].within_one >= 0.99


def test_the_reported_accuracy_is_that_of_images_decoded_from_bytes(exported):
    from export.encoder.symbols import Int8Encoder

    test, bundle = load("digits").test, exported.bundle
    symbols = Int8Encoder(bundle.encoder_path, bundle.image)(test.images)
    bitstreams = [latent_coder.encode(image, bundle.tables) for image in symbols]
    received = np.stack(
        [latent_coder.decode(bitstream, bundle.tables).symbols for bitstream in bitstreams]
    )
    labels = Classifier.of(bundle)(received).argmax(1)
    assert bundle.measured.accuracy == pytest.approx((labels == test.labels).mean())
    assert bundle.measured.accuracy > 0.8
    assert bundle.measured.bytes_per_image == pytest.approx(np.mean([len(b) for b in bitstreams]))


def test_the_mixture_beats_the_histogram_and_stays_within_what_the_data_can_carry(exported):
    rates, tables = exported.report.deployed.rates, exported.report.deployed.tables
    assert [candidate.n_components for candidate in tables.candidates] == [1, 4, 10]
    assert rates.mixture_bits < 0.9 * rates.static_bits
    assert 0 < rates.coder_overhead_bits < 4


def test_the_report_says_everything_and_the_progress_one_line_a_stage(exported):
    text = (exported.settings.out / "report.md").read_text()
    for heading in (
        "Classes",
        "Do the encoders agree?",
        "Bytes per image",
        "Edge TPU",
        "Where it comes from",
    ):
        assert heading in text
    stored = json.loads((exported.settings.out / "report.json").read_text())
    assert stored["accuracy"]["through_coder"] == exported.report.accuracies.through_coder
    assert set(stored["by_class"]["classes"]) == set(map(str, range(10)))
    assert re.search(r"\| 7 \| \d+ \| \d+% \| \d+ \|", text)
    assert sum(one["right"] for one in stored["by_class"]["classes"].values()) == round(
        stored["accuracy"]["through_coder"] * stored["images"]
    )
    assert stored["encoder"]["macs"] == exported.report.cost.macs
    stages = [line.split()[0] for line in exported.lines]
    tables = ["tables"] * 3
    last = ["coder", "decoder", "classes", "calibrate", "anomaly", "bundle"]
    assert stages == ["fold", "int8", "agree", *tables, *last]


@pytest.mark.usefixtures("converted_already")
def test_nothing_is_written_when_int8_costs_more_than_it_may(exported, tmp_path):
    strict = replace(exported.settings, out=tmp_path / "bundle", max_drop_points=-50.0)
    with pytest.raises(
        ExportError,
        match=r"int8 costs -?\d+\.\d\d points on the test split .* -50 are allowed: no bundle",
    ):
        export(strict, lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_bundle_is_not_replaced(exported, tmp_path):
    (tmp_path / "thesis.tex").write_text("three years of work")
    with pytest.raises(ExportError, match="is not a bundle"):
        export(replace(exported.settings, out=tmp_path), lambda line: None)
    assert (tmp_path / "thesis.tex").exists()


def test_a_bundle_that_a_node_may_run_is_kept_when_another_takes_its_place(exported, tmp_path):
    out, new = tmp_path / "bundle", exported.bundle
    shutil.copytree(exported.settings.out, out)
    assert pipeline._place_for_old(out, new) is None, "the same again"
    assert (
        pipeline._place_for_old(out, replace(new, id=b"another."))
        == tmp_path / f"bundle-{new.id.hex()}"
    )
    Bundle.load(out, "host").with_task("more", new.manifest.host.tasks["label"])
    kept = pipeline._place_for_old(out, new)
    assert kept is not None
    assert kept == tmp_path / f"bundle-{new.id.hex()}", "its further decoder was made by hand"
    kept.mkdir()
    assert pipeline._place_for_old(out, new) == tmp_path / f"bundle-{new.id.hex()}-2"
    (out / "manifest.json").write_text("{")
    assert pipeline._place_for_old(out, new) is None


def test_what_was_added_to_a_bundle_goes_on_in_the_same_one_exported_again(exported, tmp_path):
    out, new = tmp_path / "bundle", tmp_path / "new"
    shutil.copytree(exported.settings.out, out)
    shutil.copytree(exported.settings.out, new)
    label = exported.bundle.manifest.host.tasks["label"]
    said: list[str] = []
    for name in ("living", "other"):
        (out / f"{name}.onnx").write_bytes((out / label.file).read_bytes())
        Bundle.load(out, "host").with_task(name, replace(label, file=f"{name}.onnx"))
    (new / "other.onnx").write_bytes(b"of something else")
    found = pipeline._with_tasks_of(out, Bundle.load(new, "host"), said.append)
    assert found.path == new
    assert set(found.manifest.host.tasks) == {*exported.bundle.manifest.host.tasks, "living"}
    assert Bundle.load(new, "host").has_task("living")
    assert said == [f"task      living of the bundle that was in {out} goes on"]
    assert pipeline._place_for_old(out, found) is not None, "there is one that did not"
    another = replace(Bundle.load(new, "host"), id=b"another.")
    assert pipeline._with_tasks_of(out, another, said.append) == another
    (out / "manifest.json").write_text("{")
    assert pipeline._with_tasks_of(out, found, said.append) == found


def test_a_missing_or_damaged_checkpoint_is_one_sentence(tmp_path, capsys):
    damaged = tmp_path / "duphil.pt"
    for content, sentence in (
        (None, "there is no checkpoint"),
        (b"PK\x03\x04 garbage", "is damaged"),
    ):
        if content:
            damaged.write_bytes(content)
        assert main(["--checkpoint", str(damaged), "--out", str(tmp_path / "bundle")]) == 1
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert sentence in message
        assert "make train" in message
    assert not (tmp_path / "bundle").exists()


@pytest.mark.usefixtures("converted_already")
def test_the_command_line_writes_a_results_file(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "--checkpoint",
        str(exported.settings.checkpoint),
        "--out",
        "bundle",
        "--latents",
        "8",
    ]
    assert main([*arguments, "--components", "1,4", "--max-drop", "5", "--threads", "1"]) == 0
    result = json.loads(
        (tmp_path / "runs" / "results" / "export-digits-custom-8-latents.json").read_text()
    )
    check_result(result)
    assert {
        *("float_accuracy", "int8_accuracy", "int8_drop_points", "encoder_macs", "encoder_bytes"),
        *("static_bits_per_image", "mixture_bits_per_image", "bytes_per_image"),
    } <= result["figures"].keys()
    assert "report.md" in capsys.readouterr().out


def test_few_test_images_refuse_no_export_that_chance_may_have_made_worse():
    measured = Accuracies(0.97, 0.9637, 0.9637, 0.95, 0.95, 0.9532)  # 5 of 496 images
    check_drop(measured, 1.0, 496)
    with pytest.raises(ExportError, match=r"int8 costs 1\.05 points"):
        check_drop(measured, 1.0, 1_000_000)
