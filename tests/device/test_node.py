"""The node as its user runs it: python -m device node.toml in a process of its own, on a port that
is real to it.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path

import numpy as np
import pytest

from device.outbox.outbox import open_outbox
from link.host.interface import Reason
from link.medium.profiles import get_profile
from link.node.packing import FIRST_CHUNK_OVERHEAD_BYTES
from link.security.keys import COUNTER_FILE, CounterStore
from link.wire.framing import frame
from link.wire.packet import Header
from tests.worlds.ends import latent_of
from tests.worlds.far_host import FarHost, far_end
from tests.worlds.photos import write_odd_photos

NO_DOWNLINK = "downlink = false"


@contextmanager
def running(*command):
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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


def finish(process, timeout_s=60):
    """What the console said, by event."""
    out, err = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, err
    said: dict[str, list[dict]] = {"image": [], "packet": [], "heard": [], "notice": [], "done": []}
    for line in map(json.loads, out.splitlines()):
        said[line["event"]].append(line)
    return said


def arrived_symbols(host):
    return np.array([latent_of(update).symbols for update in host.complete])


def test_the_symbols_that_arrive_are_those_of_the_encoder(home, port, symbols, images):
    path, far = port
    with FarHost(home, far) as host, node(home.config(path)) as process:
        said = finish(process)
    assert (arrived_symbols(host) == symbols).all()
    assert said["done"] == [{"event": "done", "images": 12}]
    for line, update, image, label in zip(
        said["image"], host.complete, images, home.labels, strict=True
    ):
        assert line["image"] == update.image
        assert line["bitstream_bytes"] == len(update.bitstream)
        assert line["chunks"] == 1
        assert line["label"] == ["no", "yes"][label]
        assert base64.b64decode(line["pixels"]) == image.tobytes()
        assert line["shape"] == [8, 8, 1]
        assert set(line["ms"]) == {"preprocess", "model", "coder"}
    assert sorted(image for line in said["heard"] for image in line["delivered"]) == [
        u.image for u in host.complete
    ]
    assert not list(
        open_outbox(home.folder / "keys" / f"outbox-{home.bundle.id.hex()}.sqlite").base_chunks(1)
    )


def test_the_console_tells_what_each_packet_costs_before_it_leaves(home, port):
    path, far = port
    with (
        FarHost(home, far, answers=False) as host,
        node(home.config(path, link=NO_DOWNLINK)) as process,
    ):
        said = finish(process)
    medium = get_profile("serial-115200").medium
    for line, packet in zip(said["packet"], host.packets, strict=True):
        header = Header.unpack(packet)
        assert (line["type"], line["counter"] & 0xFFFF) == ("DATA", header.counter_low)
        assert (line["packet_bytes"], line["wire_bytes"]) == (len(packet), len(frame(packet)))
        assert line["airtime_s"] == medium.airtime_s(len(frame(packet)))
        [[image, index, n_bytes]] = line["chunks"]
        assert index == 0
        assert n_bytes == len(packet) - FIRST_CHUNK_OVERHEAD_BYTES - 12 * bool(header.salt)
        assert image < line["counter"]


def test_an_image_travels_in_the_chunks_that_the_configuration_asks_for(home, port, symbols):
    path, far = port
    config = home.config(path, source="limit = 3", link="first_chunk_bytes = 3\nchunk_bytes = 2")
    with FarHost(home, far) as host, node(config) as process:
        said = finish(process)
    assert sorted(arrived_symbols(host).tolist()) == sorted(symbols[:3].tolist())
    for line in said["image"]:
        assert line["chunks"] == 1 + -(-(line["bitstream_bytes"] - 3) // 2)
        sent = {
            (index, size)
            for packet in said["packet"]
            for image, index, size in packet["chunks"]
            if image == line["image"]
        }
        # what a slow host made the node send again counts once
        sizes = [size for _, size in sorted(sent)]
        assert sizes[:-1] == [3, *[2] * (len(sizes) - 2)]
        assert len(sizes) == line["chunks"]
        assert sum(sizes) == line["bitstream_bytes"]


def test_over_the_emulated_radio_the_node_and_the_line_agree_on_what_was_spent(home, symbols):
    with ExitStack() as stack:
        emulator = stack.enter_context(running("link", "emulate", "--link", "lora-sf7"))
        ends = json.loads(emulator.stdout.readline())
        far = stack.enter_context(far_end(ends["b"]))
        host = stack.enter_context(FarHost(home, far, "lora-sf7", answers=False))
        config = home.config(
            ends["a"], "lora-sf7", source="limit = 6", link=f'{NO_DOWNLINK}\nregion = "wire"'
        )
        said = finish(stack.enter_context(node(config)))
        host.wait_for(6)
        emulator.terminate()
        line = json.loads(emulator.communicate(timeout=60)[0])
    assert (arrived_symbols(host) == symbols[:6]).all()
    assert [entry["wire_bytes"] for entry in said["packet"]] == [
        len(packet) for packet in host.packets
    ]
    assert sum(entry["airtime_s"] for entry in said["packet"]) == pytest.approx(line["airtime_s"])


def test_a_radio_without_a_region_stays_silent_and_says_why(home, port):
    with node(home.config(port[0], "lora-sf7", source="limit = 2")) as process:
        for line in map(json.loads, process.stdout):
            if line["event"] == "notice":
                break
        assert "no region is set, so the radio stays silent" in line["sentence"]
        process.send_signal(signal.SIGTERM)
        assert finish(process, timeout_s=60)["packet"] == []
    assert os.read(port[1], 100) == b"\0"  # ends whatever half a frame the modem still holds


def test_the_node_keeps_the_duty_cycle_over_its_restarts(home, port):
    """At 1 % a quarter of the hour's 36 s may go at once; the second run has only what the first
    left.
    """
    config = home.config(
        port[0],
        "lora-sf12-eu868",
        source="loop = true",
        link=f'{NO_DOWNLINK}\nregion = "eu868"\nfrequency_hz = 868100000',
    )
    first_s, second_s = airtime_s(config, enough_s=4.0), airtime_s(config, inf, patience_s=4.0)
    assert first_s >= 4
    assert second_s > 0
    assert first_s + second_s <= 9 + 1e-6


def airtime_s(config, enough_s, patience_s=8.0):
    """What a node sends until it is enough, or for some time after its first word; then it is told
    to end.
    """
    with node(config) as process:
        lines = map(json.loads, process.stdout)
        spent_s = next(lines).get("airtime_s", 0.0)
        timer = threading.Timer(patience_s, process.terminate)
        timer.start()
        for line in lines:
            spent_s += line.get("airtime_s", 0.0)
            if spent_s >= enough_s:
                process.terminate()
        timer.cancel()
        assert process.wait(timeout=60) == 0
    return spent_s


def test_counters_go_on_after_a_restart_and_none_is_used_twice(home, port):
    path, far = port
    counters = []
    with FarHost(home, far) as host:
        for _ in range(2):
            with node(home.config(path, source="limit = 2")) as process:
                counters += [line["counter"] for line in finish(process)["packet"]]
    assert counters == sorted(set(counters))
    assert [Header.unpack(packet).counter_low for packet in host.packets] == [
        one & 0xFFFF for one in counters
    ]
    assert len({update.image for update in host.complete}) == len(host.complete) == 4
    refused = {rejected.reason for rejected in host.rejected}
    assert refused <= {Reason.REPEATED}, (
        "a node that hears its answer too late may say an image twice"
    )


def test_what_a_killed_node_has_captured_is_sent_by_the_next(home, port, symbols):
    """The host is deaf until the node is dead: nothing of it was acknowledged."""
    path, far = port
    with node(home.config(path, source="interval_s = 0.05")) as process:
        told = [json.loads(process.stdout.readline()) for _ in range(12)]
        process.send_signal(signal.SIGKILL)
        process.wait()
    captured = [line["image"] for line in told if line["event"] == "image"]
    assert captured
    with FarHost(home, far) as host, node(home.config(path, source="limit = 1")) as process:
        finish(process)
    assert [update.image for update in host.complete][: len(captured)] == captured
    assert (arrived_symbols(host)[: len(captured)] == symbols[: len(captured)]).all()


def test_a_node_that_lost_its_counter_goes_on_above_what_its_host_has_seen(home, port):
    path, far = port
    with FarHost(home, far) as host:
        with node(home.config(path, source="limit = 4")) as process:
            finish(process)
        highest = host.state.highest
        (home.folder / "keys" / COUNTER_FILE).write_text("not what was written")
        with node(home.config(path, source="limit = 4")) as process:
            said = finish(process)
    assert any(
        "set aside" in line["sentence"] or "damaged" in line["sentence"] for line in said["notice"]
    )
    assert len(host.complete) == 8
    assert host.state.highest > highest


def test_images_are_taken_no_faster_than_the_interval(home, port):
    started_s = time.monotonic()
    assert (
        run_node(
            home.config(port[0], source="limit = 3\ninterval_s = 1.0", link=NO_DOWNLINK)
        ).returncode
        == 0
    )
    assert time.monotonic() - started_s > 2.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_cleanly(home, port, how):
    with node(home.config(port[0], "serial-1200", source="loop = true")) as process:
        process.stdout.readline()
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert json.loads(out.splitlines()[-1])["event"] == "done"
        assert "Traceback" not in err
    CounterStore(home.folder / "keys").close()  # nobody holds the keys any more


def test_a_port_that_vanishes_is_waited_for_and_no_image_is_lost(home, symbols):
    """The port is a symbolic link, as in /dev/serial/by-id; the line behind it is killed and
    replaced by another.
    """
    port = home.folder / "ttyNODE"
    hosts: list[FarHost] = []

    @contextmanager
    def line():
        with running("link", "emulate", "--link", "serial-115200") as emulator:
            ends = json.loads(emulator.stdout.readline())
            port.symlink_to(ends["a"])
            state = hosts[-1].state if hosts else None
            with far_end(ends["b"]) as far, FarHost(home, far, state=state) as host:
                hosts.append(host)
                yield host
        port.unlink()

    with ExitStack() as stack:
        first_line = stack.enter_context(ExitStack())
        host = first_line.enter_context(line())
        process = stack.enter_context(
            node(home.config(str(port), source="limit = 8\ninterval_s = 0.3"))
        )
        host.wait_for(3)
        first_line.close()
        assert any("vanished" in said for said in process.stderr)
        with line():
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is back" in err
    complete = [update for host in hosts for update in host.complete]
    assert len({update.image for update in complete}) == 8
    assert {tuple(latent_of(update).symbols) for update in complete} == {
        tuple(row) for row in symbols[:8]
    }


def test_with_once_a_vanished_port_ends_the_node(home):
    far, near = os.openpty()
    config = home.config(os.ttyname(near), source="loop = true\ninterval_s = 0.1")
    os.close(near)
    with node(config, "--once") as process:
        process.stdout.readline()
        os.close(far)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "vanished" in err
        assert "Traceback" not in err


def test_of_a_folder_of_odd_photos_a_node_sends_what_can_be_seen_and_names_the_rest(home, port):
    n_seen, unread = write_odd_photos(home.folder / "pictures")
    config = home.config(port[0], link=NO_DOWNLINK)
    config.write_text(
        config.read_text().replace(
            'kind = "replay"\npath = "replay.npz"', 'kind = "folder"\npath = "pictures"'
        )
    )
    run = run_node(config, "--console", "json")
    said = [line for line in run.stderr.splitlines() if "pictures" in line]
    assert [
        Path(line.split(" cannot be read and is skipped")[0]).name for line in said
    ] == unread, run.stderr
    assert "Traceback" not in run.stderr
    assert "Warning" not in run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {"event": "done", "images": n_seen}


def test_a_second_node_with_the_same_keys_is_refused(home, port):
    with node(home.config(port[0], source="loop = true\ninterval_s = 0.1")) as process:
        process.stdout.readline()
        second = run_node(home.config())
        assert second.returncode == 1
        assert "another process already speaks with the key" in second.stderr


def test_without_its_camera_a_node_sends_what_waits_and_then_ends_with_the_reason(
    home, port, symbols
):
    path, far = port
    with node(home.config(path, source="interval_s = 0.05")) as process:
        while json.loads(process.stdout.readline())["event"] != "image":
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    (home.folder / "replay.npz").unlink()
    with FarHost(home, far) as host, node(home.config(path)) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "images wait and are sent first" in err
    assert "Traceback" not in err
    assert (arrived_symbols(host)[:1] == symbols[:1]).all()
