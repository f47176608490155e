"""Golden bytes: what version 1 of every format looks like. Run this file to rewrite them, then review the difference.

Each file holds JSON lines {"arguments": {...}, "hex": "..."}: the arguments of one function and the bytes it must give.
Inputs are written out in full and tables are small, so a line can be checked without this project.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from link import latent_coder
from link.bundle import compute_id
from link.framing import frame
from link.packet import Chunk, Header
from link.range_coder import RangeEncoder
from link.seal import Sealer, traffic_key
from link.tables import Tables
from link.uplink import UplinkSender

FOLDER = Path(__file__).parent
KEY = bytes(range(16)).hex()
BUNDLE_ID = "3fa2c1d4e5f60718"
TABLES = {
    "symbol_min": [-2, 0, -1],
    "frequencies": [
        [[1, 5000, 50000, 10000, 535], [30000, 30000, 5000, 535, 1]],
        [[65535, 1], [1, 65535]],
        [[20000, 25536, 20000], [100, 65336, 100]],
    ],
    "prior": [16777215, 4000000],
}


class Counting:
    """Counters from a given one on."""

    def __init__(self, first: int) -> None:
        self._next = first

    def next(self) -> int:
        self._next += 1
        return self._next - 1


def tables_of(arguments: dict[str, Any]) -> Tables:
    frequencies = [np.array(rows) for rows in arguments["frequencies"]]
    return Tables.from_frequencies(arguments["symbol_min"], frequencies, np.array(arguments["prior"]))


def range_coder(symbols: list[list[int]]) -> bytes:
    """Symbols as [index, cumulative_low, cumulative_high, n_symbols]."""
    encoder = RangeEncoder()
    for symbol in symbols:
        encoder.encode(*symbol)
    return encoder.finish()


def tables_file(tables: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        tables_of(tables).to_npz(Path(folder) / "tables.npz")
        return (Path(folder) / "tables.npz").read_bytes()


def bitstream(tables: dict[str, Any], symbols: list[int]) -> bytes:
    return latent_coder.encode(np.array(symbols), tables_of(tables))


def header(**fields: int) -> bytes:
    return Header(**fields).pack()


def chunk(bitstream: str, **fields: Any) -> bytes:
    return Chunk(bitstream=bytes.fromhex(bitstream), **fields).pack()


def stream_frame(packet: str) -> bytes:
    return frame(bytes.fromhex(packet))


def seal(master_key: str, node: int, bundle_id: str, header: str, counter: int, body: str) -> bytes:
    sealer = Sealer(traffic_key(bytes.fromhex(master_key)), node, bytes.fromhex(bundle_id))
    return sealer.seal(bytes.fromhex(header), counter, bytes.fromhex(body))


def bundle_id(node_half: dict[str, Any]) -> bytes:
    return compute_id(node_half)


def uplink(
    tables: dict[str, Any],
    master_key: str,
    node: int,
    bundle_id: str,
    first_counter: int,
    max_packet_bytes: int,
    symbols: list[int],
    image_number: int,
    age_s: float,
) -> bytes:
    """Frames of all packets of an image, one behind the other."""
    key, identity, counters = bytes.fromhex(master_key), bytes.fromhex(bundle_id), Counting(first_counter)
    sender = UplinkSender(node, key, identity, tables_of(tables), counters, max_packet_bytes)
    return b"".join(map(frame, sender.packets(np.array(symbols), image_number, age_s)))


def range_coder_cases() -> Iterable[dict[str, Any]]:
    yield {"symbols": []}
    yield {"symbols": [[0, 0, 32768, 2]]}
    yield {"symbols": [[1, 32768, 65536, 2]]}
    rng = np.random.default_rng(1)
    for n_symbols in (1, 5, 30):
        intervals = []
        for _ in range(n_symbols):
            counts = np.sort(rng.choice(np.arange(1, 65536), rng.integers(1, 20), replace=False)).tolist()
            bounds = [0, *counts, 65536]
            index = int(rng.integers(len(bounds) - 1))
            intervals.append([index, bounds[index], bounds[index + 1], len(bounds) - 1])
        yield {"symbols": intervals}


def bitstream_cases() -> Iterable[dict[str, Any]]:
    for symbols in ([0, 0, 0], [-2, 1, 1], [2, 1, -1], [-100, 100, 100], [1, 0, 0]):
        yield {"tables": TABLES, "symbols": symbols}


def uplink_cases() -> Iterable[dict[str, Any]]:
    ends = {"tables": TABLES, "master_key": KEY, "node": 5, "bundle_id": BUNDLE_ID}
    yield ends | {
        "first_counter": 0,
        "max_packet_bytes": 51,
        "symbols": [0, 0, 0],
        "image_number": 0,
        "age_s": 0.0,
    }
    yield ends | {
        "first_counter": 65535,
        "max_packet_bytes": 12,
        "symbols": [2, 1, -1],
        "image_number": 300,
        "age_s": 60.0,
    }


GOLDEN: dict[str, tuple[Callable[..., bytes], list[dict[str, Any]]]] = {
    "range_coder": (range_coder, list(range_coder_cases())),
    "tables": (tables_file, [{"tables": TABLES}]),
    "latent_coder": (bitstream, list(bitstream_cases())),
    "header": (
        header,
        [
            {"node": 5, "counter_low": 0x1234},
            {"node": 254, "counter_low": 65535, "packet_type": 4, "flags": 5, "version": 1},
        ],
    ),
    "chunk": (
        chunk,
        [
            {"image_low": 9, "index": 0, "is_last": True, "bitstream": "a1b2c3", "age_s": 0.0},
            {"image_low": 255, "index": 0, "is_last": False, "bitstream": "00", "age_s": 3600.0},
            {"image_low": 0, "index": 127, "is_last": True, "bitstream": "ff"},
        ],
    ),
    "framing": (
        stream_frame,
        [{"packet": ""}, {"packet": "00"}, {"packet": "400512340000ff"}, {"packet": bytes(range(1, 256)).hex()}],
    ),
    "seal": (
        seal,
        [
            {
                "master_key": KEY,
                "node": 5,
                "bundle_id": BUNDLE_ID,
                "header": "40051234",
                "counter": 0x71234,
                "body": body,
            }
            for body in ("", "098000a1b2c3")
        ],
    ),
    "bundle_id": (
        bundle_id,
        [
            {"node_half": {}},
            {"node_half": {"latents": 3, "wavelet": "haar", "image": {"width": 8, "height": 8}, "name": "é"}},
        ],
    ),
    "uplink": (uplink, list(uplink_cases())),
}


def lines(name: str) -> str:
    """The file's content as the code makes it now."""
    function, cases = GOLDEN[name]
    made = ({"arguments": arguments, "hex": function(**arguments).hex()} for arguments in cases)
    return "".join(json.dumps(line) + "\n" for line in made)


def main() -> None:
    for name in GOLDEN:
        (FOLDER / f"{name}.jsonl").write_text(lines(name), encoding="utf-8")
        print(f"wrote {name}.jsonl")


if __name__ == "__main__":
    main()
