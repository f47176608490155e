"""Tables to take away: results as CSV, or as Parquet where pyarrow is there, a page at a time."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from host_decoder.web.archive import Archive, Wish
from link.base import extras

PAGE_ROWS = 1000
COLUMNS = (
    "site", "node", "image", "revision", "received_at", "label", "confidence", "is_anomaly",
    "is_complete", "bitstream_bytes", "packet_bytes", "age_s", "bundle", "hand_label",
)  # fmt: skip
NO_PARQUET = (
    f"Parquet needs pyarrow, which is not installed here: {extras.install('parquet')}, or take "
    "the CSV"
)


def rows(archive: Archive, wish: Wish) -> Iterator[list[dict[str, Any]]]:
    """All that are wanted, the newest first; what comes meanwhile is not among them."""
    after = ""
    while page := archive.results(wish, after, PAGE_ROWS):
        yield [_row(result) for result in page]
        after = page[-1]["after"]


def csv_pages(archive: Archive, wish: Wish) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for page in rows(archive, wish):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([_safe(row[name]) for name in COLUMNS] for row in page)
        yield text.getvalue()


def parquet_pages(archive: Archive, wish: Wish) -> Iterator[bytes]:
    """Raises ImportError where there is no pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "node": pa.int32(),
        "image": pa.int64(),
        "revision": pa.int32(),
        "received_at": pa.timestamp("ms", tz="UTC"),
        "confidence": pa.float64(),
        "is_anomaly": pa.bool_(),
        "is_complete": pa.bool_(),
        "bitstream_bytes": pa.int32(),
        "packet_bytes": pa.int32(),
        "age_s": pa.float64(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    written = _Written()
    with parquet.ParquetWriter(pa.PythonFile(written, mode="w"), schema) as writer:
        for page in rows(archive, wish):
            for row in page:
                row["received_at"] = datetime.fromisoformat(row["received_at"])
            writer.write_table(pa.Table.from_pylist(page, schema))
            yield written.take()
    yield written.take()


class _Written(io.RawIOBase):
    """A file without an end, taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._n_bytes = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._n_bytes

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._n_bytes += len(self._pieces[-1])
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def has_parquet() -> bool:
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def _row(result: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromtimestamp(result["received_s"], UTC).isoformat(timespec="milliseconds")
    return {name: result.get(name) for name in COLUMNS} | {"received_at": at}


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else json.dumps(value) if isinstance(value, bool) else value
