"""The codec for network servers' consoles, run by node: it says what link.lorawan.wire says."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from host_decoder.service import beginning
from link.lorawan.wire import (
    Greeting,
    pack_batch,
    pack_chunk,
    pack_enough,
    port_of,
    unpack_chunk,
    unpack_enough,
)
from link.wire.control import AskStatus, Renew, Status, pack_command
from link.wire.packet import MAX_CHUNKS, Chunk, PacketType
from tests.programs import program

CODEC = Path(beginning.__file__).with_name("lorawan-codec.js")
GOLDEN = Path(__file__).parents[2] / "golden"
HARNESS = """
const calls = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(calls.map(([name, input]) => eval(name)(input))));
"""


def call(*calls: tuple[str, Any]) -> list[Any]:
    """What the functions say, as a console calls them: one program for all."""
    command = [program("node"), "-e", CODEC.read_text() + HARNESS]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def uplink(packet_type: PacketType, body: bytes) -> tuple[str, dict[str, Any]]:
    return "decodeUplink", {"fPort": port_of(packet_type), "bytes": list(body), "variables": {}}


def downlink(packet_type: PacketType, body: bytes) -> tuple[str, dict[str, Any]]:
    return "decodeDownlink", {"fPort": port_of(packet_type), "bytes": list(body)}


def test_a_chunk_and_a_batch_say_what_the_host_reads_of_them():
    chunks = [
        Chunk(4711, 0, False, b"\x00\xff\x10", 3.0),
        Chunk(2**40 + 5, MAX_CHUNKS - 1, True, b"", None),
        Chunk(8191, 1, True, b"abc", 1e7),
    ]
    *single, batch = call(
        *(uplink(PacketType.DATA, pack_chunk(chunk)) for chunk in chunks),
        uplink(PacketType.BATCH, pack_batch(chunks)),
    )
    for chunk, said in zip(chunks, single, strict=True):
        read = unpack_chunk(pack_chunk(chunk), chunk.image)
        data = said["data"]
        assert said["errors"] == []
        assert (data["type"], data["bytes"]) == ("data", 3 + len(chunk.bitstream))
        assert data["image_low"] == chunk.image % 8192
        assert (data["chunk"], data["is_last"]) == (chunk.index, chunk.is_last)
        assert data["bitstream"] == chunk.bitstream.hex()
        assert data["age_s"] == (
            None if read.age_s is None else pytest.approx(read.age_s, abs=0.001)
        )
    assert batch["data"]["chunks"] == [
        {key: said["data"][key] for key in ("image_low", "chunk", "is_last", "age_s", "bitstream")}
        for said in single
    ]


def test_golden_states_are_read_as_the_host_reads_them():
    lines = [json.loads(line)["hex"] for line in (GOLDEN / "status.jsonl").open()]
    bodies = [bytes.fromhex(line) for line in lines]
    bodies += [Status(1, 60.0, 0.5, fault="keine Kamera: gelöst ☂").pack()]
    for body, said in zip(
        bodies, call(*(uplink(PacketType.STATUS, body) for body in bodies)), strict=True
    ):
        read, data = Status.unpack(body), said["data"]
        assert (data["queue_images"], data["evicted"]) == (read.queue_images, read.n_evicted)
        assert (data["heard"], data["bad"], data["fault"]) == (read.n_heard, read.n_bad, read.fault)
        for key in ("oldest_age_s", "budget_s"):
            value = getattr(read, key)
            assert data[key] == (None if value is None else pytest.approx(value, abs=0.001))


def test_hello_tells_the_bundle_and_a_whole_id():
    body = Greeting(bytes(range(8)), 2**48 - 1).pack()
    [said] = call(uplink(PacketType.HELLO, body))
    assert said["data"] == {
        "type": "hello",
        "bytes": 14,
        "bundle": "0001020304050607",
        "image": 2**48 - 1,
    }


def test_what_a_console_queues_is_what_the_host_would_send():
    renew, ask, report = call(
        ("encodeDownlink", {"data": {"type": "renew"}}),
        ("encodeDownlink", {"data": {"type": "ask status"}}),
        ("encodeDownlink", {"data": {"type": "report", "images": [4711, 2**40 + 5]}}),
    )
    assert (renew["fPort"], bytes(renew["bytes"])) == (107, pack_command(Renew()))
    assert (ask["fPort"], bytes(ask["bytes"])) == (107, pack_command(AskStatus()))
    assert (report["fPort"], bytes(report["bytes"])) == (106, pack_enough([4711, 2**40 + 5]))
    assert unpack_enough(bytes(report["bytes"]), 4700)[0] == 4711
    read = call(
        downlink(PacketType.REPORT, bytes(report["bytes"])),
        downlink(PacketType.COMMAND, bytes(ask["bytes"])),
    )
    assert [said["data"] for said in read] == [
        {"type": "report", "bytes": 4, "images_low": [4711, 5]},
        {"type": "command", "bytes": 1, "command": "ask status"},
    ]


FAULTS = [
    (("decodeUplink", {"fPort": 2, "bytes": [1]}), "FPort 2 is none of latentlink's"),
    (uplink(PacketType.REPORT, b"ab"), "FPort 106 is none of latentlink's in this direction"),
    (uplink(PacketType.DATA, b"ab"), "a chunk has 2 bytes, its head alone has 3"),
    (uplink(PacketType.DATA, b"\x00\x03\xe0"), "an image has no chunk 31"),
    (uplink(PacketType.BATCH, b"\x00\x00\x00"), "a batch ends within its chunk 0"),
    (uplink(PacketType.BATCH, b"\x00\x00\x00\x05ab"), "a batch ends within its chunk 0"),
    (uplink(PacketType.STATUS, b"abc"), "a STATUS has 3 bytes"),
    (uplink(PacketType.HELLO, b"abc"), "a HELLO has 3 bytes"),
    (downlink(PacketType.COMMAND, b"\x09"), "there is no command 9"),
    (downlink(PacketType.REPORT, b"abc"), "a REPORT has 2 bytes for each image"),
    (("encodeDownlink", {"data": {}}), "write "),
    (("encodeDownlink", {"data": {"type": "report", "images": [0.5]}}), "a whole number"),
]


def test_what_cannot_be_is_an_error_in_a_sentence():
    for (_, sentence), said in zip(FAULTS, call(*(what for what, _ in FAULTS)), strict=True):
        assert "data" not in said
        assert "bytes" not in said
        assert sentence in said["errors"][0]


def test_no_bytes_break_it():
    bodies = [bytes([value]) * n for value in (0, 0x80, 0xC3, 0xFF) for n in range(20)]
    kinds = (PacketType.DATA, PacketType.BATCH, PacketType.STATUS, PacketType.HELLO)
    for said in call(*(uplink(kind, body) for kind in kinds for body in bodies)):
        assert bool(said["errors"]) is ("data" not in said)
