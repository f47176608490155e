"""Golden bytes, both ways: arguments give exactly these bytes, and these bytes give the arguments back."""

import json

import numpy as np
import pytest

from link import latent_coder
from link.framing import Deframer
from link.packet import Chunk, Header
from link.range_coder import RangeDecoder
from link.seal import Opener, traffic_key
from link.tables import Tables
from tests.golden.make import FOLDER, GOLDEN, tables_of


def stored(name):
    """(arguments, bytes) of each line of a golden file."""
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return [(line["arguments"], bytes.fromhex(line["hex"])) for line in map(json.loads, text.splitlines())]


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
        clamped = np.clip(arguments["symbols"], tables.symbol_min, tables.symbol_min + tables.alphabet - 1)
        assert latent_coder.decode(data, tables).symbols.tolist() == clamped.tolist()


def test_headers_and_chunks_give_their_fields():
    for arguments, data in stored("header"):
        assert Header.unpack(data) == Header(**arguments)
    for arguments, data in stored("chunk"):
        chunk = Chunk.unpack(data)
        assert chunk.bitstream.hex() == arguments["bitstream"]
        assert (chunk.image_low, chunk.index, chunk.is_last) == tuple(
            arguments[field] for field in ("image_low", "index", "is_last")
        )
        assert chunk.age_s == pytest.approx(arguments.get("age_s", 0.0), rel=0.06)


def test_frames_give_the_packet():
    for arguments, data in stored("framing"):
        assert [packet.hex() for packet in Deframer().push(data)] == [arguments["packet"]]


def test_seals_open():
    for arguments, data in stored("seal"):
        opener = Opener(traffic_key(bytes.fromhex(arguments["master_key"])), arguments["node"])
        header, bundle_id = bytes.fromhex(arguments["header"]), bytes.fromhex(arguments["bundle_id"])
        assert opener.open(header, arguments["counter"], data, bundle_id) == bytes.fromhex(arguments["body"])


def test_an_image_on_the_wire_opens_layer_by_layer_to_its_symbols():
    for arguments, stream in stored("uplink"):
        opener = Opener(traffic_key(bytes.fromhex(arguments["master_key"])), arguments["node"])
        bitstream = b""
        for i, packet in enumerate(Deframer().push(stream)):
            counter = arguments["first_counter"] + i
            assert Header.unpack(packet) == Header(arguments["node"], counter & 0xFFFF)
            body = opener.open(packet[:4], counter, packet[4:], bytes.fromhex(arguments["bundle_id"]))
            assert body is not None
            chunk = Chunk.unpack(body)
            assert (chunk.index, chunk.image_low) == (i, arguments["image_number"] % 256)
            bitstream += chunk.bitstream
        assert chunk.is_last
        symbols = latent_coder.decode(bitstream, tables_of(arguments["tables"])).symbols
        assert symbols.tolist() == arguments["symbols"]
