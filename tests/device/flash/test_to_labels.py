"""From a card to labels: what flashing writes, and nothing else, makes a node and a host that hear
each other.

The radios are emulated modems, which are deaf to each other unless both are told the same
frequency.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device.flash.card import CardOptions, flash_card
from tests.device.flash.conftest import BUNDLE, OUR_IMAGE, ROOT
from tests.programs import program
from tests.worlds.guest import Host, Line

PROFILE = "rn2483-sf9"
PATIENCE_S = 90
GOOD = "var/lib/latentlink/node.toml.good"
"Kept by the node when the host has answered under its settings."
N_ANSWERS = 3


@pytest.fixture
def line(tmp_path):
    with Line(PROFILE, tmp_path / "line") as line:
        yield line


@pytest.fixture
def flashed(line, boot_folder, release, tmp_path):
    """The folders of a host and of a node, as one flashing of a card left them."""
    np.savez(
        tmp_path / "replay.npz",
        images=np.random.default_rng(3).integers(0, 256, (8, 32, 32, 3), np.uint8),
    )
    (tmp_path / "node.toml").write_text(
        f'node = 7\nbundle = "{BUNDLE}"\nkey_dir = "keys"\n[source]\nkind = "replay"\npath = '
        '"replay.npz"\n'
        f'loop = true\ninterval_s = 0.5\n[link]\nport = "{line.a}"\nprofile = "{PROFILE}"\n'
        'region = "eu868"\nfrequency_hz = 869525000\n'
    )
    card, host, root = boot_folder(OUR_IMAGE), tmp_path / "site/host.toml", tmp_path / "root"
    options = CardOptions(
        card, tmp_path / "node.toml", host, tmp_path, is_confirmed=True, host_port=str(line.b)
    )
    flash_card(options, lambda text: None, lambda share: None)
    shutil.copytree(card, root / "boot/firmware")
    (root / "etc").mkdir()
    environment = os.environ | {"LATENTLINK_ROOT": str(root)}
    subprocess.run(
        [program("sh"), ROOT / "device/unit/install.sh"],
        env=environment,
        check=True,
        capture_output=True,
    )
    return host.parent, root


def start_node(root: Path) -> subprocess.Popen[bytes]:
    """As the service starts it; this node's root is a folder."""
    settings = root / "etc/latentlink/node.toml"
    text = settings.read_text()
    for top in ("/opt", "/var/lib", "/etc"):
        text = text.replace(f'"{top}/latentlink', f'"{root}{top}/latentlink')
    settings.write_text(text)
    words = [
        sys.executable,
        "-m",
        "device",
        "--console",
        "none",
        "--last-good",
        str(root / GOOD),
        str(settings),
    ]
    return subprocess.Popen(words, cwd=ROOT)


def test_a_card_and_a_host_folder_from_one_flashing_hear_each_other(flashed):
    folder, root = flashed
    node = start_node(root)
    try:
        with Host(folder) as host:
            answers = []
            for event in host.events(PATIENCE_S):
                answers += [event] if event["event"] == "answer" and event["is_complete"] else []
                if len(answers) >= N_ANSWERS and (root / GOOD).exists():
                    break
    finally:
        node.terminate()
        node.wait()
    assert {answer["node"] for answer in answers} == {7}
    assert sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(("airtime", "host.sqlite"))
    ) == [
        "host.toml",
        "keys",
        "nodes",
    ]
