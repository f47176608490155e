"""The node as its user runs it: python -m device node.toml in a process of its own, on a port that is real to it."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from PIL import Image

from link.framing import Deframer, frame
from link.keys import CounterStore
from link.profiles import get_profile
from link.serial_port import open_port
from link.uplink import FIRST_CHUNK_OVERHEAD_BYTES, NodeEntry, Rejected, UplinkReceiver


@contextmanager
def running(*command):
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def node(config, *options):
    return running("device", config, "--console", "json", *options)


def run_node(config, *options, timeout_s=60):
    command = [sys.executable, "-m", "device", str(config), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def arrived(far):
    try:
        return os.read(far, 65536)
    except BlockingIOError:
        return b""


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def received(home, packets):
    receiver = UplinkReceiver({3: NodeEntry(home.key, home.bundle)})
    return [receiver.receive(packet, now_s=0.0) for packet in packets]


def test_the_symbols_that_arrive_are_those_of_the_encoder(home, port, symbols, images):
    path, far = port
    with node(home.config(path)) as process:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    packets = Deframer().push(arrived(far))
    updates = received(home, packets)
    assert (np.array([update.latent.symbols for update in updates]) == symbols).all()
    assert [update.image for update in updates] == list(range(12))

    *told, end = lines(out)
    assert end == {"done": True, "images": 12}
    for line, update, packet, image, label in zip(told, updates, packets, images, home.labels, strict=True):
        assert line["counter"] == update.first_counter == update.counter
        assert line["bitstream_bytes"] == update.bitstream_bytes == len(packet) - FIRST_CHUNK_OVERHEAD_BYTES
        assert line["packets"] == 1
        assert line["wire_bytes"] == len(frame(packet))
        assert line["airtime_s"] == get_profile("serial-115200").medium.airtime_s(len(frame(packet)))
        assert line["label"] == ["no", "yes"][label]
        assert base64.b64decode(line["pixels"]) == image.tobytes()
        assert line["shape"] == [8, 8, 1]
        assert set(line["ms"]) == {"preprocess", "model", "coder"}


def test_an_image_that_is_too_long_for_one_packet_travels_in_several(home, port, symbols):
    path, far = port
    with node(home.config(path, source="limit = 3", link="max_packet_bytes = 14")) as process:
        out, _ = process.communicate(timeout=60)
    packets = Deframer().push(arrived(far))
    assert max(map(len, packets)) == 14
    complete = [update for update in received(home, packets) if update.is_complete]
    assert (np.array([update.latent.symbols for update in complete]) == symbols[:3]).all()
    *told, _ = lines(out)
    assert [line["counter"] for line in told] == [update.first_counter for update in complete]
    assert sum(line["packets"] for line in told) == len(packets) > 3


def test_over_the_emulated_radio_the_node_and_the_line_agree_on_what_was_spent(home, symbols):
    packets: list[bytes] = []
    with running("link", "emulate", "lora-sf7") as emulator:
        ends = json.loads(emulator.stdout.readline())
        config = home.config(ends["a"], "lora-sf7", source="limit = 6")
        with open_port(ends["b"], 115_200) as host, node(config) as process:
            deframer = Deframer()
            while len(packets) < 6:
                data = host.read(timeout_s=20.0)
                assert data, "the node went silent"
                packets += deframer.push(data)
            *told, _ = lines(process.communicate(timeout=30)[0])
        emulator.terminate()
        line = json.loads(emulator.communicate(timeout=10)[0])
    assert (np.array([update.latent.symbols for update in received(home, packets)]) == symbols[:6]).all()
    assert [entry["wire_bytes"] for entry in told] == [len(packet) for packet in packets]  # a radio carries no framing
    assert sum(entry["airtime_s"] for entry in told) == pytest.approx(line["airtime_s"])


def test_the_node_keeps_the_duty_cycle_itself(home, port):
    config = home.config(port[0], "lora-sf7-eu868-10pct", source="loop = true")
    started_s = time.monotonic()
    with node(config) as process:
        process.stdout.readline()
        time.sleep(4)
        process.send_signal(signal.SIGTERM)
        *told, end = lines(process.communicate(timeout=10)[0])
    elapsed_s = time.monotonic() - started_s
    longest_s = get_profile("lora-sf7-eu868-10pct").longest_airtime_s
    assert (
        sum(line["airtime_s"] for line in told[:-1]) < longest_s + 0.1 * elapsed_s
    )  # the last one may still be waiting
    assert end["images"] >= 8  # and it does not waste it


def test_counters_go_on_after_a_restart_and_none_is_used_twice(home, port):
    path, far = port
    counters = []
    for _ in range(2):
        with node(home.config(path, source="limit = 2")) as process:
            *told, _ = lines(process.communicate(timeout=60)[0])
        counters += [line["counter"] for line in told]
    assert counters == sorted(set(counters))
    assert not any(isinstance(update, Rejected) for update in received(home, Deframer().push(arrived(far))))


def test_images_are_taken_no_faster_than_the_interval(home, port):
    started_s = time.monotonic()
    assert run_node(home.config(port[0], source="limit = 3\ninterval_s = 1.0")).returncode == 0
    assert time.monotonic() - started_s > 2.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_cleanly(home, port, how):
    with node(home.config(port[0], "serial-1200", source="loop = true")) as process:
        process.stdout.readline()
        process.send_signal(how)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert lines(out)[-1]["done"]
        assert "Traceback" not in err
    CounterStore(home.folder / "keys").close()  # nobody holds the keys any more


def test_a_port_that_vanishes_is_waited_for_and_the_image_is_kept(home, symbols):
    """The port is a symbolic link, as in /dev/serial/by-id; the line behind it is killed and replaced by another."""
    port = home.folder / "ttyNODE"
    packets: list[bytes] = []

    @contextmanager
    def line():
        with running("link", "emulate", "serial-115200") as emulator:
            ends = json.loads(emulator.stdout.readline())
            with open_port(ends["b"], 115_200) as host:
                port.symlink_to(ends["a"])
                yield host
        port.unlink()

    def receive(host, n_packets):
        deframer = Deframer()
        while len(packets) < n_packets:
            data = host.read(timeout_s=20.0)
            assert data, "the node went silent"
            packets.extend(deframer.push(data))

    first_line = ExitStack()
    host = first_line.enter_context(line())
    with first_line, node(home.config(str(port), source="limit = 8\ninterval_s = 0.3")) as process:
        receive(host, 3)
        first_line.close()
        assert any("vanished" in said for said in process.stderr)
        with line() as host:
            receive(host, 8)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "is back" in err
    assert (np.array([update.latent.symbols for update in received(home, packets)]) == symbols[:8]).all()


def test_with_once_a_vanished_port_ends_the_node(home):
    far, near = os.openpty()
    config = home.config(os.ttyname(near), source="loop = true\ninterval_s = 0.1")
    os.close(near)
    with node(config, "--once") as process:
        process.stdout.readline()
        os.close(far)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "vanished" in err
        assert "Traceback" not in err


def test_an_unreadable_image_in_a_folder_is_named_and_skipped(home, port):
    folder = home.folder / "pictures"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        Image.new("RGB", (30, 20), (90, 90, 90)).save(folder / name)
    (folder / "b.png").write_bytes(b"no picture")
    config = home.config(port[0])
    config.write_text(
        config.read_text().replace('kind = "replay"\npath = "replay.npz"', 'kind = "folder"\npath = "pictures"')
    )
    run = run_node(config, "--console", "json")
    assert "b.png cannot be read and is skipped" in run.stderr
    assert lines(run.stdout)[-1] == {"done": True, "images": 2}


def test_a_second_node_with_the_same_keys_is_refused(home, port):
    with node(home.config(port[0], source="loop = true\ninterval_s = 0.1")) as process:
        process.stdout.readline()
        second = run_node(home.config())
        assert second.returncode == 1
        assert "another process already speaks with the key" in second.stderr
