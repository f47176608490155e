"""The emulator as a process of its own, with real pyserial at its ends."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest

from link.carriers.carrier import CarrierSettings, open_carrier
from link.carriers.serial_port import open_port
from link.emulator.terminals import Terminal
from link.medium.profiles import get_profile
from link.wire.framing import Deframer, frame

ALL_BYTES = bytes(range(256))
PATIENCE_S = 5.0
"A busy machine delivers late."


def packet(number, n_bytes=20):
    return number.to_bytes(2, "big") + bytes(n_bytes - 2)


def numbers(stream):
    return [int.from_bytes(received[:2], "big") for received in Deframer().push(stream)]


@contextmanager
def emulator(*arguments):
    """A running `python -m link emulate`; yields the process and where its ends are."""
    command = [sys.executable, "-m", "link", "emulate", "--link", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def read(port, n_bytes, within_s=30.0):
    """What arrives until n_bytes are there, and at which time each piece did."""
    received, arrivals, deadline_s = b"", [], time.monotonic() + within_s
    while len(received) < n_bytes and time.monotonic() < deadline_s:
        if piece := port.read(timeout_s=0.1):
            received += piece
            arrivals.append((time.monotonic(), len(piece)))
    return received, arrivals


def test_all_byte_values_pass_a_real_pair_of_ports_in_both_directions():
    with (
        emulator("serial-115200") as (_, ends),
        open_port(ends["a"], 115_200) as a,
        open_port(ends["b"], 115_200) as b,
    ):
        a.write(ALL_BYTES)
        b.write(ALL_BYTES[::-1])
        assert read(b, 256)[0] == ALL_BYTES
        assert read(a, 256)[0] == ALL_BYTES[::-1]
        assert a.read(timeout_s=0.05) == b""
        assert b.read(timeout_s=0.05) == b""


def test_bytes_arrive_at_the_rate_of_the_line_and_not_faster():
    with (
        emulator("serial-9600") as (_, ends),
        open_port(ends["a"], 9600) as a,
        open_port(ends["b"], 9600) as b,
    ):
        started_s = time.monotonic()
        a.write(bytes(960))
        assert time.monotonic() - started_s < 0.9  # the writer's own buffers take it at once
        received, arrivals = read(b, 960)
        assert len(received) == 960
        seen = 0
        for when_s, n_bytes in arrivals:
            seen += n_bytes
            assert when_s - started_s > seen / 960 - 0.01
        assert arrivals[-1][0] - started_s < PATIENCE_S


def test_a_radio_packet_takes_its_airtime_between_real_ports():
    airtime_s = get_profile("lora-sf9").medium.airtime_s(30)
    with (
        emulator("lora-sf9") as (_, ends),
        open_port(ends["a"], 115_200) as a,
        open_port(ends["b"], 115_200) as b,
    ):
        started_s = time.monotonic()
        a.write(frame(packet(1, 30)))
        received, arrivals = read(b, 34)
        assert received == frame(packet(1, 30))
        assert airtime_s < arrivals[-1][0] - started_s < airtime_s + PATIENCE_S


def open_end(profile, path):
    return open_carrier(CarrierSettings(get_profile(profile), path))


def collect(carrier, n_packets, within_s=30.0):
    """What a carrier receives until n_packets are there."""
    received: list[bytes] = []
    deadline_s = time.monotonic() + within_s
    while len(received) < n_packets and time.monotonic() < deadline_s:
        received += [each.packet for each in carrier.receive(0.1)]
    return received


class Listener(threading.Thread):
    """A host of its own: a carrier that hands over what comes while others speak."""

    def __init__(self, profile, path, n_packets):
        super().__init__(daemon=True)
        self.carrier = open_end(profile, path)
        self.n_packets = n_packets
        self.received = []
        self.start()

    def run(self):
        self.received = collect(self.carrier, self.n_packets)
        self.ended_s = time.monotonic()


def broadcast(name, sent):
    """Two hosts hear what a node sends without a pause, then one answers; what they and the
    emulator say of it.
    """
    with emulator(name, "--ends", 3) as (process, ends):
        assert sorted(ends) == ["a", "b", "c"]
        listeners = [Listener(name, ends[end], len(sent)) for end in "bc"]
        node = open_end(name, ends["a"])
        for packet_sent in sent:
            node.send(packet_sent)
        for listener in listeners:
            listener.join()
        listeners[0].carrier.send(b"REPORT")
        answer = collect(node, 1)
        process.send_signal(signal.SIGTERM)
        counted = json.loads(process.communicate(timeout=60)[0])
    return [listener.received for listener in listeners], answer, counted


@pytest.mark.parametrize("name", ["rn2483-sf7", "rak3172-sf7", "e22-9600"])
def test_frames_that_follow_one_another_pass_real_ports_through_every_modem(name):
    sent = [bytes(120), bytes([1]) * 3, bytes([2]) * 60, bytes([3])]
    # a host that is kept from its port for 50 ms misses a frame, as it would in the field
    for _ in range(3):
        received, answer, counted = broadcast(name, sent)
        if received == [sent, sent]:
            break
    assert (received, answer) == ([sent, sent], [b"REPORT"])
    assert (counted["frames_in"], counted["frames_missed"], counted["frames_collided"]) == (5, 0, 0)


def goodput_ratio(name, n_bytes, n_packets):
    """Packet bytes that come through in a time, over what the medium can carry of them in that
    time.
    """
    with emulator(name) as (_, ends):
        listener = Listener(name, ends["b"], n_packets)
        node = open_end(name, ends["a"])
        started_s = time.monotonic()
        for number in range(n_packets):
            node.send(packet(number, n_bytes))
        listener.join()
        assert listener.received == [packet(number, n_bytes) for number in range(n_packets)]
    raw_s = n_packets * n_bytes * get_profile(name).medium.airtime_s(n_bytes) / n_bytes
    return raw_s / (listener.ended_s - started_s)


@pytest.mark.parametrize(
    ("name", "n_bytes", "n_packets"), [("serial-115200", 252, 40), ("lora-sf7", 222, 10)]
)
def test_a_saturated_line_carries_nine_tenths_of_what_it_can(name, n_bytes, n_packets):
    ratios: list[float] = []
    while len(ratios) < 3 and max(ratios, default=0.0) < 0.9:  # a busy machine may spoil one
        ratios.append(goodput_ratio(name, n_bytes, n_packets))
    assert max(ratios) >= 0.9


def test_ends_survive_being_closed_and_opened_again():
    with emulator("serial-115200") as (process, ends):
        for number in range(3):
            with open_port(ends["a"], 115_200) as a, open_port(ends["b"], 115_200) as b:
                a.write(frame(packet(number)))
                assert numbers(read(b, 24)[0]) == [number]
            time.sleep(0.05)
            assert process.poll() is None


def test_bytes_that_nobody_reads_are_lost():
    with closing(Terminal()) as terminal:
        terminal.write(bytes(1 << 20))  # more than the system keeps for an end that nobody reads
        assert 0 < terminal.bytes_overrun < 1 << 20


def test_bytes_that_nobody_reads_do_not_stop_the_line():
    with emulator("serial-115200") as (process, ends), open_port(ends["a"], 115_200) as a:
        a.write(bytes(30_000))
        with open_port(ends["b"], 115_200) as b:  # what came before is thrown away
            a.write(frame(packet(7)))
            heard = b""
            while 7 not in numbers(heard):
                piece, _ = read(b, 1)
                assert piece
                heard += piece
        process.send_signal(signal.SIGTERM)
        counted = json.loads(process.communicate(timeout=60)[0])
        assert counted["bytes_in"] == counted["bytes_out"] == 30_000 + 24


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_emulator_with_its_statistics(how, tmp_path):
    links = tmp_path / "ends"
    with emulator("lora-sf7", "--link-dir", links) as (process, ends):
        assert {name: str((links / name).resolve()) for name in "ab"} == ends
        with open_port(str(links / "a"), 115_200) as a, open_port(str(links / "b"), 115_200) as b:
            a.write(frame(packet(1)))
            assert numbers(read(b, 24)[0]) == [1]
        process.send_signal(how)
        counted = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    assert (counted["profile"], counted["frames_in"], counted["frames_out"]) == ("lora-sf7", 1, 1)
    assert not list(links.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serial-1"], 'no link profile "serial-1"; there are: serial-1200'),
        (["lora-sf7", "--loss", "much"], 'loss "much" is not understood'),
        (["lora-sf7", "--bit-errors", "2"], "bit error rate is 2; it must be between 0 and 1"),
        (["lora-sf7", "--delay", "-1"], "delay is -1 s"),
        (["lora-sf7", "--ends", "1"], "a radio line has 2 to 26 ends, not 1"),
        (["serial-9600", "--ends", "3"], "serial-9600 is a cable: it has two ends"),
        (["udp"], "udp needs no emulated line"),
    ],
)
def test_a_line_that_cannot_be_is_refused_in_a_sentence(arguments, sentence):
    run = subprocess.run(
        [sys.executable, "-m", "link", "emulate", "--link", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 1
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


def test_the_profiles_are_listed():
    run = subprocess.run(
        [sys.executable, "-m", "link", "profiles"], capture_output=True, text=True, timeout=30
    )
    assert "lora-sf10-eu868-10pct" in run.stdout
