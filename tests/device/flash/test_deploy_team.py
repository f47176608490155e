"""A bundle for all members of a team or for none, over a real sshd. Each member is a folder, which
says of a bundle what the test wants.
"""

import getpass
import os
from dataclasses import replace
from pathlib import Path

import pytest

from device.flash import registry
from device.flash.deploy import Node, deploy_bundle
from device.flash.deploy_team import deploy_team
from device.flash.signing import signing_key
from device.flash.tools import FlashError
from link.bundle.bundle import Bundle
from tests.device.flash.conftest import BUNDLE
from tests.device.flash.test_deploy import answers, sshd  # noqa: F401
from tests.programs import needs
from tests.scale import IS_NIGHTLY
from tests.worlds.team_bundle import make_team_bundle

pytestmark = needs("sshd", "ssh", "ssh-keygen", "sh")

SELFTEST = """import pathlib, sys
opt = pathlib.Path(sys.argv[1]).parents[2] / "opt/latentlink"
with open("{log}", "a") as log:
    print("try", "{member}", file=log)
if (opt / "refuses").exists():
    sys.exit("selftest: it computes something else here")
"""
TRIAL = """import os, pathlib, sys
opt = pathlib.Path(sys.argv[1]).parents[2] / "opt/latentlink"
verdict = opt / "verdict"
said = verdict.read_text() if verdict.exists() and (opt / "bundle.previous").exists() else "passed"
is_back = said.startswith("failed")
print(os.path.basename(os.readlink(opt / ("bundle.previous" if is_back else "bundle"))), said)
"""
SYSTEMCTL = """#!/bin/sh
case "$1" in
    stop)
        echo switch {member} >>{log}
        [ ! -e {opt}/dies ] || kill -9 $PPID
        ;;
    show) echo 0 ;;
esac
"""


class Site:
    """A team of three at one sshd, and the host that flashed it."""

    def __init__(self, folder: Path, options: list[str], team_bundle: Bundle) -> None:
        self.folder, self.host = folder, folder / "host.toml"
        self.new = make_team_bundle(folder / "new", n_segments=2)
        self.log = folder / "log"
        registry.register(self.host, 40, "ab" * 16 + "\n", team_bundle.path, "serial-9600")
        signing_key(self.host, may_make=True)
        answers(folder, "3 11 aarch64 1000")
        self.nodes = [self._node(member, options) for member in range(3)]

    def _node(self, member: int, options: list[str]) -> Node:
        root = self.folder / f"root-{member}"
        opt = root / "opt/latentlink"
        for name, text in (("unit/selftest", SELFTEST), ("encoder/trial", TRIAL)):
            path = opt / f"releases/old/device/{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(log=self.log, member=member))
        (opt / "bundles/old").mkdir(parents=True)
        (opt / "current").symlink_to("releases/old")
        (opt / "bundle").symlink_to("bundles/old")
        systemctl = self.folder / f"systemctl-{member}"
        systemctl.write_text(SYSTEMCTL.format(log=self.log, member=member, opt=opt))
        systemctl.chmod(0o755)
        (root / "etc/latentlink").mkdir(parents=True)
        self._write_settings(root, 40, f"[team]\nmember = {member}\nmembers = 3\n")
        address = f"{getpass.getuser()}@127.0.0.1"
        return Node(address, options, str(root), str(systemctl), str(self.folder / "python3"))

    def _write_settings(self, root: Path, node: int, team: str) -> None:
        (root / "etc/latentlink/node.toml").write_text(f"node = {node}\n{team}")

    def be(self, member: int, node: int, team: str = "") -> None:
        self._write_settings(Path(self.nodes[member].root), node, team)

    def opt(self, member: int) -> Path:
        return Path(self.nodes[member].root) / "opt/latentlink"

    def deploy(self, *members: int, without: tuple[int, ...] = ()) -> list[str]:
        said: list[str] = []
        nodes = [self.nodes[member] for member in members or range(3)]
        deploy_team(nodes, self.new.path, self.host, self.folder, said.append, without)
        return said

    @property
    def running(self) -> list[str]:
        """The bundle that each member has installed."""
        names = [os.path.basename(os.readlink(self.opt(member) / "bundle")) for member in range(3)]
        return ["new" if name == self.new.id.hex() else name for name in names]

    @property
    def bundles(self) -> list[str]:
        """What the host decodes of the team, the newest first."""
        return [Path(name).name for name in registry.bundles_of(self.host, 40)]


@pytest.fixture
def site(sshd, tmp_path, team_bundle):  # noqa: F811
    return Site(tmp_path, sshd, team_bundle)


def test_no_member_switches_before_all_have_tried(site):
    said = site.deploy(2, 0, 1)
    assert site.running == ["new"] * 3
    lines = site.log.read_text().splitlines()
    assert sorted(lines[:3]) == ["try 0", "try 1", "try 2"]
    assert sorted(lines[3:]) == ["switch 0", "switch 1", "switch 2"]
    name = site.new.id.hex()
    assert f"bundle {name} is tried and right on all of 3; 3 switch to it now" in said
    assert "node 40 may send this bundle too; start the host again if it runs" in said[1]
    assert said[2].endswith(f"bundle {name} runs (before: old)")
    assert site.bundles == ["new", "bundle"]


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_one_that_refuses_it_leaves_all_on_the_old_one(site):
    (site.opt(1) / "refuses").touch()
    with pytest.raises(
        FlashError,
        match=r"all members stay on the bundle they have\. member 1 at .*does not work on this",
    ):
        site.deploy()
    assert site.running == ["old"] * 3
    assert "switch" not in site.log.read_text()
    assert site.bundles == ["bundle"]
    (site.opt(1) / "refuses").unlink()
    site.deploy()
    assert site.running == ["new"] * 3


def test_one_that_cannot_be_reached_leaves_all_on_the_old_one(site):
    site.nodes[2] = replace(site.nodes[2], address="nobody@127.0.0.1", options=["-p", "1"])
    with pytest.raises(FlashError, match=r"nothing was sent\. nobody@127\.0\.0\.1: ssh: connect"):
        site.deploy()
    assert site.running == ["old"] * 3
    assert not site.log.exists()


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_one_that_is_left_out_gets_it_later_by_the_same_command(site):
    with pytest.raises(FlashError, match=r"has 3 members, and member 1 is at none .* WITHOUT=1 "):
        site.deploy(0, 2)
    site.deploy(0, 2, without=(1,))
    assert site.running == ["new", "old", "new"]
    said = site.deploy()
    assert site.running == ["new"] * 3
    assert sum("runs already" in line for line in said) == 2
    assert site.log.read_text().splitlines()[-1] == "switch 1"


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_one_that_dies_in_the_switch_keeps_no_other_from_it(site):
    (site.opt(0) / "dies").touch()
    with pytest.raises(
        FlashError,
        match=r"the others run it, and answer without those\. member 0 at .*same command",
    ):
        site.deploy()
    assert site.running[1:] == ["new"] * 2
    assert site.bundles == ["new", "bundle"]
    (site.opt(0) / "dies").unlink()
    site.deploy()
    assert site.running == ["new"] * 3


def test_one_that_fails_its_trial_is_told_with_why_and_comes_along_later(site):
    (site.opt(2) / "verdict").write_text("failed the node stopped while it was on trial")
    with pytest.raises(
        FlashError, match=r"member 2 at .* failed its trial, so old goes on: the node stopped while"
    ):
        site.deploy()
    assert site.running == ["new", "new", "old"]
    (site.opt(2) / "verdict").unlink()
    site.deploy()
    assert site.running == ["new"] * 3


def test_when_all_go_back_the_host_goes_back_too(site):
    for member in range(3):
        (site.opt(member) / "verdict").write_text("failed it hangs")
    with pytest.raises(FlashError, match="nobody runs it"):
        site.deploy()
    assert site.running == ["old"] * 3
    assert site.bundles == ["bundle", "new"]


def test_only_the_members_of_one_team_are_deployed_to(site):
    member = "[team]\nmember = {}\nmembers = 3\n"
    for found, sentence in (
        ((40, ""), "is node 40, which is in no team: deploy to it alone"),
        ((41, member.format(1)), r"is of node 40, .* of node 41: deploy to one team at a time"),
        ((40, member.format(2)), "are both member 2: flash one of them again"),
        ((40, "team = 3\n"), "has team = 3"),
        ((40, "[team]\nmember = 1\n"), "has team = "),
    ):
        site.be(1, *found)
        with pytest.raises(FlashError, match=sentence):
            site.deploy()
    assert site.running == ["old"] * 3
    assert not site.log.exists()


def test_a_member_alone_gets_no_bundle_and_a_team_none_for_one_node(site):
    with pytest.raises(FlashError, match=r"is member 0 of node 40: a team gets a bundle all at"):
        deploy_bundle(site.nodes[0], site.new.path, site.host, site.folder, pytest.fail)
    site.new = Bundle.load(BUNDLE, side="host")
    with pytest.raises(FlashError, match="is for one node, and node 40 is a team"):
        site.deploy()
    assert site.running == ["old"] * 3
