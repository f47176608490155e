"""A bundle for a running node, over a real sshd: a real node under a service manager, a real line,
a real host.

The node is flashed and installed into a folder; it runs this checkout's programs.
"""

import getpass
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.encoder.canary import CANARY, make_canary
from device.flash import deploy as deploy_module
from device.flash.card import CardOptions, flash_card
from device.flash.deploy import Node, deploy_bundle
from device.flash.registry import bundles_of
from device.flash.signing import signed_files
from device.flash.tools import FlashError
from host_decoder.config import read_config
from link.bundle.bundle import Bundle
from link.security.signature import SIGNATURE, sign
from tests.device.flash.conftest import BUNDLE, OUR_IMAGE, ROOT
from tests.device.flash.test_deploy import PYTHON, sshd  # noqa: F401
from tests.programs import needs, program
from tests.scale import IS_NIGHTLY
from tests.worlds.guest import Host, Line

pytestmark = needs("sshd", "ssh", "ssh-keygen", "sh")

PROFILE = "serial-9600"
OLD = Bundle.load(BUNDLE, side="host").id.hex()
PATIENCE_S = 120


def variant(folder: Path, name: str) -> Bundle:
    """The released bundle under another id."""
    shutil.copytree(BUNDLE, folder / name)
    manifest = Bundle.load(BUNDLE, side="host").manifest
    node = replace(manifest.node, wavelet=name)
    return Bundle.write(folder / name, replace(manifest, node=node))


class FolderNode:
    """A node whose root is a folder, as ssh reaches it."""

    def __init__(self, folder: Path, ssh_options: list[str]) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.host = folder / "host.toml"
        self.opt = self.root / "opt/latentlink"
        self.systemctl = self._script(
            "systemctl",
            f'cd {ROOT} && exec {sys.executable} -m tests.worlds.service {self.root} "$@"',
        )
        python = self._script("python3", "")
        python.write_text(PYTHON.format(answer="3 11 aarch64 1000", python=sys.executable))
        self.address = f"{getpass.getuser()}@127.0.0.1"
        self.ssh_options = ssh_options
        self.node = Node(
            self.address, ssh_options, str(self.root), str(self.systemctl), str(python)
        )

    def _script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def install(self) -> None:
        """Take over the boot partition, as at a boot; then its programs are this checkout's."""
        environment = os.environ | {"LATENTLINK_ROOT": str(self.root)}
        subprocess.run(
            [program("sh"), ROOT / "device/unit/install.sh"],
            env=environment,
            check=True,
            capture_output=True,
        )
        for package in ("device", "link"):
            own = self.opt / "current" / package
            if not own.is_symlink():
                shutil.rmtree(own)
                own.symlink_to(ROOT / package)
        settings = self.root / "etc/latentlink/node.toml"
        text = settings.read_text()
        for top in ("/opt", "/var", "/etc"):
            text = text.replace(f'"{top}/latentlink', f'"{self.root}{top}/latentlink')
            text = text.replace(f'"{top}/lib/latentlink', f'"{self.root}{top}/lib/latentlink')
        settings.write_text(text)

    def system(self, verb: str) -> None:
        subprocess.run([self.systemctl, verb], check=True)

    def deploy(self, bundle: Bundle) -> list[str]:
        said: list[str] = []
        deploy_bundle(self.node, bundle.path, self.host, self.folder, said.append)
        return said

    @property
    def bundles(self) -> list[str]:
        return sorted(os.listdir(self.opt / "bundles"))

    @property
    def in_use(self) -> str:
        words = [
            sys.executable,
            "-m",
            "device.encoder.trial",
            str(self.root / "etc/latentlink/node.toml"),
        ]
        return subprocess.run(
            words, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()[0]

    @property
    def journal(self) -> str:
        path = self.root / "run/journal"
        return path.read_text() if path.exists() else ""

    def await_journal(self, words: str) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while words not in self.journal:
            assert time.monotonic() < until_s, self.journal
            time.sleep(0.05)

    def end_update(self) -> None:
        """SIGKILL to the shell that update.sh is run by for this node."""
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0] == b"sh" and b"bundle" in words and bytes(self.root) in words:
                    os.kill(int(entry.name), signal.SIGKILL)


@pytest.fixture
def node(sshd, boot_folder, release, tmp_path):  # noqa: F811
    """A node with the released bundle that runs, at one end of an emulated cable whose other end is
    free.
    """
    with Line(PROFILE, tmp_path / "line") as line:
        np.savez(
            tmp_path / "replay.npz",
            images=np.random.default_rng(3).integers(0, 256, (8, 32, 32, 3), np.uint8),
        )
        (tmp_path / "node.toml").write_text(
            f'node = 1\nbundle = "{BUNDLE}"\nkey_dir = "keys"\n[source]\nkind = '
            '"replay"\npath = "replay.npz"\n'
            f'loop = true\ninterval_s = 0.5\n[link]\nport = "{line.a}"\nprofile = "{PROFILE}"\n'
        )
        (tmp_path / "host.toml").write_text(
            f'store = "host.sqlite"\n[link]\nport = "{line.b}"\nprofile = "{PROFILE}"\n'
        )
        made = FolderNode(tmp_path, sshd)
        options = CardOptions(
            boot_folder(OUR_IMAGE), tmp_path / "node.toml", made.host, tmp_path, is_confirmed=True
        )
        flash_card(options, lambda text: None, lambda share: None)
        shutil.copytree(options.target, made.root / "boot/firmware")
        (made.root / "etc").mkdir()
        made.install()
        made.system("start")
        try:
            yield made
        finally:
            made.system("stop")


def answers(host: Host, bundle: str, n: int) -> list[dict]:
    """The next n answers made with that bundle."""
    found = []
    for event in host.events(PATIENCE_S):
        if event["event"] == "answer" and event["bundle"] == bundle and event["is_complete"]:
            found.append(event)
            if len(found) == n:
                break
    return found


def test_a_bundle_is_changed_while_images_of_both_are_under_way(node, tmp_path):
    """The host decodes what waited in the node under the old bundle, and then the new."""
    new = variant(tmp_path, "new")
    with Host(node.host) as host:
        assert len(answers(host, OLD, 2)) == 2
    time.sleep(3)  # nobody listens: images of the old bundle queue up
    with deploying(node, new) as process:
        while len(bundles_of(node.host, 1)) < 2:
            time.sleep(0.05)
        with Host(node.host) as host:
            late = answers(host, OLD, 2)
            assert all(event["age_s"] > 1 for event in late)
            assert len(answers(host, new.id.hex(), 3)) == 3
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert said.splitlines() == [
        f"{node.host}: node 1 may send bundle {new.id.hex()} too; start the host again if it runs",
        f"bundle {new.id.hex()} runs (before: {OLD})",
    ]
    [entry] = read_config(node.host).nodes
    assert [entry.bundle.id.hex(), *(bundle.id.hex() for bundle in entry.earlier_bundles)] == [
        new.id.hex(),
        OLD,
    ]
    assert node.in_use == new.id.hex()
    assert node.bundles == sorted([OLD, new.id.hex()])
    assert "0 of 384 canary symbols differ" in node.journal


def test_an_unsigned_and_a_wrongly_signed_bundle_are_refused_and_the_old_one_goes_on(
    node, tmp_path, monkeypatch
):
    new = variant(tmp_path, "new")

    def unsigned(bundle: Bundle, key: Ed25519PrivateKey) -> dict[str, bytes]:
        return {
            name: content
            for name, content in signed_files(bundle, key).items()
            if name != SIGNATURE
        }

    monkeypatch.setattr(deploy_module, "signed_files", unsigned)
    with pytest.raises(
        FlashError, match=f"is not signed, and this node takes only signed.* so {OLD} goes on"
    ):
        node.deploy(new)
    monkeypatch.setattr(
        deploy_module,
        "signed_files",
        lambda bundle, _: signed_files(bundle, Ed25519PrivateKey.generate()),
    )
    with pytest.raises(FlashError, match=f"is not signed with this node's key .* so {OLD} goes on"):
        node.deploy(new)
    assert node.bundles == [OLD]
    assert node.in_use == OLD


def test_a_bundle_that_computes_otherwise_on_the_node_never_runs(node, tmp_path, monkeypatch):
    new = variant(tmp_path, "new")

    def other_symbols(bundle: Bundle, key: Ed25519PrivateKey) -> dict[str, bytes]:
        files = {
            name: content
            for name, content in signed_files(bundle, key).items()
            if name != SIGNATURE
        }
        (tmp_path / CANARY).write_bytes(make_canary(bundle))
        with np.load(tmp_path / CANARY) as file:
            images, symbols = file["images"], file["symbols"]
        np.savez(tmp_path / CANARY, images=255 - images, symbols=symbols)
        files[CANARY] = (tmp_path / CANARY).read_bytes()
        return files | {SIGNATURE: sign(bundle.id, files, key)}

    monkeypatch.setattr(deploy_module, "signed_files", other_symbols)
    with pytest.raises(
        FlashError,
        match=r"does not compute here what it computes on its host: \d+ of 384 canary symbols",
    ):
        node.deploy(new)
    assert (node.bundles, node.in_use) == ([OLD], OLD)


def kill_in_trial(node: FolderNode) -> None:
    node.await_journal("is on trial")
    os.kill(int((node.root / "run/pid").read_text()), signal.SIGKILL)


@contextmanager
def deploying(node: FolderNode, bundle: Bundle):
    """`python -m device.flash deploy` in a process of its own, as `make deploy-model` starts it."""
    script = (
        "import sys, json\nfrom pathlib import Path\nfrom device.flash.deploy import Node, "
        "deploy_bundle\n"
        "from device.flash.tools import FlashError\n"
        "fields, path, host, work = json.loads(sys.argv[1])\n"
        "try:\n    deploy_bundle(Node(*fields), Path(path), Path(host), Path(work), print)\n"
        "except FlashError as error:\n    sys.exit(str(error))\n"
    )
    one = node.node
    fields = [one.address, list(one.options), one.root, one.systemctl, one.python]
    words = json.dumps([fields, str(bundle.path), str(node.host), str(node.folder)])
    command, pipe = [sys.executable, "-c", script, words], subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_node_that_dies_in_the_trial_goes_back_and_the_sender_is_told(node, tmp_path):
    settings = node.root / "etc/latentlink/node.toml"
    settings.write_text(settings.read_text().replace("interval_s = 0.5", "interval_s = 3"))
    new = variant(tmp_path, "new")
    with deploying(node, new) as process:
        kill_in_trial(node)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert (
        f"bundle {new.id.hex()} failed its trial, so {OLD} goes on: the node stopped while it was "
        "on trial"
    ) in said
    assert (node.bundles, node.in_use) == ([OLD], OLD)
    assert not (node.opt / "bundle.previous").is_symlink()
    [entry] = read_config(node.host).nodes
    assert [entry.bundle.id.hex(), *(bundle.id.hex() for bundle in entry.earlier_bundles)] == [
        OLD,
        new.id.hex(),
    ]
    assert os.readlink(node.opt / "bundle") == f"bundles/{OLD}"
    node.await_journal(f"{OLD}, the one before it, goes on")


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_after_a_power_cut_in_the_trial_the_node_goes_back_alone_and_takes_the_next_bundle(
    node, tmp_path
):
    """The machine stops with everything on it, update.sh too; what is on the disk decides."""
    settings = node.root / "etc/latentlink/node.toml"
    settings.write_text(settings.read_text().replace("interval_s = 0.5", "interval_s = 3"))
    new, newer = variant(tmp_path, "new"), variant(tmp_path, "newer")
    with deploying(node, new) as process:
        node.await_journal("is on trial")
        process.kill()
        os.kill(int((node.root / "run/manager").read_text()), signal.SIGKILL)
        os.kill(int((node.root / "run/pid").read_text()), signal.SIGKILL)
    (node.root / "run/running").unlink()
    (node.root / "run/ready").unlink(missing_ok=True)
    node.end_update()
    node.install()
    node.system("start")
    node.await_journal(f"{OLD}, the one before it, goes on")
    assert node.in_use == OLD
    settings.write_text(settings.read_text().replace("interval_s = 3", "interval_s = 0.3"))
    assert node.deploy(newer)[-1] == f"bundle {newer.id.hex()} runs (before: {OLD})"
    assert node.bundles == sorted([OLD, newer.id.hex()])


def test_the_bundle_that_runs_already_is_no_news(node):
    assert node.deploy(Bundle.load(BUNDLE, side="host")) == [f"bundle {OLD} runs already"]


def test_a_host_that_did_not_flash_the_node_is_told_what_it_lacks(node, tmp_path):
    (tmp_path / "keys/bundle-signing.key").unlink()
    with pytest.raises(
        FlashError,
        match=r"bundle-signing\.key cannot be read .* copy its bundle-signing\.key there",
    ):
        node.deploy(variant(tmp_path, "new"))


def test_the_command_line_deploys_to_a_named_host(node, tmp_path):
    """Up to the probe: this machine is no aarch64."""
    words = [sys.executable, "-m", "device.flash", "deploy", node.address, "--bundle", str(BUNDLE)]
    words += [
        "--host-dir",
        str(node.host),
        "--ssh-options",
        shlex.join(node.ssh_options),
        "--work",
        str(tmp_path),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert "there are wheels for aarch64" in done.stderr


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_a_node_in_safe_mode_takes_a_bundle_and_tries_it_when_its_settings_are_right_again(
    node, tmp_path
):
    new = variant(tmp_path, "new")
    settings, good = (
        node.root / "etc/latentlink/node.toml",
        node.root / "var/lib/latentlink/node.toml.good",
    )
    with Host(node.host) as host:
        answers(host, OLD, 1)
        while not good.exists():
            next(host.events(PATIENCE_S))
    right = settings.read_text()
    settings.write_text(right + "[[broken\n")
    node.system("stop")
    node.system("start")
    node.await_journal("safe mode: ")
    assert (
        f"bundle {new.id.hex()} is installed, and on trial as soon as images are captured; "
        "node.toml there cannot"
    ) in (node.deploy(new)[-1])
    settings.write_text(right)
    node.await_journal(f"bundle {new.id.hex()} has passed")
    assert node.in_use == new.id.hex()


def test_a_node_whose_settings_never_worked_is_named_in_a_sentence(node, tmp_path):
    """Which node it is, its host cannot know."""
    settings = node.root / "etc/latentlink/node.toml"
    for broken, why in (("[[broken\n", "is not valid TOML"), ("bundle = 'x'\n", "has node = None")):
        settings.write_text(broken)
        with pytest.raises(
            FlashError, match=f"is in safe mode, and which node it is cannot be known: .*{why}"
        ):
            node.deploy(variant(tmp_path, broken.strip("[\n ='x")))
