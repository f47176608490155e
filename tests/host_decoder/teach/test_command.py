import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_decoder.commands import main
from host_decoder.config import KnownNode
from host_decoder.receive.host import Host
from host_decoder.store.history.desk import Desk
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.coder.tables import Tables
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle

N_IMAGES = 60
PARITY = Path(__file__).parents[2] / "parity"


@pytest.fixture
def own(bundle, tmp_path):
    return make_bundle(tmp_path / "own", bundle.tables)


@pytest.fixture
def history(own, tmp_path):
    """A store of images 0, 2, 4, …, and which of them show something big."""
    path = tmp_path / "host.sqlite"
    symbols = np.stack([random_symbols(own.tables, seed) for seed in range(N_IMAGES)])
    sums = symbols[:, :4].sum(1)
    with Store(path) as store:
        host = Host([KnownNode(NODE, KEY, own)], store, [])
        node = SmallNode(own)
        for number, row in enumerate(symbols):
            for packet in node.packets(row):
                host.receive(packet, now_s=float(number))
        host.close()
    return path, sums > np.median(sums)


def test_stored_images_that_a_table_labels_teach_and_all_history_is_asked(
    own, history, tmp_path, capsys
):
    path, is_big = history
    lines = [f"{NODE},{2 * i},{'big' if is_big[i] else 'small'}" for i in range(40)]
    (tmp_path / "labels.csv").write_text("\n".join(["node,image,label", *lines]))
    words = ["--bundle", f"{own.path}", "--name", "size", "--store", f"{path}"]
    assert main(["teach", *words, "--csv", f"{tmp_path / 'labels.csv'}"]) == 0
    said = capsys.readouterr().out
    assert "size: 2 classes from 40 examples (stored images)" in said
    assert f"asked of all {N_IMAGES} stored images" in said
    assert 'question = "size"' in said
    assert main(["decode", f"{path}", "--bundle", f"{own.path}", "--task", "size", "--csv"]) == 0
    answers = capsys.readouterr().out.splitlines()[1:]
    right = [("big" if big else "small") in line for line, big in zip(answers, is_big, strict=True)]
    assert np.mean(right[40:]) > 0.7


def test_labels_of_the_page_and_ranges_teach_too(own, history, capsys):
    path, _ = history
    with Store(path) as store:
        [sender] = {image.sender for image in store.images(own.id.hex())}
        Desk(store.database).label_image(sender, 14, "odd")
        Desk(store.database).label_image(sender, 16, "odd")
    words = ["--bundle", f"{own.path}", "--name", "any", "--store", f"{path}", "--page"]
    assert main(["teach", *words, "--label", f"even={NODE}:0-9"]) == 0
    assert "2 to 5 of each" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say what there is to learn from"),
        (("--folder", "nowhere"), "there is no folder nowhere"),
        (("--store", "STORE"), "none of the images of bundle"),
        (("--store", "STORE", "--label", "x"), "does not say what it shows"),
        (("--store", "STORE", "--label", f"x={NODE}:1-9"), "all of one class, x"),
    ],
)
def test_what_teaches_nothing_is_said_in_a_sentence(own, history, capsys, words, sentence):
    words = [str(history[0]) if word == "STORE" else word for word in words]
    assert main(["teach", "--bundle", f"{own.path}", "--name", "size", *words]) == 1
    assert sentence in capsys.readouterr().err


@pytest.fixture
def photo_bundle(tmp_path):
    """A real int8 encoder of 64 x 64 photos, with tables that know every symbol."""
    tables = Tables.from_probabilities([-128] * 24, [np.ones(256)] * 24, np.ones(1))
    return make_bundle(
        tmp_path / "photo", tables, (PARITY / "photo/encoder.tflite").read_bytes(), (64, 64, 3)
    )


def test_photos_in_a_folder_go_through_the_bundles_own_encoder(photo_bundle, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.clip(rng.normal(colour, 25, (70, 80, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "photos" / "red" / "notes.txt").write_text("no photo")
    words = ["--bundle", f"{photo_bundle.path}", "--folder", f"{tmp_path / 'photos'}"]
    assert main(["teach", *words, "--name", "colour", "--out", f"{tmp_path / 'copy'}"]) == 0
    said = capsys.readouterr()
    assert "100.0% right" in said.out
    assert "notes.txt" in said.err
    assert Bundle.load(tmp_path / "copy", "host").task("colour").classes == ("blue", "red")
    assert not Bundle.load(photo_bundle.path, "host").has_task("colour")


def test_teaching_changes_nothing_in_the_store(own, history):
    path, is_big = history

    def rows() -> list[int]:
        with closing(sqlite3.connect(path)) as stored:
            tables = [
                name
                for (name,) in stored.execute("select name from sqlite_master where type = 'table'")
            ]
            return [stored.execute(f"select count(*) from {name}").fetchone()[0] for name in tables]

    before = rows()
    labels = [f"--label={'big' if is_big[i] else 'small'}={NODE}:{2 * i}" for i in range(N_IMAGES)]
    assert (
        main(["teach", "--bundle", f"{own.path}", "--name", "size", "--store", f"{path}", *labels])
        == 0
    )
    assert rows() == before


def test_what_cannot_be_is_a_sentence_and_nothing_is_written(own, tmp_path, capsys):
    words = ["teach", "--bundle", f"{own.path}", "--out", f"{tmp_path / 'out'}"]
    store = ["--store", f"{tmp_path / 'host.sqlite'}", "--csv", f"{tmp_path / 'none.csv'}"]
    assert main([*words, "--name", "../size", *store])
    assert "'../size' cannot name a task" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--name", "size", *store])
    assert "none.csv cannot be read: No such file" in capsys.readouterr().err


def test_photos_do_not_go_through_a_damaged_encoder(own, tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8), number).save(tmp_path / "photos" / name / f"{number}.png")
    own.encoder_path.write_bytes(own.encoder_path.read_bytes()[:20])
    folder = ["--folder", f"{tmp_path / 'photos'}"]
    assert main(["teach", "--bundle", f"{own.path}", "--name", "size", *folder])
    assert "encoder.tflite" in capsys.readouterr().err
