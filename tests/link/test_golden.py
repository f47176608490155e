"""Golden bytes, both ways: arguments give exactly these bytes, and these bytes give the arguments
back.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from link.coder import latent_coder
from link.coder.range_coder import RangeDecoder
from link.coder.tables import Tables
from link.fog import frame as fog
from link.output.console import Captured, Sent
from link.update import code
from link.update import message as run
from link.wire.control import Hello, Parity, Quality, Report, Status, Time, unpack_command
from link.wire.framing import Deframer
from link.wire.packet import Chunk, Header, unpack_batch
from tests.golden.make import (
    FOLDER,
    GOLDEN,
    boundary_of,
    chunk_of,
    command_of,
    quantised_of,
    round_of,
    run_key,
    seal_of,
    tables_of,
    team_header,
    told_of,
    update_of,
)


def stored(name):
    """(arguments, bytes) of each line of a golden file."""
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return [
        (line["arguments"], bytes.fromhex(line["hex"]))
        for line in map(json.loads, text.splitlines())
    ]


@pytest.mark.parametrize("name", GOLDEN)
def test_the_stored_arguments_give_the_stored_bytes(name):
    function, cases = GOLDEN[name]
    assert [arguments for arguments, _ in stored(name)] == cases
    for arguments, golden in stored(name):
        assert function(**arguments).hex() == golden.hex()


def test_every_golden_file_is_one_that_is_made():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(GOLDEN)


def test_range_coder_bytes_lead_back_into_each_interval():
    for arguments, data in stored("range_coder"):
        decoder = RangeDecoder(data, complete=True)
        for index, low, high, n_symbols in arguments["symbols"]:
            before = np.linspace(0, low, index + 1, dtype=int).tolist()
            behind = np.linspace(high, 65536, n_symbols - index, dtype=int).tolist()
            assert decoder.decode(before + behind) == index


def test_team_frames_give_their_headers_and_bodies():
    for arguments, data in stored("team_frame"):
        key, bundle_id, body = (
            bytes.fromhex(arguments.pop(name)) for name in ("master_key", "bundle_id", "body")
        )
        assert fog.Header.unpack(data) == team_header(**arguments)
        assert fog.TeamSeal(key, bundle_id).open(data) == body


def test_tensors_give_their_symbols():
    for arguments, data in stored("tensor"):
        symbols = arguments.pop("symbols")
        del arguments["is_coded"]
        assert boundary_of(**arguments).decode(data).reshape(-1).tolist() == symbols


def test_tables_files_give_the_tables(tmp_path):
    for arguments, data in stored("tables"):
        (tmp_path / "tables.npz").write_bytes(data)
        read, expected = Tables.from_npz(tmp_path / "tables.npz"), tables_of(arguments["tables"])
        assert read.symbol_min.tolist() == arguments["tables"]["symbol_min"]
        assert read.prior.tolist() == arguments["tables"]["prior"]
        for mine, theirs in zip(read.cumulative, expected.cumulative, strict=True):
            assert mine.tolist() == theirs.tolist()


def test_bitstreams_give_the_symbols():
    for arguments, data in stored("latent_coder"):
        tables = tables_of(arguments["tables"])
        clamped = np.clip(
            arguments["symbols"], tables.symbol_min, tables.symbol_min + tables.alphabet - 1
        )
        assert latent_coder.decode(data, tables).symbols.tolist() == clamped.tolist()


def test_headers_give_their_fields():
    for arguments, data in stored("header"):
        assert Header.unpack(data) == Header(
            **arguments | {"salt": bytes.fromhex(arguments.get("salt", ""))}
        )


def test_chunks_and_batches_give_their_fields():
    for arguments, data in stored("chunk"):
        fields = {name: value for name, value in arguments.items() if name != "counter"}
        assert_same(Chunk.unpack(data, arguments["counter"]), chunk_of(**fields))
    for arguments, data in stored("batch"):
        for read, fields in zip(
            unpack_batch(data, arguments["counter"]), arguments["chunks"], strict=True
        ):
            assert_same(read, chunk_of(**fields))


def assert_same(read, written):
    """But for the age, which is told to 6 %."""
    assert replace(read, age_s=None) == replace(written, age_s=None)
    assert read.age_s == (
        written.age_s if written.age_s is None else pytest.approx(written.age_s, rel=0.06)
    )


def test_control_bodies_give_their_fields():
    for arguments, data in stored("report"):
        fields = arguments | {"quality": Quality(*arguments["quality"])}
        assert Report.unpack(data, arguments["highest"]) == Report(**fields)
    for arguments, data in stored("command"):
        assert unpack_command(data) == command_of(**arguments)
    for arguments, data in stored("time"):
        assert Time.unpack(data) == Time(**arguments)
    for arguments, data in stored("hello"):
        assert Hello.unpack(data) == Hello(
            **arguments | {"bundle_id": bytes.fromhex(arguments["bundle_id"])}
        )
    for arguments, data in stored("status"):
        assert Status.unpack(data).queue_images == arguments["queue_images"]
    for arguments, data in stored("parity"):
        read = Parity.unpack(data, arguments["counter"])
        assert list(read.members) == arguments["members"]
        assert (read.index, read.n_parity, read.symbol.hex()) == (1, 2, arguments["symbol"])


def test_coded_updates_give_what_was_left_of_them():
    for arguments, data in stored("coded_update"):
        quantised, layout = quantised_of(**arguments)
        read = code.decode(data, layout)
        assert np.array_equal(read.positions, quantised.positions)
        assert np.array_equal(read.symbols, quantised.symbols)
        if data:
            assert (read.levels, read.scales) == (quantised.levels, quantised.scales)


def test_messages_of_a_run_give_their_fields_and_are_signed():
    for arguments, data in stored("update_message"):
        key, run_id, base = taken(arguments, "key", "run_id", "base")
        update, told = run.read_update(data, run_id, 1000)
        assert (update, told) == (update_of(**arguments), base[:2])
        run.check_update(data, run_id, base, run_key(key.hex()).public_key())
    for arguments, data in stored("round_message"):
        key, run_id, before = taken(arguments, "key", "run_id", "before")
        read = run.read_round(data, run_id, before, run_key(key.hex()).public_key(), 1000)
        assert read == round_of(**arguments)
    for arguments, data in stored("ask_message"):
        key, run_id = taken(arguments, "key", "run_id")
        assert run.read_ask(data, run_id) == run.Ask(**arguments)
        run.check_ask(data, run_id, run_key(key.hex()).public_key())


def taken(arguments, *names):
    """Bytes that stand there in hexadecimal digits, and then no more."""
    return [bytes.fromhex(arguments.pop(name)) for name in names]


def test_frames_give_the_packet():
    for arguments, data in stored("framing"):
        assert [packet.hex() for packet in Deframer().push(data)] == [arguments["packet"]]


def test_seals_open():
    for arguments, data in stored("seal"):
        seal = seal_of(
            *(arguments[name] for name in ("master_key", "node", "node_salt", "host_salt"))
        )
        bundle_id = bytes.fromhex(arguments["bundle_id"])
        body = seal.open(data, Header.unpack(data), arguments["counter"], bundle_id)
        assert body is not None
        assert body.hex() == arguments["body"]


def test_lines_of_the_console_give_what_the_node_told():
    for arguments, data in stored("console"):
        kind = Captured if arguments["event"] == "image" else Sent
        assert kind.from_json(json.loads(data)) == told_of(**arguments)
