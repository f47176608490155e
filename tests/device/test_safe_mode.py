"""A node that cannot work, as a process on a real port: it tells its host why, and goes on when
that is mended.
"""

import shutil
import signal
import socket
import time

import numpy as np
import pytest

from device.config import load_config
from device.outbox.outbox import open_outbox
from device.safe_mode import keep_good, voices
from link.bundle.bundle import Bundle
from tests.device.test_node import NO_DOWNLINK, node, run_node
from tests.worlds.far_host import FarHost

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
    with node(settings(home, path, link=NO_DOWNLINK), "--last-good", good):
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
        assert [update.image & 0xFFFFFFFF for update in host.updates] == [5], "nothing is captured"
        config.write_text(good.read_text())
        _, console = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"device: {config}: [source] key" in console
    assert (
        f"device: safe mode: nothing is captured until {config} is changed; the host is told"
        in console
    )


def rewritten(home, old, new):
    config = home.folder / "node.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def without_bundle(home):
    shutil.move(home.folder / "bundle", home.folder / "elsewhere")
    return lambda: shutil.move(home.folder / "elsewhere", home.folder / "bundle")


def with_damaged_encoder(home):
    good = home.bundle.encoder_path.read_bytes()
    home.bundle.encoder_path.write_bytes(b"\xff" + good[1:])
    return lambda: home.bundle.encoder_path.write_bytes(good)


def without_source(home):
    images = home.folder / "replay.npz"
    shutil.move(images, home.folder / "elsewhere.npz")
    return lambda: shutil.move(home.folder / "elsewhere.npz", images)


def with_images_of_another_size(home):
    images = home.folder / "replay.npz"
    shutil.copy(images, home.folder / "elsewhere.npz")
    np.savez(images, images=np.zeros((1, 24, 32, 3), np.uint8))
    return lambda: shutil.move(home.folder / "elsewhere.npz", images)


def with_no_model(home):
    """Whole, and yet nothing that this machine's runtime runs."""
    shutil.move(home.folder / "bundle", home.folder / "elsewhere")
    bundle = copy_with_model(home.folder / "elsewhere", home.folder / "bundle", b"no model")

    def mend():
        shutil.rmtree(bundle)
        shutil.move(home.folder / "elsewhere", home.folder / "bundle")

    return mend


def copy_with_model(source, target, model):
    shutil.copytree(source, target)
    (target / "encoder.tflite").write_bytes(model)
    (target / "decoder.onnx").write_bytes(b"the node needs none")
    Bundle.write(target, Bundle.load(source, "node").manifest)
    return target


def with_a_file_for_state(home):
    rewritten(home, 'key_dir = "keys"', 'key_dir = "keys"\nstate_dir = "state"')
    (home.folder / "state").write_text("a file")
    return (home.folder / "state").unlink


def with_another_value(old, new):
    def spoiled(home):
        rewritten(home, old, new)
        return lambda: rewritten(home, new, old)

    return spoiled


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (without_bundle, "there is no bundle at bundle;"),
        (with_damaged_encoder, "encoder.tflite of bundle bundle"),
        (with_no_model, "encoder.tflite of bundle bundle"),
        (without_source, "replay file replay.npz does not exist"),
        (
            with_images_of_another_size,
            "replay file replay.npz is of another bundle: an image is 24x32x3",
        ),
        (with_a_file_for_state, "state_dir state is a file"),
        (
            with_another_value('key_dir = "keys"', 'key_dir = "kyes"'),
            "kyes/node.key is missing, so this node does",
        ),
        (with_another_value("node = 3", "node = 4"), "keys/counter.json is for node 3, not 4"),
        (
            with_another_value('region = "wire"', 'region = "EU"'),
            "node.toml: [link] region is 'eu'",
        ),
        (
            with_another_value('profile = "serial', 'profile = "cereal'),
            "node.toml: there is no link profile",
        ),
    ],
    ids=[
        "bundle",
        "encoder",
        "model",
        "source",
        "images",
        "state_dir",
        "key_dir",
        "node",
        "region",
        "profile",
    ],
)
def test_the_host_hears_of_whatever_keeps_the_node_from_its_work(home, port, good, spoil, fault):
    path, far = port
    config = settings(home, path, link='region = "wire"')
    good.write_text(config.read_text())
    mend = spoil(home)
    with FarHost(home, far) as host, node(config, "--last-good", good) as process:
        wait_for(lambda: host.statuses)
        assert host.statuses[0].status.fault.startswith(fault)
        assert process.poll() is None
        mend()
        _, console = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "Traceback" not in console
        assert "device: safe mode: nothing is captured until" in console
        assert host.updates == []


def test_a_fault_that_is_not_in_the_settings_is_told_with_the_nodes_own(home, port, good):
    path, far = port
    config = settings(home, path)
    mend = without_bundle(home)
    with FarHost(home, far) as host, node(config, "--last-good", good) as process:
        wait_for(lambda: host.statuses)
        assert "there is no bundle at" in host.statuses[0].status.fault
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 1
    assert not good.exists(), "they are not good ones by that"
    mend()
    with FarHost(home, far, state=host.state) as host, node(config, "--last-good", good):
        host.wait_for(1)


def test_without_settings_that_worked_there_is_only_the_console(home, port, good):
    path, _ = port
    config = settings(home, path)
    spoil(config)
    done = run_node(config, "--last-good", good)
    assert done.returncode == 78
    assert "is unknown" in done.stderr
    assert "No settings have worked on this node before, so the host is not told" in done.stderr


def test_without_its_key_a_node_says_so_and_is_not_started_over_and_over(home, port, good):
    path, _ = port
    config, key = settings(home, path), home.folder / "keys/node.key"
    good.write_text(config.read_text())
    shutil.move(key, home.folder / "elsewhere")
    done = run_node(config, "--last-good", good)
    assert done.returncode == 78
    assert "node.key is missing, so this node does not speak" in done.stderr
    assert "nobody is told" in done.stderr
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        pytest.MonkeyPatch.context() as patch,
    ):
        manager.bind(str(home.folder / "notify"))
        manager.settimeout(30)
        patch.setenv("NOTIFY_SOCKET", str(home.folder / "notify"))
        with node(config, "--last-good", good) as process:
            assert b"STATUS=speechless: " in manager.recv(999)
            time.sleep(1)
            assert process.poll() is None, "its service manager would start it again at once"
            shutil.move(home.folder / "elsewhere", key)
            assert process.wait(timeout=30) == 78


def test_another_process_with_the_key_is_no_fault_of_the_settings(home, port, good):
    path, _ = port
    config = settings(home, path, link=NO_DOWNLINK)
    with node(config) as process:
        process.stdout.readline()
        second = run_node(config, "--last-good", good)
        assert second.returncode == 1
        assert "another process already speaks with the key" in second.stderr
        assert "safe mode" not in second.stderr


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
    assert voices(path, elsewhere, None)[0] == config
