"""A node on a network: real processes at both ends, packets over UDP on this machine alone."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from device.outbox.outbox import open_outbox
from link.wire.packet import MAX_CHUNKS
from tests.device.test_many_nodes import N_IMAGES, bundle, images_of, labels_of, write_node
from tests.device.test_node import finish, node, run_node, running

__all__ = ["bundle"]  # the fixture

NODE = 3
PIPE_BYTES = 4096
UNREACHABLE = "255.255.255.255:4300"
"Nobody may send there who has not asked to: the system refuses it."


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def udp_node(folder, peer, has_downlink=True):
    """node.toml of a node that sends to the peer."""
    path = write_node(folder, NODE, f"127.0.0.1:{free_port()}")
    link = f'profile = "udp"\npeers = ["{peer}"]\ndownlink = {str(has_downlink).lower()}\n'
    path.write_text(
        path.read_text().replace('profile = "lora-sf7"\nregion = "wire"\nwants_slot = true\n', link)
    )
    return path


@contextmanager
def listening_host(folder, port, has_downlink=True):
    """A host process that hears node 3; `answers` is what it has told of images so far."""
    (folder / "host.toml").write_text(
        f'store = "host.sqlite"\n[link]\nport = "127.0.0.1:{port}"\nprofile = "udp"\n'
        f'[[node]]\nnode = {NODE}\nkey = "keys-{NODE}"\nbundle = "bundle"\ndownlink = '
        f"{str(has_downlink).lower()}\n"
    )
    with running("host_decoder", "listen", folder / "host.toml") as host:
        assert "listening on" in host.stderr.readline()
        yield host


def labels_told(host, n_images, patience_s=30.0):
    """The labels of the first images that the host tells of, in the images' order."""
    timer = threading.Timer(patience_s, host.terminate)
    timer.start()
    labels = {}
    for line in map(json.loads, host.stdout):
        if line["event"] == "answer":
            labels[line["image"]] = line["label"]
        if len(labels) == n_images:
            break
    timer.cancel()
    return [labels[image] for image in sorted(labels)]


def n_waiting(folder, bundle):
    with open_outbox(folder / f"keys-{NODE}" / f"outbox-{bundle.id.hex()}.sqlite") as outbox:
        return outbox.n_images


@pytest.mark.parametrize("has_downlink", [True, False], ids=["downlink", "one way"])
def test_every_image_arrives(tmp_path, bundle, has_downlink):
    port = free_port()
    config = udp_node(tmp_path, f"127.0.0.1:{port}", has_downlink)
    with listening_host(tmp_path, port, has_downlink) as host:
        with node(config, "--last-good", tmp_path / "good.toml") as process:
            said = finish(process)
        assert len(said["image"]) == N_IMAGES
        assert labels_told(host, N_IMAGES) == labels_of(images_of(NODE))
    assert n_waiting(tmp_path, bundle) == 0
    assert (tmp_path / "good.toml").read_text() == config.read_text()


def test_an_image_of_more_small_chunks_than_there_are_travels_in_longer_ones(tmp_path, bundle):
    port = free_port()
    config = udp_node(tmp_path, f"127.0.0.1:{port}")
    config.write_text(config.read_text() + "first_chunk_bytes = 1\nchunk_bytes = 1\n")
    with listening_host(tmp_path, port) as host:
        with node(config) as process:
            said = finish(process)
        assert len(said["image"]) == N_IMAGES
        assert any(line["bitstream_bytes"] > MAX_CHUNKS > line["chunks"] for line in said["image"])
        assert labels_told(host, N_IMAGES) == labels_of(images_of(NODE))


def test_what_was_sent_to_an_absent_host_waits_for_it(tmp_path, bundle):
    port, good = free_port(), tmp_path / "good.toml"
    config = udp_node(tmp_path, f"127.0.0.1:{port}")
    with node(config, "--last-good", good) as process:
        for line in map(json.loads, process.stdout):
            if line["event"] == "packet":
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    n_images = n_waiting(tmp_path, bundle)
    assert n_images > 0
    assert not good.exists()
    with listening_host(tmp_path, port) as host:
        with node(config) as process:
            finish(process)
        assert len(labels_told(host, n_images + N_IMAGES)) == n_images + N_IMAGES
    assert n_waiting(tmp_path, bundle) == 0


def test_one_way_nothing_counts_as_sent_that_could_not_leave(tmp_path, bundle):
    good = tmp_path / "good.toml"
    config = udp_node(tmp_path, UNREACHABLE, has_downlink=False)
    with node(config, "--last-good", good) as process:
        assert any("cannot leave" in line for line in process.stderr)
        time.sleep(1)  # it tries again
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert n_waiting(tmp_path, bundle) > 0
    assert not good.exists()


def test_a_node_that_would_send_to_nobody_does_not_start(tmp_path, bundle):
    config = udp_node(tmp_path, "127.0.0.1:1")
    config.write_text(config.read_text().replace('peers = ["127.0.0.1:1"]\n', ""))
    done = run_node(config)
    assert done.returncode != 0
    assert (
        "profile udp needs 1 to 16, the addresses at which hosts receive; write for example: "
        'peers = ["'
    ) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_console_that_takes_nothing_holds_up_no_image(tmp_path, bundle):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writing, bytes(PIPE_BYTES))
    for console in (writing, os.open("/dev/full", os.O_WRONLY)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.bind(("127.0.0.1", 0))
            host.settimeout(30.0)
            config = udp_node(tmp_path, f"127.0.0.1:{host.getsockname()[1]}", has_downlink=False)
            command = [sys.executable, "-m", "device", str(config), "--console", "json"]
            with subprocess.Popen(command, stdout=console, stderr=subprocess.PIPE) as process:
                assert len({host.recv(255) for _ in range(N_IMAGES)}) == N_IMAGES
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) in (0, 1)
        os.close(console)
        shutil.rmtree(tmp_path / f"keys-{NODE}")
    os.close(reading)
