"""A node whose node.toml cannot be used, as a process on a real port."""

import time

import pytest

from device.config import ConfigError, load_config
from device.outbox import open_outbox
from device.safe_mode import fall_back, keep_good
from tests.device.far_host import FarHost
from tests.device.test_node import ONE_WAY, node, run_node

TYPO = "interval_s = 1", "intervall_s = 1"
FAULT = 'node.toml: [source] key "intervall_s" is unknown'


@pytest.fixture
def good(home):
    return home.folder / "node.toml.good"


def settings(home, port, **sections):
    return home.config(port, source="loop = true\ninterval_s = 1", **sections)


def spoil(path):
    text = path.read_text()
    path.write_text(text.replace(*TYPO))
    return text


def wait_for(condition, timeout_s=60.0):
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_settings_are_kept_when_the_host_has_answered(home, port, good):
    path, far = port
    config = settings(home, path)
    with FarHost(home, far, answers=False) as silent, node(config, "--last-good", good):
        silent.wait_for(2)
        assert not good.exists()
    with FarHost(home, far), node(config, "--last-good", good):
        wait_for(good.exists)
    assert good.read_bytes() == config.read_bytes()


def test_where_nobody_answers_a_packet_that_left_is_enough(home, port, good):
    path, _ = port
    with node(settings(home, path, link=ONE_WAY), "--last-good", good):
        wait_for(good.exists)


def test_the_host_is_told_what_is_wrong_and_gets_what_waits(home, port, good):
    path, far = port
    config = settings(home, path)
    good.write_text(config.read_text())
    spoil(config)
    with open_outbox(home.folder / "keys" / f"outbox-{home.bundle.id.hex()}.sqlite") as outbox:
        outbox.put(5, [b"\x01\x02"], None)
    with FarHost(home, far) as host, node(config, "--last-good", good) as process:
        wait_for(lambda: host.statuses and host.updates)
        time.sleep(2)
        [told] = host.statuses
        assert told.status.fault.startswith(FAULT)
        assert [update.image for update in host.updates] == [5], "nothing is captured"
        config.write_text(good.read_text())
        _, console = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"device: {config}: [source] key" in console
    assert f"device: safe mode: nothing is captured until {config} is changed; the host is told" in console


def test_without_settings_that_worked_there_is_only_the_console(home, port, good):
    path, _ = port
    config = settings(home, path)
    spoil(config)
    done = run_node(config, "--last-good", good)
    assert done.returncode == 1
    assert "is unknown" in done.stderr
    assert "No settings have worked on this node before, so the host is not told" in done.stderr


def test_settings_that_changed_since_the_start_are_not_kept(home, good):
    path = settings(home, "/dev/ttyUSB0")
    config = load_config(path)
    path.write_text(path.read_text().replace("interval_s = 1", "interval_s = 2"))
    keep_good(path, good, config)
    spoil(path)
    keep_good(path, good, config)
    assert not good.exists()


def test_paths_of_the_kept_settings_are_those_of_node_toml(home, tmp_path):
    path, elsewhere = settings(home, "/dev/ttyUSB0"), tmp_path / "state/node.toml.good"
    elsewhere.parent.mkdir()
    config = load_config(path)
    keep_good(path, elsewhere, config)
    spoil(path)
    assert fall_back(path, elsewhere, ConfigError("why"))[0] == config
