"""Golden bytes: what every format looks like now. Run this file to rewrite them, then review the
difference.

Each file holds JSON lines {"arguments": {...}, "hex": "..."}: the arguments of one function and the
bytes it must give. Inputs are written out in full and tables are small, so a line can be checked
without this project.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from link.bundle.bundle import compute_id
from link.bundle.manifest import Segment
from link.coder import latent_coder
from link.coder.range_coder import RangeEncoder
from link.coder.tables import Tables
from link.fog import frame as fog
from link.fog.tensors import Boundary
from link.output.console import Captured, Sent
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.update import code
from link.update import message as run
from link.update.layout import Layout
from link.update.quantised import Quantised
from link.wire.control import (
    Advance,
    AskStatus,
    Command,
    Hello,
    LongTags,
    Parity,
    Part,
    Quality,
    Renew,
    Report,
    Slot,
    Status,
    Time,
    pack_command,
)
from link.wire.framing import frame
from link.wire.packet import Chunk, Header, pack_batch

FOLDER = Path(__file__).parent
KEY = bytes(range(16)).hex()
RUN = {"key": bytes(range(32)).hex(), "run_id": "0123456789abcdef"}
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


def tables_of(arguments: dict[str, Any]) -> Tables:
    frequencies = [np.array(rows) for rows in arguments["frequencies"]]
    return Tables.from_frequencies(
        arguments["symbol_min"], frequencies, np.array(arguments["prior"])
    )


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


def header(salt: str = "", **fields: int) -> bytes:
    return Header(salt=bytes.fromhex(salt), **fields).pack()


def chunk_of(bitstream: str, **fields: Any) -> Chunk:
    return Chunk(bitstream=bytes.fromhex(bitstream), **fields)


def chunk(counter: int, **fields: Any) -> bytes:
    return chunk_of(**fields).pack(counter)


def batch(counter: int, chunks: list[dict[str, Any]]) -> bytes:
    return pack_batch([chunk_of(**fields) for fields in chunks], counter)


def report(quality: list[float | None], **fields: Any) -> bytes:
    return Report(quality=Quality(*quality), **fields).pack()


def command_of(name: str, **fields: Any) -> Command:
    kinds: dict[str, type[Command]] = {
        kind.__name__: kind for kind in (Advance, AskStatus, LongTags, Renew, Slot)
    }
    if name == "Part":
        return Part(bytes.fromhex(fields["content"]))
    return kinds[name](**fields)


def command(**fields: Any) -> bytes:
    return pack_command(command_of(**fields))


def hello(bundle_id: str, **wants: bool) -> bytes:
    return Hello(bytes.fromhex(bundle_id), **wants).pack()


def status(**fields: Any) -> bytes:
    return Status(**fields).pack()


def parity(counter: int, members: list[int], symbol: str, **fields: int) -> bytes:
    return Parity(tuple(members), symbol=bytes.fromhex(symbol), **fields).pack(counter)


def time(unix_s: float) -> bytes:
    return Time(unix_s).pack()


def stream_frame(packet: str) -> bytes:
    return frame(bytes.fromhex(packet))


def seal(
    master_key: str,
    node: int,
    node_salt: str,
    host_salt: str,
    header: str,
    counter: int,
    bundle_id: str,
    body: str,
) -> bytes:
    """A whole packet; downlink where there is a host salt."""
    clear = Header.unpack(bytes.fromhex(header))
    return seal_of(master_key, node, node_salt, host_salt).seal(
        clear, counter, bytes.fromhex(body), bytes.fromhex(bundle_id)
    )


def seal_of(master_key: str, node: int, node_salt: str, host_salt: str) -> Seal:
    key, salt, other = bytes.fromhex(master_key), bytes.fromhex(node_salt), bytes.fromhex(host_salt)
    if other:
        return Seal(downlink_key(key, salt, other), node, salt, Direction.DOWNLINK)
    return Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)


def team_header(
    kind: str, member: int, image: int, salt: str, place: int, flags: int
) -> fog.Header:
    return fog.Header(fog.Kind[kind], fog.Flag(flags), member, place, image, bytes.fromhex(salt))


def team_frame(master_key: str, bundle_id: str, body: str, **fields: Any) -> bytes:
    """A frame between the nodes of a team."""
    seal = fog.TeamSeal(bytes.fromhex(master_key), bytes.fromhex(bundle_id))
    return seal.seal(team_header(**fields), bytes.fromhex(body))


def boundary_of(shape: list[int], levels: int, frequencies: list[list[int]] | None) -> Boundary:
    rows = None if frequencies is None else np.array(frequencies)
    return Boundary(Segment(shape=tuple(shape), levels=levels, reads=()), rows)


def tensor(symbols: list[int], is_coded: bool, **boundary: Any) -> bytes:
    """What crosses a boundary of a team's encoder."""
    one = boundary_of(**boundary)
    return one.encode(np.array(symbols, np.uint8).reshape(one.shape), is_coded)


def team_frame_cases() -> Iterable[dict[str, Any]]:
    who = {"master_key": KEY, "bundle_id": BUNDLE_ID, "salt": "a0a1a2a3", "image": 0x71234}
    yield who | {"kind": "TICK", "member": 0, "place": 0, "flags": 3, "body": "0000000500"}
    yield who | {
        "kind": "TENSOR",
        "member": 6,
        "place": (1 << 9) + (6 << 4),
        "flags": 2,
        "body": "00a1b2c3",
    }
    yield who | {"kind": "PIXELS", "member": 31, "place": 4095, "flags": 0, "body": ""}
    yield who | {"kind": "HERE", "member": 1, "place": 7, "flags": 1, "body": "0100"}


def tensor_cases() -> Iterable[dict[str, Any]]:
    small: dict[str, Any] = {"shape": [1, 3, 2], "levels": 4, "is_coded": False}
    tables = [[60000, 4000, 1000, 536], [20000, 20000, 20000, 5536]]
    yield small | {"frequencies": None, "symbols": [1, 2, 3, 0, 1, 1]}
    yield small | {"frequencies": tables, "symbols": [0, 0, 0, 3, 0, 0]}
    yield small | {"frequencies": tables, "symbols": [0, 1, 0, 3, 2, 0], "is_coded": True}
    yield {
        "shape": [1, 1, 2], "levels": 40, "is_coded": False, "frequencies": None,
        "symbols": [39, 0],
    }  # fmt: skip


def quantised_of(
    names: list[str],
    shapes: list[list[int]],
    positions: list[int],
    symbols: list[int],
    levels: list[float],
    scales: list[int],
) -> tuple[Quantised, Layout]:
    update = Quantised(
        np.array(positions, np.int64), np.array(symbols, np.int8), tuple(levels), tuple(scales)
    )
    return update, Layout(tuple(names), tuple(tuple(shape) for shape in shapes))


def coded_update(**fields: Any) -> bytes:
    """What is left of an update, coded."""
    return code.encode(*quantised_of(**fields))


def run_key(key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))


def update_of(form: str, payload: str, **fields: Any) -> run.Update:
    return run.Update(form=run.Form[form], payload=bytes.fromhex(payload), **fields)


def update_message(key: str, run_id: str, base: str, **fields: Any) -> bytes:
    """From a device of a run to its server."""
    names = bytes.fromhex(run_id), bytes.fromhex(base)
    return run.pack_update(update_of(**fields), *names, run_key(key))


def round_of(
    form: str, payload: str, after: str, accepted: list[list[int]], **fields: Any
) -> run.Round:
    return run.Round(
        form=run.Form[form],
        payload=bytes.fromhex(payload),
        after=bytes.fromhex(after),
        accepted=tuple((device, made_in) for device, made_in in accepted),
        **fields,
    )


def round_message(key: str, run_id: str, before: str, **fields: Any) -> bytes:
    """From the server to devices."""
    names = bytes.fromhex(run_id), bytes.fromhex(before)
    return run.pack_round(round_of(**fields), *names, run_key(key))


def ask_message(key: str, run_id: str, **fields: int) -> bytes:
    return run.pack_ask(run.Ask(**fields), bytes.fromhex(run_id), run_key(key))


def coded_update_cases() -> Iterable[dict[str, Any]]:
    small: dict[str, Any] = {"names": ["kernel", "shift"], "shapes": [[4, 10], [3]]}
    plain = small | {"levels": [0.5, 1.0, 2.5], "scales": [0, 0]}
    yield plain | {"positions": [], "symbols": []}
    yield plain | {"positions": [0], "symbols": [1]}
    yield plain | {"positions": [3, 17, 38, 42], "symbols": [-1, 2, 1, -3]}
    yield plain | {"positions": list(range(43)), "symbols": [1, -2, 3] * 14 + [1]}
    yield small | {
        "levels": [0.5, 1.0, 2.5], "scales": [-8, 7], "positions": [1, 40], "symbols": [1, -1],
    }  # fmt: skip
    wide: dict[str, Any] = {"names": ["wide"], "shapes": [[500, 400]], "scales": [0]}
    yield wide | {
        "positions": [0, 2, 17, 99_999, 199_999], "symbols": [1, -1, 2, 1, -3],
        "levels": [0.001953125, 0.00390625, 1.5],
    }  # fmt: skip


def bundle_id(node_half: dict[str, Any]) -> bytes:
    return compute_id(node_half)


def told_of(event: str, **fields: Any) -> Captured | Sent:
    """What a node tells its console; pixels in hexadecimal digits."""
    if event == "packet":
        return Sent(chunks=tuple(map(tuple, fields.pop("chunks"))), **fields)
    pixels, shape = bytes.fromhex(fields.pop("pixels")), tuple(fields.pop("shape"))
    return Captured(pixels=pixels, shape=shape, **fields)


def console(**fields: Any) -> bytes:
    return json.dumps(told_of(**fields).to_json()).encode("ascii")


def range_coder_cases() -> Iterable[dict[str, Any]]:
    yield {"symbols": []}
    yield {"symbols": [[0, 0, 32768, 2]]}
    yield {"symbols": [[1, 32768, 65536, 2]]}
    rng = np.random.default_rng(1)
    for n_symbols in (1, 5, 30):
        intervals = []
        for _ in range(n_symbols):
            counts = np.sort(
                rng.choice(np.arange(1, 65536), rng.integers(1, 20), replace=False)
            ).tolist()
            bounds = [0, *counts, 65536]
            index = int(rng.integers(len(bounds) - 1))
            intervals.append([index, bounds[index], bounds[index + 1], len(bounds) - 1])
        yield {"symbols": intervals}


def bitstream_cases() -> Iterable[dict[str, Any]]:
    for symbols in ([0, 0, 0], [-2, 1, 1], [2, 1, -1], [-100, 100, 100], [1, 0, 0]):
        yield {"tables": TABLES, "symbols": symbols}


def seal_cases() -> Iterable[dict[str, Any]]:
    up = {
        "master_key": KEY,
        "node": 5,
        "node_salt": "a0a1a2a3",
        "host_salt": "",
        "counter": 0x71234,
    }
    yield up | {"header": "c0051234", "bundle_id": BUNDLE_ID, "body": ""}
    yield up | {"header": "c0051234", "bundle_id": BUNDLE_ID, "body": "48c020a1b2c3"}
    yield up | {
        "header": "c1051234a0a1a2a300000007",
        "bundle_id": BUNDLE_ID,
        "body": "48c020a1b2c3",
    }
    yield up | {"header": "e1051234a0a1a2a300000007", "bundle_id": "", "body": BUNDLE_ID + "03"}
    yield up | {
        "header": "ec051234",
        "host_salt": "b0b1b2b3b4b5b6b7",
        "bundle_id": "",
        "body": "2345000b0002874a",
    }


GOLDEN: dict[str, tuple[Callable[..., bytes], list[dict[str, Any]]]] = {
    "range_coder": (range_coder, list(range_coder_cases())),
    "tables": (tables_file, [{"tables": TABLES}]),
    "latent_coder": (bitstream, list(bitstream_cases())),
    "header": (
        header,
        [
            {"node": 5, "counter_low": 0x1234},
            {"node": 254, "counter_low": 65535, "packet_type": 4, "flags": 6, "version": 1},
            {
                "node": 5,
                "counter_low": 1,
                "packet_type": 0,
                "flags": 3,
                "salt": "a0a1a2a3",
                "counter_high": 0x01020304,
            },
            {
                "node": 5,
                "counter_low": 1,
                "packet_type": 0,
                "flags": 1,
                "salt": "a0a1a2a3",
                "version": 0,
            },
            {"node": 5, "counter_low": 1, "packet_type": 7, "flags": 1, "salt": "b0b1b2b3b4b5b6b7"},
        ],
    ),
    "chunk": (
        chunk,
        [
            {
                "counter": 300,
                "image": 299,
                "index": 0,
                "is_last": True,
                "bitstream": "a1b2c3",
                "age_s": 0.0,
            },
            {
                "counter": 1023,
                "image": 0,
                "index": 0,
                "is_last": False,
                "bitstream": "00",
                "age_s": 3600.0,
            },
            {"counter": 70000, "image": 69990, "index": 30, "is_last": True, "bitstream": "ff"},
            {
                "counter": 70000,
                "image": 5,
                "index": 0,
                "is_last": True,
                "bitstream": "ff",
                "age_s": None,
            },
        ],
    ),
    "batch": (
        batch,
        [
            {"counter": 7, "chunks": []},
            {
                "counter": 3000,
                "chunks": [
                    {
                        "image": 2995,
                        "index": 0,
                        "is_last": True,
                        "bitstream": "a1b2c3",
                        "age_s": 60.0,
                    },
                    {"image": 17, "index": 1, "is_last": False, "bitstream": ""},
                ],
            },
        ],
    ),
    "report": (
        report,
        [
            {
                "highest": 0x12345,
                "received": 11,
                "enough": 2,
                "quality": [-4, -100],
                "n_chunks": 2,
                "budget_s": 31,
            },
            {"highest": 0, "received": 1, "enough": 0, "quality": [None, None]},
        ],
    ),
    "command": (
        command,
        [
            {"name": "Advance", "counter": 0x0102030405},
            {"name": "Renew"},
            {"name": "Slot", "start_in_s": 1.5, "period_s": 60, "width_s": 0.8},
            {"name": "AskStatus"},
            {"name": "LongTags", "wanted": True},
            {"name": "LongTags", "wanted": False},
            {"name": "Part", "content": "0102030400000061"},
        ],
    ),
    "time": (time, [{"unix_s": 1700000000.5}]),
    "hello": (
        hello,
        [
            {"bundle_id": BUNDLE_ID, "wants_time": True, "wants_slot": False},
            {"bundle_id": BUNDLE_ID, "has_long_tags": True},
            {"bundle_id": BUNDLE_ID},
        ],
    ),
    "status": (
        status,
        [
            {
                "queue_images": 300,
                "oldest_age_s": None,
                "budget_s": None,
                "n_evicted": 65543,
                "n_heard": 259,
                "n_bad": 2,
            },
            {"queue_images": 1, "oldest_age_s": 3600.0, "budget_s": 36.0},
        ],
    ),
    "parity": (
        parity,
        [{"counter": 40, "members": [30, 31, 35], "index": 1, "n_parity": 2, "symbol": "a1b2"}],
    ),
    "console": (
        console,
        [
            {
                "event": "image",
                "image": 5,
                "label": "b\u00e9",
                "pixels": "000102030405060708090a0b",
                "shape": [2, 2, 3],
                "bitstream_bytes": 8,
                "n_chunks": 3,
                "ms": {"preprocess": 0.1234, "model": 2.0, "coder": 0.3},
            },
            {
                "event": "image",
                "image": 4294967295,
                "label": None,
                "pixels": "ff",
                "shape": [1, 1, 1],
                "bitstream_bytes": 0,
                "n_chunks": 1,
                "ms": {},
            },
            {
                "event": "packet",
                "type": "DATA",
                "counter": 70000,
                "packet_bytes": 15,
                "wire_bytes": 19,
                "airtime_s": 0.046336,
                "listens": True,
                "chunks": [[5, 0, 4], [4, 1, 0]],
            },
            {
                "event": "packet",
                "type": "HELLO",
                "counter": 1,
                "packet_bytes": 29,
                "wire_bytes": 33,
                "airtime_s": 0.066816,
                "listens": False,
                "chunks": [],
            },
        ],
    ),
    "framing": (
        stream_frame,
        [
            {"packet": ""},
            {"packet": "00"},
            {"packet": "c00512340000ff"},
            {"packet": bytes(range(1, 256)).hex()},
        ],
    ),
    "seal": (seal, list(seal_cases())),
    "team_frame": (team_frame, list(team_frame_cases())),
    "tensor": (tensor, list(tensor_cases())),
    "coded_update": (coded_update, list(coded_update_cases())),
    "update_message": (
        update_message,
        [
            RUN
            | {
                "base": "a0a1a2a3a4a5a6a7",
                "round_": 7,
                "device": 2,
                "n_images": 128,
                "loss": 1.25,
                "form": "CODED",
                "payload": "c0ffee",
                "trained": 5,
            },
            RUN
            | {
                "base": "a0a1a2a3a4a5a6a7",
                "round_": 65536,
                "device": 70000,
                "n_images": 1,
                "loss": 0.0,
                "form": "WHOLE",
                "payload": "",
                "trained": 0,
            },
        ],
    ),
    "round_message": (
        round_message,
        [
            RUN
            | {
                "before": "a0a1a2a3a4a5a6a7",
                "after": "b0b1b2b3b4b5b6b7",
                "round_": 9,
                "accepted": [[0, 9], [0, 5], [2, 8], [300, 9], [70000, 9]],
                "form": "CODED",
                "payload": "c0ffee",
            },
            RUN
            | {
                "before": "0000000000000002",
                "after": "b0b1b2b3b4b5b6b7",
                "round_": 900,
                "accepted": [[2, 3], [2, 885], [2, 900]],
                "form": "WHOLE",
                "payload": "c0ffee",
                "is_snapshot": True,
            },
        ],
    ),
    "ask_message": (ask_message, [RUN | {"round_": 3, "device": 2}]),
    "bundle_id": (
        bundle_id,
        [
            {"node_half": {}},
            {
                "node_half": {
                    "latents": 3,
                    "wavelet": "haar",
                    "image": {"width": 8, "height": 8},
                    "name": "é",
                }
            },
        ],
    ),
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
