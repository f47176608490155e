"""The whole round of a node that learns from what it saw: it keeps pictures, they are fetched over
SSH and labelled, an encoder is trained and exported, the node takes it, and answers with its
classes. All in processes as a person starts them, by the commands of docs/own-photos.md.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from device.flash.card import CardOptions, flash_card
from link.bundle.bundle import Bundle
from link.picture import fit, read_picture
from tests.device.flash.conftest import BUNDLE, OUR_IMAGE, ROOT
from tests.device.flash.test_bundle_update import OLD, PROFILE, FolderNode, answers
from tests.device.flash.test_deploy import sshd  # noqa: F401
from tests.programs import needs
from tests.scale import IS_NIGHTLY
from tests.worlds.guest import Host, Line

pytestmark = [
    needs("sshd", "ssh", "ssh-keygen", "sh"),
    pytest.mark.skipif(not IS_NIGHTLY, reason="three minutes: LATENTLINK_NIGHTLY=1"),
]

CLASSES = ("temple", "flower")
N_PHOTOS, SIDE, SEEN = 40, 160, (16, 16, 3)
"How many of each class; pixels of a side; what tells two photos apart."
SETTINGS = """node = 1
bundle = "{bundle}"
key_dir = "keys"
[source]
kind = "folder"
path = "{scenes}"
loop = true
interval_s = 0.15
[collect]
interval_s = 0
gate = false
[link]
port = "{port}"
profile = "{profile}"
"""


def take_photos(folder: Path) -> dict[str, str]:
    """Squares of scikit-learn's two photographs in one folder, as they come; class by file name."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    taken: dict[str, str] = {}
    for name, photograph in N_PHOTOS * list(zip(CLASSES, load_sample_images().images, strict=True)):
        down, right = (rng.integers(0, size - SIDE) for size in photograph.shape[:2])
        square = photograph[down : down + SIDE, right : right + SIDE]
        file = f"{len(taken):03}.png"
        Image.fromarray(square).save(folder / file)
        taken[file] = name
    return taken


def looks(path: Path) -> np.ndarray:
    return fit(read_picture(path), SEEN).astype(float)


def label(out: Path, scenes: Path, taken: dict[str, str]) -> int:
    """As a person does: a folder is renamed to what most in it show, odd ones are moved; how many
    had to be.
    """
    known = [(looks(scenes / file), name) for file, name in taken.items()]
    n_odd = 0
    for folder in [path for path in out.iterdir() if path.is_dir() and path.name[0] != "."]:
        shown = {
            path: min(known, key=lambda one: np.abs(one[0] - looks(path)).mean())[1]
            for path in folder.iterdir()
        }
        most = max(CLASSES, key=list(shown.values()).count)
        for path, name in shown.items():
            n_odd += name != most
            (out / name).mkdir(exist_ok=True)
            shutil.move(path, out / name / path.name)
        folder.rmdir()
    return n_odd


def test_from_what_a_node_saw_to_its_next_bundle(sshd, boot_folder, release, tmp_path):  # noqa: F811
    def typed(*words: object) -> str:
        command = [sys.executable, "-m", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    taken = take_photos(tmp_path / "scenes")
    with Line(PROFILE, tmp_path / "line") as line:
        settings = {"bundle": BUNDLE, "scenes": tmp_path / "scenes"}
        (tmp_path / "node.toml").write_text(
            SETTINGS.format(**settings, port=line.a, profile=PROFILE)
        )
        (tmp_path / "host.toml").write_text(
            f'store = "host.sqlite"\n[link]\nport = "{line.b}"\nprofile = "{PROFILE}"\n'
        )
        node = FolderNode(tmp_path, sshd)
        boot = boot_folder(OUR_IMAGE)
        flash_card(
            CardOptions(boot, tmp_path / "node.toml", node.host, tmp_path, is_confirmed=True),
            lambda text: None,
            lambda share: None,
        )
        shutil.copytree(boot, node.root / "boot/firmware")
        (node.root / "etc").mkdir()
        node.install()
        node.system("start")
        try:
            with Host(node.host) as host:
                answers(host, OLD, len(taken))
            node.system("stop")  # what was gathered is written
            place = f"{node.address}:{node.root}/var/lib/latentlink"
            over = ("--ssh-options", shlex.join(node.ssh_options), "--host-dir", tmp_path)
            said = typed("latentlink", "collect", place, *over)
            assert "pictures fetched, 0 were here" in said
            node.system("start")
            out = tmp_path / "to-label"
            assert label(out, tmp_path / "scenes", taken) < 0.2 * len(taken)
            said = typed("latentlink", "collect", "--done")
            assert "then: make train DATASET=to-label" in said
            small = ("--preset", "photo-32", "--image-size", 32, "--run", "run")
            typed("host_training", "train", "--dataset", out, *small)  # as make does
            typed("export", "--run", "run")
            new = Bundle.load(tmp_path / "run/bundle", side="host")
            assert node.deploy(new)[-1] == f"bundle {new.id.hex()} runs (before: {OLD})"
            with Host(node.host) as host:
                heard = answers(host, new.id.hex(), 20)
            assert {event["label"] for event in heard} == set(CLASSES)
        finally:
            node.system("stop")
