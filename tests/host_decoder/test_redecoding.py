"""On the command line: a later decoder's labels are kept, shown, and shown no more."""

import pytest

from host_decoder.commands import main
from host_decoder.config import KnownNode
from host_decoder.receive.host import Host
from host_decoder.redecoding import told
from host_decoder.store.history.comparison import Comparison
from host_decoder.store.history.reading import Reading
from host_decoder.store.store import Store
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle, right_label


@pytest.fixture
def place(tmp_path, bundle):
    path = tmp_path / "farm.sqlite"
    with Store(path) as store:
        host, node = Host([KnownNode(NODE, KEY, bundle)], store), SmallNode(bundle)
        for seed in range(12):
            host.receive(node.packets(random_symbols(bundle.tables, seed))[0], 0.0)
        host.close()
    return path


def labels(place) -> list[str]:
    with Reading(place) as reading:
        return [row["label"] for row in reading.all_results()]


def test_kept_shown_and_shown_as_told(place, bundle, tmp_path, capsys):
    new = make_bundle(tmp_path / "new", bundle.tables, decoder_seed=1)
    before = labels(place)
    command = ["decode", str(place), "--bundle", str(new.path)]
    assert main([*command, "--show"]) == 1
    assert "has seen nothing that is stored; say --keep first" in capsys.readouterr().err
    assert main([*command, "--keep"]) == 0
    said = capsys.readouterr().err
    assert "12 images decoded again: " in said
    assert " are now " in said
    assert labels(place) == before
    assert main([*command, "--show"]) == 0
    symbols = [random_symbols(bundle.tables, seed) for seed in range(12)]
    assert labels(place) == [right_label(row, seed=1) for row in symbols] != before
    assert main([*command, "--as-told"]) == 0
    assert labels(place) == before


def test_a_store_that_a_host_writes_is_left_to_it(place, bundle, capsys):
    with Store(place):
        assert main(["decode", str(place), "--bundle", str(bundle.path), "--keep"]) == 1
    assert "is in use by another host" in capsys.readouterr().err


def test_a_comparison_is_told_in_sentences():
    found = Comparison([("bee", "bee", 7), ("ape", "bee", 2), ("cat", "cat", 1)], [])
    assert told(found) == ["10 images decoded again: 8 as they were told", "2 of ape are now bee"]
