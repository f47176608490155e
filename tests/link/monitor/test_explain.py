"""An opened body in words; one that makes no sense says so."""

import pytest

from link.lorawan.wire import Greeting, pack_chunk
from link.monitor.explain import explain_downlink, explain_lorawan, explain_uplink, figure
from link.wire.control import AskStatus, Hello, Parity, Report, Status, Time, pack_command
from link.wire.packet import Chunk, PacketType, pack_batch

CHUNK = Chunk(5, 0, True, b"abc", 2.0)
STATUS = Status(4, 12.0, 30.0, n_evicted=2)


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (PacketType.DATA, CHUNK.pack(6), "image 5 chunk 0 (last), 3 B, 2.0 s old"),
        (PacketType.BATCH, pack_batch([CHUNK], 6), "image 5 chunk 0 (last), 3 B"),
        (PacketType.STATUS, STATUS.pack(), "4 images"),
        (PacketType.HELLO, Hello(bytes(8)).pack(), "bundle 0000000000000000"),
    ],
)
def test_what_a_node_says(kind, body, words):
    explained = explain_uplink(kind, body, counter=6)
    assert words in explained.text
    assert not explained.is_malformed


def test_parity_names_the_packets_that_it_is_over():
    parity = Parity((1, 3, 5), 1, 2, b"symbol")
    assert explain_uplink(PacketType.PARITY, parity.pack(6), 6).text == (
        "symbol 2 of 2 over packets [1, 3, 5]"
    )


def test_the_chunks_and_the_status_go_to_the_statistics():
    assert explain_uplink(PacketType.DATA, CHUNK.pack(6), 6).chunks[0].image == 5
    status = explain_uplink(PacketType.STATUS, STATUS.pack(), 6).status
    assert status is not None
    assert status.queue_images == 4


@pytest.mark.parametrize("kind", [PacketType.DATA, PacketType.STATUS, PacketType.HELLO])
def test_what_makes_no_sense_is_said_and_counted(kind):
    for explained in (explain_uplink(kind, b"\x01", 6), explain_lorawan(kind, b"\x01", 0)):
        assert explained.is_malformed
        assert explained.text


def test_what_a_host_says():
    assert explain_downlink(PacketType.TIME, Time(1000.0).pack(), 9) == "1000.000 s Unix time"
    assert "AskStatus" in explain_downlink(PacketType.COMMAND, pack_command(AskStatus()), 9)
    assert explain_downlink(PacketType.REPORT, Report(5, 1).pack(), 9)
    assert explain_downlink(PacketType.TIME, b"", 9)


def test_over_lorawan_a_body_tells_the_image_that_the_next_is_near():
    greeting = explain_lorawan(PacketType.HELLO, Greeting(bytes(8), 70_000).pack(), 0)
    assert (greeting.reference, "images near 70000" in greeting.text) == (70_000, True)
    chunk = explain_lorawan(PacketType.DATA, pack_chunk(Chunk(70_001, 0, True, b"x", 0.0)), 70_000)
    assert chunk.reference == 70_001
    assert explain_lorawan(PacketType.PARITY, b"", 0).is_malformed


def test_a_figure_that_nobody_told_is_a_stroke():
    assert (figure(None, "s"), figure(1.25, "s"), figure(3.0, "")) == ("-", "1.2 s", "3.0")
