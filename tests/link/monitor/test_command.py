"""The commands at a pseudo-terminal: what is on the line is shown, recorded, and spoken again."""

import argparse
import json
import os
import pty
import select
import time
import tty

import pytest

from link.__main__ import main
from link.carriers.carrier import PortError
from link.monitor.command import _hear, _open, add_commands
from link.monitor.recording import Recorded, RecordingHead, RecordingWriter, read_recording
from link.wire.control import Hello
from link.wire.framing import Deframer, frame
from link.wire.packet import PacketType
from tests.link.monitor.test_monitor import BUNDLE_ID, KEY, control, data
from tests.worlds.small_bundle import make_bundle

PROFILE = "serial-115200"
PACKETS = [control(PacketType.HELLO, Hello(BUNDLE_ID).pack(), 0), data(1), data(3, index=2)]


@pytest.fixture
def line():
    """(file descriptor of the far end, path of the port)"""
    far, near = pty.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    given = parser.parse_args(list(map(str, arguments)))
    given.run(given)


@pytest.fixture
def speaking(line, monkeypatch):
    """A line on which the packets come as soon as somebody listens."""
    far, port = line

    def open_and_speak(*arguments):
        carrier = _open(*arguments)
        os.write(far, b"".join(map(frame, PACKETS)))
        return carrier

    monkeypatch.setattr("link.monitor.command._open", open_and_speak)
    return port


def heard(far, n):
    """The next n packets."""
    packets: list[bytes] = []
    deframer = Deframer()
    while len(packets) < n and select.select([far], [], [], 10.0)[0]:
        packets += deframer.push(os.read(far, 4096))
    return packets


def test_monitor_shows_each_packet_and_the_table(speaking, tmp_path, capsys):
    (tmp_path / "node.key").write_text(KEY.hex() + "\n")
    run(
        "monitor",
        speaking,
        "--link",
        PROFILE,
        "--count",
        "3",
        "--key",
        f"7={tmp_path}",
        "--json",
    )
    *lines, statistics = capsys.readouterr().out.splitlines()
    assert f"bundle {BUNDLE_ID.hex()}" in lines[0]
    assert "does not open with the key and the bundles given" in lines[1]
    assert lines[4].split()[:4] == ["node", "sent", "came", "lost"]
    assert json.loads(statistics)["7"]["received"] == 1


def test_what_is_recorded_can_be_replayed_and_shown(speaking, tmp_path, capsys):
    record = tmp_path / "record.jsonl"
    run("record", record, speaking, "--link", PROFILE, "--count", "3")
    assert capsys.readouterr().out == f"3 packets are in {record}\n"
    with record.open() as file:
        head, packets = read_recording(file)
        recorded = list(packets)
    assert head.profile == PROFILE
    assert [one.packet for one in recorded] == PACKETS
    assert all(one.is_uplink for one in recorded)
    run("replay", record)
    shown = capsys.readouterr().out.splitlines()
    assert [text.split()[-1] for text in shown[:3]] == ["sealed", "sealed", "sealed"]
    assert shown[-1].split()[:3] == ["7", "4", "3"]
    with pytest.raises(FileExistsError):
        run("record", record, speaking, "--link", PROFILE, "--count", "3")


def test_replay_speaks_at_the_pace_of_the_record(line, tmp_path, capsys):
    far, port = line
    record = tmp_path / "record.jsonl"
    with record.open("w") as file:
        writer = RecordingWriter(file, RecordingHead(PROFILE, 0.0))
        for t_s, packet in zip((0.0, 1.0, 3.0), PACKETS, strict=True):
            writer.write(Recorded(t_s, packet))
        writer.write(Recorded(3.5, b"what the host said", is_uplink=False))
    started_s = time.monotonic()
    run("replay", record, port, "--speed", "10")
    assert time.monotonic() - started_s >= 0.3
    assert heard(far, 3) == PACKETS
    assert capsys.readouterr().out == f"3 packets were sent to {port}\n"
    run("replay", record, port, "--speed", "1000", "--down")
    assert heard(far, 1) == [b"what the host said"]


def test_a_port_that_vanishes_takes_no_figures_along(monkeypatch, capsys):
    far, near = pty.openpty()
    tty.setraw(near)

    def hear_and_unplug(carrier, arguments):
        os.write(far, b"".join(map(frame, PACKETS)))
        os.close(near)
        n_left = len(PACKETS)
        for t_s, received in _hear(carrier, arguments):
            yield t_s, received
            n_left -= received is not None
            if n_left == 0:
                os.close(far)

    monkeypatch.setattr("link.monitor.command._hear", hear_and_unplug)
    with pytest.raises(PortError, match="vanished"):
        run("monitor", os.ttyname(near), "--link", PROFILE)
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["7", "4", "3"]


def test_a_bundle_that_is_not_the_one_opens_nothing(speaking, tmp_path, capsys):
    make_bundle(tmp_path / "bundle")
    (tmp_path / "node.key").write_text(KEY.hex() + "\n")
    bundle, key = ("--bundle", tmp_path / "bundle"), ("--key", f"7={tmp_path / 'node.key'}")
    run("monitor", speaking, "--link", PROFILE, "--count", "3", *key, *bundle)
    assert "does not open" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["replay", "nowhere.jsonl"], "link: nowhere.jsonl: No such file or directory"),
        (
            ["monitor", "/dev/ttyNO", "--link", PROFILE],
            "link: port /dev/ttyNO does not exist; ports here:",
        ),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(arguments, sentence, capsys):
    assert main(arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert sentence in line


@pytest.mark.parametrize(
    "option", [("--count", "0"), ("--count", "two"), ("--duration", "-1"), ("--duration", "nan")]
)
def test_a_number_that_ends_nothing_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        main(["monitor", "/dev/ttyNO", "--link", PROFILE, *option])
    assert f'argument {option[0]}: "{option[1]}" is no number above 0' in capsys.readouterr().err


def test_wrong_arguments_are_told(tmp_path):
    with pytest.raises(ValueError, match="is not of the form NODE=FILE"):
        run("monitor", "nowhere", "--link", PROFILE, "--key", "node.key")
    with pytest.raises(ValueError, match="no link profile"):
        run("monitor", "nowhere", "--link", "string-and-cans")
    (tmp_path / "other").write_text("{}\n")
    with pytest.raises(ValueError, match="is no recording"):
        run("replay", tmp_path / "other")
