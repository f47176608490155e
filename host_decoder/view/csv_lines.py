"""Answers as CSV, for a spreadsheet: a line each, always the same columns, empty where there is
nothing to say.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

COLUMNS = (
    "time",
    "node",
    "image",
    "bundle",
    "task",
    "label",
    "confidence",
    "anomaly_score",
    "score",
    "is_anomaly",
    "alive",
    "file",
    "symbols_known",
    "symbols",
    "chunks",
    "is_complete",
    "is_enough",
    "bitstream_bytes",
    "packet_bytes",
    "age_s",
    "received_s",
    "counter",
    "error",
)
"`time` is received_s as a person reads it, in UTC; the others are the keys of JSON lines."


def csv_lines(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The heading first; without line ends."""
    yield _line(COLUMNS)
    for answer in answers:
        time = datetime.fromtimestamp(answer["received_s"], UTC).isoformat(timespec="milliseconds")
        alive = " ".join(map(str, answer.get("alive", ())))
        yield _line([({**answer, "time": time, "alive": alive}).get(name) for name in COLUMNS])


def _line(cells: Iterable[Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue().removesuffix("\r\n")
