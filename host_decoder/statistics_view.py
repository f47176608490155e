"""What a store holds, as tables for a person."""

from datetime import datetime
from typing import Any

from rich.table import Table


def statistics_tables(statistics: dict[str, Any]) -> list[Table]:
    """From Store.statistics."""
    nodes = Table(title=f"stored in {statistics['store']}", title_justify="left")
    for heading in ("node", "key", "images", "packets", "bytes", "counter", "first", "last"):
        nodes.add_column(heading)
    for row in statistics["nodes"]:
        numbers = (row["images"], row["packets"], row["packet_bytes"], row["highest_counter"])
        nodes.add_row(
            str(row["node"]), row["key_id"][:8], *map(str, numbers), _time(row["first_s"]), _time(row["last_s"])
        )
    labels = Table(title="labels, as last answered", title_justify="left")
    for heading in ("node", "label", "images"):
        labels.add_column(heading)
    for row in statistics["labels"]:
        labels.add_row(str(row["node"]), row["label"], str(row["images"]))
    refusals = Table(title="refused", title_justify="left")
    for heading in ("reason", "times", "last", "last sentence"):
        refusals.add_column(heading)
    for row in statistics["refusals"]:
        refusals.add_row(row["reason"], str(row["n"]), _time(row["last_s"]), row["last_sentence"])
    return [nodes, labels, refusals]


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).isoformat(" ", "seconds")
