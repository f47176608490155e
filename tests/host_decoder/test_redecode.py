"""What was received once is classified again by a decoder made later."""

import json

import pytest

from host_decoder.__main__ import main
from host_decoder.redecode import redecode
from host_decoder.service import Host
from host_decoder.store import Store
from link import latent_coder
from tests.host_decoder.small import KEY, NODE, SmallNode, make_bundle, right_label
from tests.link.small import random_symbols


@pytest.fixture
def symbols(bundle):
    return [random_symbols(bundle.tables, seed) for seed in range(30)]


@pytest.fixture
def filled(tmp_path, node_entry, bundle, other_bundle, symbols):
    """Path of a store with 30 images of the bundle, every third without its last chunks, and one of another bundle."""
    path = tmp_path / "filled.sqlite"
    with Store(path) as store:
        host = Host([node_entry], store, [other_bundle])
        node = SmallNode(bundle, chunk_bytes=3)
        for number, row in enumerate(symbols):
            packets = node.packets(row)
            for packet in packets[:1] if number % 3 == 2 else packets:
                host.receive(packet, now_s=float(number))
        host.receive(SmallNode(other_bundle, start=500).packets(random_symbols(other_bundle.tables, 0))[0], 99.0)
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
    whole = [(answer, row) for answer, row in zip(answers, symbols, strict=True) if answer["is_complete"]]
    assert len(whole) >= 20
    for answer, row in whole:
        assert answer["label"] == right_label(row, seed=1)
        assert answer["symbols_known"] == answer["symbols"] == 12


def test_images_that_came_in_part_are_decoded_as_far_as_they_came(filled, new_bundle, symbols):
    with Store(filled) as store:
        answers = redecode(store, new_bundle)
        partial = [(answer, row) for answer, row in zip(answers, symbols, strict=True) if not answer["is_complete"]]
    assert partial
    for answer, row in partial:
        bitstream = latent_coder.encode(row, new_bundle.tables)
        latent = latent_coder.decode(bitstream[: answer["bitstream_bytes"]], new_bundle.tables, complete=False)
        assert answer["symbols_known"] == latent.n_known < 12
        assert answer["label"] == right_label(latent.symbols, seed=1)


def test_the_command_prints_a_line_per_image(filled, new_bundle, other_bundle, capsys):
    assert main(["decode", str(filled), "--bundle", str(new_bundle.path)]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert len(lines) == 30
    assert {line["node"] for line in lines} == {NODE}
    assert "30 images decoded again" in printed.err
    assert f"1 chunks of other bundles were left: {other_bundle.id.hex()}" in printed.err


def test_a_bundle_that_nothing_was_sent_with_is_told_what_there_is(filled, bundle, live_bundle, capsys):
    assert main(["decode", str(filled), "--bundle", str(live_bundle.path)]) == 1
    said = capsys.readouterr().err
    assert f"no chunk of bundle {live_bundle.id.hex()}" in said
    assert bundle.id.hex() in said


def test_a_bitstream_of_other_tables_is_an_error_of_its_image_alone(tmp_path, node_entry, bundle, new_bundle):
    """A node whose bundle id fits but whose tables do not cannot be; a store that was tampered with can."""
    path = tmp_path / "tampered.sqlite"
    with Store(path) as store:
        host = Host([node_entry], store)
        node = SmallNode(bundle, KEY)
        for seed in range(2):
            host.receive(node.packets(random_symbols(bundle.tables, seed))[0], 0.0)
        store._db.execute("UPDATE chunks SET bitstream = ? WHERE image = 0", (b"\xff" * 40,))
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
