"""What a store holds and what its links counted, as tables for a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from host_decoder.view.sheet import Sheet

UNKNOWN = "–"
NODES_BESIDE = 3
"In one table of links; as many as 80 columns take."


def statistics_tables(statistics: dict[str, Any]) -> list[Sheet]:
    """From Store.statistics."""
    nodes = [
        (
            str(row["node"]),
            row["key_id"][:8],
            str(row["images"]),
            str(row["packets"]),
            str(row["packet_bytes"]),
            str(row["highest_counter"]),
            _time(row["first_s"]),
            _time(row["last_s"]),
        )
        for row in statistics["nodes"]
    ]
    labels = [(str(row["node"]), row["label"], str(row["images"])) for row in statistics["labels"]]
    alive = [
        (str(row["node"]), str(row["alive"]), str(row["members"]), str(row["images"]))
        for row in statistics["alive"]
    ]
    refusals = [
        (row["reason"], str(row["n"]), _time(row["last_s"]), row["last_sentence"])
        for row in statistics["refusals"]
    ]
    headings = ["node", "key", "images", "packets", "bytes", "counter", "first", "last"]
    return [
        Sheet(f"stored in {statistics['store']}", headings, nodes),
        Sheet("labels, as last answered", ["node", "label", "images"], labels),
        *([Sheet("images of teams", ["node", "alive", "of", "images"], alive)] if alive else []),
        Sheet("refused", ["reason", "times", "last", "last sentence"], refusals),
        *link_tables(statistics["link"]),
    ]


def link_tables(rows: Sequence[Mapping[str, Any]]) -> list[Sheet]:
    """A column per node, a line per figure; rows are NodeStatistics.to_json with the node's
    number.
    """
    parts = [rows[start : start + NODES_BESIDE] for start in range(0, len(rows), NODES_BESIDE)] or [
        []
    ]
    return [
        Sheet(
            "the links since the host's last start",
            ["", *(f"node {row['node']}" for row in part)],
            [(name, *(_cell(row, keys) for row in part)) for name, *keys in LINK_LINES],
        )
        for part in parts
    ]


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


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).isoformat(" ", "seconds")
