"""What a store and its links counted, as tables."""

from host_decoder.view.statistics_view import UNKNOWN, link_tables, statistics_tables
from link.host.losses import Losses
from link.host.statistics import NodeStatistics
from tests.worlds.screens import drawn


def test_a_link_s_figures_are_a_column_per_node():
    statistics = NodeStatistics(Losses(n=1), n_received=3)
    statistics.snr_db.add(7.5)
    [sheet] = link_tables([{"node": node, **statistics.to_json()} for node in (1, 2)])
    text = drawn(sheet)
    assert "node 1" in text
    assert any("received / lost" in line and line.count("3 / 1") == 2 for line in text.splitlines())
    assert any("SNR" in line and line.count("7.5 / 7.5") == 2 for line in text.splitlines())


def test_a_fourth_node_begins_another_table():
    sheets = link_tables([{"node": node} for node in (1, 2, 3, 4)])
    texts = [drawn(sheet) for sheet in sheets]
    assert ["node 3" in text for text in texts] == [True, False]
    assert ["node 4" in text for text in texts] == [False, True]


def test_what_is_not_known_is_a_dash():
    lines = drawn(link_tables([{"node": 1, "lost_by_chunk": {}}])[0]).splitlines()
    [lost] = [line for line in lines if "lost by chunk index" in line]
    assert UNKNOWN in lost
    [line] = [line for line in lines if "received / lost" in line]
    assert f"{UNKNOWN} / {UNKNOWN}" in line


def test_a_store_is_told_by_nodes_labels_refusals_and_links():
    node = {"node": 7, "key_id": "0123456789abcdef", "images": 3, "packets": 4}
    node |= {"packet_bytes": 60, "highest_counter": 9, "first_s": 0.0, "last_s": 60.0}
    refusal = {"reason": "replay", "n": 2, "last_s": 60.0, "last_sentence": "seen before"}
    sheets = statistics_tables(
        {
            "store": "host.sqlite",
            "nodes": [node],
            "labels": [{"node": 7, "label": "bee", "images": 3}],
            "alive": [],
            "refusals": [refusal],
            "link": [{"node": 7, "sent": 4}],
        }
    )
    text = "\n".join(drawn(sheet) for sheet in sheets)
    for told in ("stored in host.sqlite", "01234567 ", "bee", "replay", "seen before", "node 7"):
        assert told in text
    assert "0123456789" not in text


def test_images_of_teams_are_told_by_how_many_were_alive():
    row = {"node": 7, "alive": 6, "members": 7, "images": 40}
    empty = {"store": "x", "nodes": [], "labels": [], "refusals": [], "link": []}
    sheets = statistics_tables({**empty, "alive": [row]})
    text = "\n".join(drawn(sheet) for sheet in sheets)
    assert "images of teams" in text
    cells = [[cell.strip() for cell in line.split("│")] for line in text.splitlines()]
    assert ["7", "6", "7", "40"] in [row[1:5] for row in cells]
    assert len(statistics_tables({**empty, "alive": []})) == len(sheets) - 1
