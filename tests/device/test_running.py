"""A node in this process, from its files to its last image."""

import pytest

from device.config import load_config
from device.running import run
from device.safe_mode import SafeMode
from link.bundle.bundle import ENCODER
from link.carriers.carrier import PortError
from link.security.keys import CounterStore
from tests.worlds.virtual_node import Told

ALONE = "downlink = false"


def test_it_captures_sends_and_says_once_that_its_settings_work(home, port):
    console, proofs = Told(), []
    config = load_config(home.config(port[0], source="limit = 2", link=ALONE))
    assert run(config, console, on_proved=lambda: proofs.append("works")) == 2
    assert len(console.images) == 2
    assert len(console.packets) >= 2
    assert proofs == ["works"]


def test_whatever_it_opened_is_closed_when_it_ends(home, port):
    config = load_config(home.config(port[0], source="limit = 1", link=ALONE))
    for _ in range(2):
        assert run(config, Told()) == 1
    CounterStore(config.key_dir).close()


def test_a_port_that_is_not_there_ends_it_before_the_first_image(home):
    console = Told()
    with pytest.raises(PortError, match="does not exist"):
        run(load_config(home.config()), console)
    assert console.images == []


def test_in_safe_mode_neither_source_nor_bundle_is_touched_and_the_host_is_told(home, port):
    path = home.config(port[0], link=ALONE)
    config = load_config(path)
    (home.folder / "bundle" / ENCODER).unlink()
    (home.folder / "replay.npz").unlink()

    class Mending(Told):
        """Somebody who reads of a packet, and mends what was wrong."""

        def packet(self, outgoing, wire_bytes):
            super().packet(outgoing, wire_bytes)
            path.write_text(path.read_text() + "\n")

    console = Mending()
    safe_mode = SafeMode.because(ValueError("the bundle is damaged"), path, config)
    assert run(config, console, safe_mode=safe_mode) == 0
    assert console.notices[0] == safe_mode.notice
    assert len(console.packets) == 1
