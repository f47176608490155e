"""What was received once is classified again by a decoder made later."""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest

from host_decoder.commands import main
from host_decoder.config import KnownNode
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer
from host_decoder.receive.host import Host
from host_decoder.store.history.redecode import redecode
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.bundle.calibration import Calibration
from link.coder import latent_coder
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle, right_label
from tests.worlds.stored import raw


@pytest.fixture
def symbols(bundle):
    return [random_symbols(bundle.tables, seed) for seed in range(30)]


@pytest.fixture
def filled(tmp_path, node_entry, bundle, other_bundle, symbols):
    """Path of a store with 30 images of the bundle, every third without its last chunks, and one of
    another bundle.
    """
    path = tmp_path / "filled.sqlite"
    with Store(path) as store:
        host = Host([node_entry], store, [other_bundle])
        node = SmallNode(bundle, chunk_bytes=3)
        for number, row in enumerate(symbols):
            packets = node.packets(row)
            for packet in packets[:1] if number % 3 == 2 else packets:
                host.receive(packet, now_s=float(number))
        host.receive(
            SmallNode(other_bundle, start=500).packets(random_symbols(other_bundle.tables, 0))[0],
            99.0,
        )
        host.close()
    return path


@pytest.fixture
def new_bundle(bundle, tmp_path):
    """The same for the node, with another decoder for the host."""
    made = make_bundle(tmp_path / "new", bundle.tables, decoder_seed=1)
    assert made.id == bundle.id
    return made


def test_whole_images_get_the_new_decoder_s_label(filled, new_bundle, symbols):
    with Store(filled) as store:
        answers = list(redecode(store, new_bundle))
    assert len(answers) == 30
    assert [answer["image"] for answer in answers] == sorted(answer["image"] for answer in answers)
    whole = [
        (answer, row) for answer, row in zip(answers, symbols, strict=True) if answer["is_complete"]
    ]
    assert len(whole) >= 20
    for answer, row in whole:
        assert answer["label"] == right_label(row, seed=1)
        assert answer["symbols_known"] == answer["symbols"] == 12


def test_images_that_came_in_part_are_decoded_as_far_as_they_came(filled, new_bundle, symbols):
    with Store(filled) as store:
        answers = redecode(store, new_bundle)
        partial = [
            (answer, row)
            for answer, row in zip(answers, symbols, strict=True)
            if not answer["is_complete"]
        ]
    assert partial
    for answer, row in partial:
        bitstream = latent_coder.encode(row, new_bundle.tables)
        latent = latent_coder.decode(
            bitstream[: answer["bitstream_bytes"]], new_bundle.tables, complete=False
        )
        assert answer["symbols_known"] == latent.n_known < 12
        assert answer["label"] == right_label(latent.symbols, seed=1)


def test_a_line_is_what_listen_said(bundle, store, symbols, tmp_path):
    """Same decoder, same store: label, confidence, time and all else, of whole images and of
    parts.
    """
    shutil.copytree(bundle.path, tmp_path / "modest")
    calibration = Calibration((0, bundle.n_latents), (5.0, 2.0), (0.5, 0.0))
    modest = Bundle.load(tmp_path / "modest", side="host").with_calibration(calibration, {})
    entry = KnownNode(NODE, KEY, modest, tasks=("label",))
    host = Host([entry], store, verdict=VerdictConfig(confidence=0.5))
    node = SmallNode(modest, chunk_bytes=3)
    told: dict[int, Answer] = {}
    for number, row in enumerate(symbols):
        packets = node.packets(row)
        for packet in packets[:1] if number % 3 == 2 else packets:
            told |= {
                event.image: event
                for event in host.receive(packet, float(number))
                if isinstance(event, Answer)
            }
    lines = list(redecode(store, modest))
    assert [line["image"] for line in lines] == sorted(told)
    for line in lines:
        said = told[line["image"]].to_json()
        [by_task] = said.pop("tasks").values()
        assert line == said
        assert {name: line[name] for name in by_task} == by_task
    assert any(line["is_enough"] for line in lines)
    assert len({line["confidence"] for line in lines}) > 10


def lines_of(capsys, *arguments: str) -> list[str]:
    assert main(["decode", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_only_images_of_late_are_decoded_when_that_is_asked_for(filled, new_bundle, capsys):
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute("UPDATE chunks SET received_s = received_s - 7200 WHERE counter < 40")
    command = [str(filled), "--bundle", str(new_bundle.path)]
    everything, of_late = lines_of(capsys, *command), lines_of(capsys, *command, "--since", "1h")
    assert 0 < len(of_late) < len(everything)
    assert of_late == everything[-len(of_late) :]
    assert lines_of(capsys, *command, "--since", "3h") == everything
    assert lines_of(capsys, *command, "--since", "2020-01-31") == everything
    assert lines_of(capsys, *command, "--since", "9999-01-01T00:00+02:00") == []
    with pytest.raises(SystemExit):
        main(["decode", *command, "--since", "yesterday"])
    assert (
        "'yesterday' is no moment; write how long ago (90m, 2h, 3d, 1w), a date"
        in capsys.readouterr().err
    )


def test_csv_has_the_same_answers_and_a_time_that_a_person_reads(filled, new_bundle, capsys):
    command = [str(filled), "--bundle", str(new_bundle.path)]
    answers = [json.loads(line) for line in lines_of(capsys, *command)]
    rows = list(csv.DictReader(lines_of(capsys, *command, "--csv")))
    assert [(int(row["node"]), int(row["image"]), row["label"]) for row in rows] == [
        (answer["node"], answer["image"], answer["label"]) for answer in answers
    ]
    assert {row["bundle"] for row in rows} == {new_bundle.id.hex()}
    for row, answer in zip(rows, answers, strict=True):
        assert datetime.fromisoformat(row["time"]).timestamp() == pytest.approx(
            answer["received_s"], abs=0.002
        )


def test_the_command_prints_a_line_per_image(filled, new_bundle, other_bundle, capsys):
    assert main(["decode", str(filled), "--bundle", str(new_bundle.path)]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert len(lines) == 30
    assert {line["node"] for line in lines} == {NODE}
    assert "30 images decoded again" in printed.err
    assert f"1 chunks of other bundles were left: {other_bundle.id.hex()}" in printed.err


def test_a_bundle_that_nothing_was_sent_with_is_told_what_there_is(
    filled, bundle, live_bundle, capsys
):
    assert main(["decode", str(filled), "--bundle", str(live_bundle.path)]) == 1
    said = capsys.readouterr().err
    assert f"no chunk of bundle {live_bundle.id.hex()}" in said
    assert bundle.id.hex() in said


def test_a_bitstream_of_other_tables_is_an_error_of_its_image_alone(
    tmp_path, node_entry, bundle, new_bundle
):
    """A node whose bundle id fits but whose tables do not cannot be; a store that was tampered with
    can.
    """
    path = tmp_path / "tampered.sqlite"
    with Store(path) as store:
        host = Host([node_entry], store)
        node = SmallNode(bundle, KEY)
        for seed in range(2):
            host.receive(node.packets(random_symbols(bundle.tables, seed))[0], 0.0)
        raw(store).execute("UPDATE chunks SET bitstream = ? WHERE image = 0", (b"\xff" * 40,))
        bad, good = redecode(store, new_bundle)
    assert "was not written with the tables" in bad["error"]
    assert "label" in good


def test_stats_tell_what_a_store_holds(filled, capsys):
    assert main(["stats", str(filled), "--json"]) == 0
    statistics = json.loads(capsys.readouterr().out)
    assert {row["reason"] for row in statistics["refusals"]} == {"other bundle"}
    assert sum(row["images"] for row in statistics["labels"]) == 30
    assert main(["stats", str(filled)]) == 0
    table = capsys.readouterr().out
    assert f"│ {NODE} " in table
    assert "other bundle" in table
    assert "SNR" in table


def test_stats_of_no_store_is_a_sentence(tmp_path, capsys):
    assert main(["stats", str(tmp_path / "none.sqlite")]) == 1
    assert "there is no store at" in capsys.readouterr().err
