"""Two nodes and a host with two gateways on one emulated channel, each a process of its own."""

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from device.encoder.interpreter import SELFTEST_MODEL
from host_decoder.store.store import Store
from link.coder.tables import Tables
from link.security.keys import provision
from tests.device.test_node import finish, node, running
from tests.worlds.small_host import CLASSES, make_bundle, right_label

NODES, N_IMAGES = (3, 4), 5
IMAGE_SHAPE, N_LATENTS = (4, 4, 2), 32
"Sizes of the int8 convolution that a node tests its runtime with."


@pytest.fixture
def bundle(tmp_path):
    """A whole one: int8 encoder, tables that know every int8 symbol, linear decoder."""
    tables = Tables.from_counts([-128] * N_LATENTS, np.ones((N_LATENTS, 256)))
    return make_bundle(tmp_path / "bundle", tables, SELFTEST_MODEL.read_bytes(), IMAGE_SHAPE)


def images_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (N_IMAGES, *IMAGE_SHAPE), np.uint8)


def labels_of(images: np.ndarray) -> list[str]:
    """What encoder and decoder make of images, computed without the node's and the host's code."""
    encoder = Interpreter(str(SELFTEST_MODEL), num_threads=1)
    encoder.allocate_tensors()
    [taken], [given] = encoder.get_input_details(), encoder.get_output_details()
    labels = []
    for image in images:
        encoder.set_tensor(taken["index"], (image.astype(np.int16) - 128).astype(np.int8)[None])
        encoder.invoke()
        labels.append(right_label(encoder.get_tensor(given["index"]).ravel()))
    return labels


def write_node(folder: Path, number: int, port: str) -> Path:
    """Its key, its images and its node.toml."""
    provision(folder / f"keys-{number}", number)
    labels, classes = np.zeros(N_IMAGES, np.int64), np.array(CLASSES)
    np.savez(
        folder / f"images-{number}.npz", images=images_of(number), labels=labels, classes=classes
    )
    config = folder / f"node-{number}.toml"
    config.write_text(
        f'node = {number}\nbundle = "bundle"\nkey_dir = "keys-{number}"\n'
        f'[source]\nkind = "replay"\npath = "images-{number}.npz"\ninterval_s = 0.3\n'
        f'[link]\nport = "{port}"\nprofile = "lora-sf7"\nregion = "wire"\nwants_slot = true\n'
    )
    return config


def write_host(folder: Path, ports: dict[str, str]) -> Path:
    """host.toml with a gateway at each of the ports."""
    config = folder / "host.toml"
    links = [
        f'[[link]]\nname = "{name}"\nport = "{port}"\nprofile = "lora-sf7"\nregion = "wire"\n'
        for name, port in ports.items()
    ]
    nodes = [
        f'[[node]]\nnode = {number}\nkey = "keys-{number}"\nbundle = "bundle"\n' for number in NODES
    ]
    config.write_text("\n".join(['store = "host.sqlite"\n', *links, *nodes]))
    return config


def test_two_nodes_in_slots_before_two_gateways_are_answered_once_for_each_image(tmp_path, bundle):
    with ExitStack() as stack:
        emulator = stack.enter_context(
            running("link", "emulate", "--link", "lora-sf7", "--ends", len(NODES) + 2)
        )
        ports = json.loads(emulator.stdout.readline())
        configs = [
            write_node(tmp_path, number, ports[end])
            for number, end in zip(NODES, "ab", strict=True)
        ]
        host_toml = write_host(tmp_path, {"cellar": ports["c"], "roof": ports["d"]})
        host = stack.enter_context(running("host_decoder", "listen", host_toml))
        for _ in range(2):
            assert "listening on" in host.stderr.readline()
        said = [finish(one) for one in [stack.enter_context(node(config)) for config in configs]]
        host.send_signal(signal.SIGTERM)
        out, err = host.communicate(timeout=60)
    assert host.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    answers = [line for line in lines if line["event"] == "answer"]
    assert [line for line in lines if line["event"] != "answer"] == [], "nothing was worth a word"
    for number, told in zip(NODES, said, strict=True):
        own = sorted(
            (line for line in answers if line["node"] == number), key=lambda line: line["image"]
        )
        assert [line["image"] for line in own] == [line["image"] for line in told["image"]], (
            "each once"
        )
        assert [line["label"] for line in own] == labels_of(images_of(number))
        assert "HELLO" in {line["type"] for line in told["packet"]}, "it asked for a slot"
    with Store(tmp_path / "host.sqlite") as store:
        statistics = store.statistics()
    refused = {row["reason"]: row["n"] for row in statistics["refusals"]}
    assert set(refused) <= {"duplicate", "repeated"}
    assert refused["duplicate"] == sum(row["duplicate"] for row in statistics["link"])
    for row in statistics["link"]:
        assert row["duplicate"] == row["received"], "both gateways hear what did not collide"
        assert row["downlink_packets"] >= 2, "the slot, and a report"
