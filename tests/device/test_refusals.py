"""What a node cannot work with is said in one sentence on stderr, with exit code 1."""

import subprocess
import sys

import numpy as np


def refusal(config, *options):
    command = [sys.executable, "-m", "device", str(config), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    return run.stderr


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
    assert "is for node 3, not 4: give each node its own folder" in refusal(home.replace("node = 3", "node = 4"))


def test_a_port_that_does_not_exist_is_named_with_the_ports_there_are(home):
    assert "port /dev/ttyNOWHERE does not exist; ports here:" in refusal(home.config())


def test_a_wrong_key_in_the_file_is_named(home):
    assert 'key "keydir" is unknown; the keys are node, bundle, key_dir' in refusal(home.replace("key_dir", "keydir"))


def test_an_image_of_the_wrong_shape_is_refused_with_both_shapes(home, port):
    np.savez(home.folder / "replay.npz", images=np.zeros((1, 240, 320, 3), np.uint8))
    assert "image is 240x320x3, the bundle's encoder takes 8x8x1" in refusal(home.config(port[0]))
