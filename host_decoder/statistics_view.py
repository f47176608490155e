"""What a store holds and what its links counted, as tables for a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

UNKNOWN = "–"


def statistics_tables(statistics: dict[str, Any]) -> list[Table]:
    """From Store.statistics."""
    headings = ["node", "key", "images", "packets", "bytes", "counter", "first", "last"]
    nodes = _table(f"stored in {statistics['store']}", headings)
    for row in statistics["nodes"]:
        numbers = (row["images"], row["packets"], row["packet_bytes"], row["highest_counter"])
        nodes.add_row(
            str(row["node"]), row["key_id"][:8], *map(str, numbers), _time(row["first_s"]), _time(row["last_s"])
        )
    labels = _table("labels, as last answered", ["node", "label", "images"])
    for row in statistics["labels"]:
        labels.add_row(str(row["node"]), row["label"], str(row["images"]))
    refusals = _table("refused", ["reason", "times", "last", "last sentence"])
    for row in statistics["refusals"]:
        refusals.add_row(row["reason"], str(row["n"]), _time(row["last_s"]), row["last_sentence"])
    return [nodes, labels, refusals, link_table(statistics["link"])]


def link_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A column per node, a line per figure; rows are NodeStatistics.to_json with the node's number."""
    table = _table("the links since the host's last start", ["", *(f"node {row['node']}" for row in rows)])
    for name, *keys in LINK_LINES:
        table.add_row(name, *(_cell(row, keys) for row in rows))
    return table


LINK_LINES = [
    ("packets sent, by its counters", "sent"),
    ("received / lost", "received", "lost"),
    ("lost, share", "loss_ratio"),
    ("duplicate / replayed / stale", "duplicate", "replayed", "stale"),
    ("bad tag / malformed", "bad_tag", "malformed"),
    ("sessions begun anew", "restarts"),
    ("lost by chunk index", "lost_by_chunk"),
    ("SNR last / mean, dB", "snr_db"),
    ("RSSI last / mean, dBm", "rssi_dbm"),
    ("airtime up / down, s", "airtime_s", "downlink_airtime_s"),
    ("packets down", "downlink_packets"),
    ("images / stopped by verdict", "images", "decided"),
    ("chunks at the verdict", "mean_chunks_at_decision"),
    ("stop latency, s / chunks in vain", "mean_stop_latency_s", "unneeded_chunks"),
    ("queue, images / oldest, s", "queue_images", "oldest_age_s"),
    ("airtime budget, s / images evicted", "budget_s", "evicted"),
]
"A line of the table: its name and the figures in it."


def _cell(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    return " / ".join(_text(row.get(key)) for key in keys)


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, Mapping):
        if set(value) == {"last", "mean"}:
            return f"{_text(value['last'])} / {_text(value['mean'])}"
        return ", ".join(f"{key}: {n}" for key, n in value.items()) or UNKNOWN
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).isoformat(" ", "seconds")
