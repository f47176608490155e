"""What a node cannot work with is said in one sentence on stderr, with exit code 1."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.device.test_node import node


def refusal(config, *options):
    command = [sys.executable, "-m", "device", str(config), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    return run.stderr


@pytest.mark.parametrize(
    "program", ["device", "device.encoder.trial", "device.unit.selftest", "device.energy"]
)
@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--nonsense"], 2)])
def test_each_program_says_how_it_is_called(program, arguments, code):
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    assert f"usage: python -m {program}" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_in_use_is_asked_for_with_settings_that_can_be_read(home):
    command = [sys.executable, "-m", "device.encoder.trial", home.replace("key_dir", "keydir")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f'trial: {home.folder}/node.toml: key "keydir" is unknown')


def test_a_second_node_with_the_same_state_dir_is_refused_by_name(home, port):
    shutil.copytree(home.folder / "keys", home.folder / "other-keys")
    first = home.config(port[0], node='state_dir = "state"', source="loop = true\ninterval_s = 0.2")
    with node(first) as process:
        process.stdout.readline()
        before = sorted(path.name for path in (home.folder / "state").iterdir())
        second = home.folder / "second.toml"
        second.write_text(first.read_text().replace('key_dir = "keys"', 'key_dir = "other-keys"'))
        said = refusal(second)
        assert (
            f"another node uses the state_dir {home.folder / 'state'}; end it, or give each node a "
            "state_dir"
        ) in said
        assert sorted(path.name for path in (home.folder / "state").iterdir()) == before
        assert process.poll() is None


def test_the_keys_of_one_node_are_not_the_state_of_another(home, port):
    shutil.copytree(home.folder / "keys", home.folder / "other-keys")
    first = home.config(port[0], source="loop = true\ninterval_s = 0.2")
    with node(first) as process:
        process.stdout.readline()
        second = home.folder / "second.toml"
        second.write_text(first.read_text().replace('"keys"', '"other-keys"\nstate_dir = "keys"'))
        assert f"another node uses the state_dir {home.folder / 'keys'}" in refusal(second)


def test_a_missing_bundle_is_named(home):
    config = home.replace('bundle = "bundle"', 'bundle = "elsewhere"')
    assert f"there is no bundle at {home.folder / 'elsewhere'}" in refusal(config)


def test_a_damaged_encoder_is_named(home):
    path = home.bundle.encoder_path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert "encoder.tflite of bundle" in refusal(home.config())
    assert "is damaged: SHA-256 is" in refusal(home.config())


def test_a_missing_key_is_named_with_the_command_that_makes_one(home):
    (home.folder / "keys" / "node.key").unlink()
    assert "node.key is missing" in refusal(home.config())


def test_the_key_of_another_node_is_refused_with_both_numbers(home):
    assert "is for node 3, not 4: give each node its own folder" in refusal(
        home.replace("node = 3", "node = 4")
    )


def test_a_port_that_does_not_exist_is_named_with_the_ports_there_are(home):
    assert "port /dev/ttyNOWHERE does not exist; ports here:" in refusal(home.config())


def test_a_wrong_key_in_the_file_is_named(home):
    assert 'key "keydir" is unknown; the keys are node, bundle, key_dir' in refusal(
        home.replace("key_dir", "keydir")
    )


def test_an_image_of_the_wrong_shape_is_refused_with_both_shapes(home, port):
    np.savez(home.folder / "replay.npz", images=np.zeros((1, 240, 320, 3), np.uint8))
    assert "image is 240x320x3, the bundle's encoder takes 8x8x1" in refusal(home.config(port[0]))


def test_an_old_name_of_a_key_is_told_at_the_start_and_goes_on(home):
    path = home.replace("[link]", "[link]\nfeedback = false")
    done = subprocess.run(
        [sys.executable, "-m", "device", str(path)], capture_output=True, text=True, timeout=60
    )
    told = "feedback is now called downlink; write downlink = false"
    assert told in done.stdout + done.stderr
    assert "port /dev/ttyNOWHERE does not exist" in done.stderr
