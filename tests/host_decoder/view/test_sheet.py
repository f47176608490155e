"""A table loses nothing, however narrow the terminal, and in a pipe it is whole."""

import io
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from rich.console import Console

from host_decoder.store.receipt import Receipt, ReceivedPacket
from host_decoder.store.store import Store
from host_decoder.view.sheet import Sheet
from host_decoder.view.statistics_view import link_tables
from link.host.interface import NodeState
from link.host.statistics import NodeStatistics
from link.wire.packet import Chunk
from tests.worlds.small_host import BUNDLE, KEY, NODE, answer

MOMENT = "2026-11-30 14:05:12"
SHEET = Sheet(
    "stored in /srv/latentlink/host.sqlite",
    ["node", "key", "images", "packets", "bytes", "counter", "first", "last"],
    [["200", "a1b2c3d4", "12345", "1234567", "123456789", "12345678", MOMENT, MOMENT]],
)


def drawn(sheet: Sheet, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(sheet)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 24])
def test_no_cell_is_cut_at_any_width(width):
    text = drawn(SHEET, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for cell in (*SHEET.headings, *SHEET.rows[0]):
        for word in cell.split():
            assert word in text


def test_what_fits_is_a_table_and_what_does_not_a_line_per_cell():
    assert f"{MOMENT} │{MOMENT}" in drawn(SHEET, 120)
    assert "images 12345\n" in re.sub(" +\n", "\n", drawn(SHEET, 40))


def test_many_nodes_are_in_several_tables():
    rows = [{"node": node, **NodeStatistics(n_received=node).to_json()} for node in range(1, 11)]
    text = "".join(drawn(sheet, 80) for sheet in link_tables(rows))
    assert all(f"node {node}" in text for node in range(1, 11))
    assert text.count("packets sent, by its") == 4


def test_stats_in_a_pipe_are_whole(tmp_path):
    with Store(tmp_path / "host.sqlite") as store:
        packet = ReceivedPacket(1, BUNDLE, (Chunk(0, 0, True, b"\x05", 2.0),), b"sealed", "roof")
        store.add(
            Receipt(NODE, KEY, NodeState(b"salt", 1, 1), 1_764_511_512.0, (packet,), (answer(0),))
        )
    sentence = "a long sentence " * 20 + "to its end"
    with closing(sqlite3.connect(tmp_path / "host.sqlite")) as database, database:
        database.execute(
            "INSERT INTO refusals VALUES (1, 'noise', 3, 1764511512, ?, NULL)", (sentence,)
        )
    command = [sys.executable, "-m", "host_decoder", "stats", str(tmp_path / "host.sqlite")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"2025-11-30 \d\d:05:12 │2025-11-30 \d\d:05:12", said)
    assert sentence in said
