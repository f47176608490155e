"""A node whose modem speaks LoRaWAN: a real process at a module's port, the module's network
emulated behind it.
"""

import select
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from device.config import ConfigError, load_config
from link.coder import latent_coder
from link.emulator.modems import rn2483_mac
from link.emulator.terminals import Terminal
from link.lorawan.wire import Greeting, port_of, unpack_batch, unpack_chunk
from link.medium.profiles import get_profile
from link.wire.packet import PacketType
from tests.device.test_node import finish, node
from tests.worlds.lorawan_network import APP_KEY, EmulatedNetwork, ModuleLine


@contextmanager
def module(network, answer_bytes=0):
    """Path of the serial port of a module that stands in this network, and has so much to answer
    it.
    """
    modem = rn2483_mac.Rn2483Mac(get_profile("rn2483-sf7"), network, window_s=0.02, channel_off=0)
    modem.answer_bytes = answer_bytes
    line = ModuleLine(modem)
    terminal, should_stop = Terminal(), threading.Event()

    def carry():
        while not should_stop.is_set():
            if select.select([terminal], [], [], 0.002)[0]:
                line.push("a", terminal.read(), time.monotonic())
            terminal.write(line.pop("a", time.monotonic()))

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield terminal.path
    finally:
        should_stop.set()
        thread.join()
        terminal.close()


def config(home, port, key=APP_KEY, profile="lora-sf7-eu868"):
    (home.folder / "app.key").write_text(f"{key}\n")
    link = 'region = "eu868"\nfrequency_hz = 868100000\n[link.lorawan]\napp_key = "app.key"'
    return home.config(port, profile, source="limit = 5", link=link)


def test_the_network_gets_hello_and_then_every_image(home, symbols):
    network = EmulatedNetwork()
    with module(network) as port, node(config(home, port)) as process:
        said = finish(process)
    hello, *uplinks = network.delivered
    assert hello.port == port_of(PacketType.HELLO)
    greeting = Greeting.unpack(hello.body)
    assert greeting.bundle_id == home.bundle.id
    reference, chunks = greeting.image, []
    for uplink in uplinks:
        chunks += (
            [unpack_chunk(uplink.body, reference)]
            if uplink.port == port_of(PacketType.DATA)
            else unpack_batch(uplink.body, reference)
        )
        reference = chunks[-1].image
    assert [chunk.image for chunk in chunks] == [line["image"] for line in said["image"]]
    decoded = [latent_coder.decode(chunk.bitstream, home.bundle.tables).symbols for chunk in chunks]
    assert (np.array(decoded) == symbols[:5]).all()
    assert sum(len(line["delivered"]) for line in said["heard"]) == 5


def test_while_the_module_has_answers_to_send_first_every_image_goes_in_shorter_packets(home):
    network = EmulatedNetwork()
    with (
        module(network, answer_bytes=51 - 9) as port,
        node(config(home, port, profile="lora-sf10-eu868")) as process,
    ):
        said = finish(process)
    assert network.delivered[0].port == port_of(PacketType.STATUS)
    assert network.delivered[1].port == port_of(PacketType.HELLO)
    assert sum(len(line["delivered"]) for line in said["heard"]) == 5
    assert any("something shorter is sent first" in line["sentence"] for line in said["notice"])


def test_a_module_that_is_not_let_in_ends_the_node_with_a_sentence_without_the_key(home):
    wrong = "F" * 32
    with module(EmulatedNetwork()) as port, node(config(home, port, wrong)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "join" in err
    assert wrong not in err


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (APP_KEY, "not a key", r"app_key in .*app.key is not 32 hex digits"),
        ("lora-sf7-eu868", "lora-sf7", r"needs a profile such as lora-sf9-eu868, not lora-sf7"),
        (
            'app_key = "app.key"',
            'app_key = "gone.key"',
            r"app_key: there is no .*gone.key; write one",
        ),
        (
            'app_key = "app.key"',
            'app_key = "app.key"\ndev_eui = "70B3"',
            r"dev_eui is not 16 hex digits",
        ),
    ],
)
def test_what_cannot_be_is_answered_with_what_could(home, old, new, sentence):
    path = config(home, "/dev/ttyUSB0")
    for file in (path, home.folder / "app.key"):
        file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=sentence):
        load_config(path)
