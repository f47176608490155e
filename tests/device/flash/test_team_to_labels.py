"""From one command to answers: a team is flashed, its cards are installed into folders, and its
members, as processes, answer the host whose folder flashing wrote; then they get another bundle.
"""

import numpy as np
import pytest

from device.config import load_config
from device.flash.card import CardOptions
from device.flash.deploy_team import deploy_team
from device.flash.member import TeamOptions
from device.flash.team import flash_team
from tests.device.flash.conftest import OUR_IMAGE
from tests.device.flash.test_bundle_update import FolderNode, answers
from tests.device.flash.test_deploy import sshd  # noqa: F401
from tests.programs import needs
from tests.scale import IS_NIGHTLY
from tests.worlds.guest import Host
from tests.worlds.team import free_ports
from tests.worlds.team_bundle import make_team_bundle, random_images

N_MEMBERS = 3
pytestmark = needs("sh")


@pytest.fixture
def flashed(tmp_path, team_bundle, release):
    """Three folders, each with what first boot made of a card; host.toml beside them."""
    np.savez(tmp_path / "replay.npz", images=random_images(12))
    host_port, *ports = free_ports(1 + N_MEMBERS)
    (tmp_path / "team.toml").write_text(
        f'node = 40\nbundle = "{team_bundle.path}"\nkey_dir = "keys"\n[source]\nkind = "replay"\n'
        'path = "replay.npz"\nloop = true\ninterval_s = 0.5\n[link]\nport = "127.0.0.1:0"\n'
        f'profile = "udp"\npeers = ["127.0.0.1:{host_port}"]\n[team]\npatience_ms = 500\n'
    )
    nodes = []
    for member in range(N_MEMBERS):
        seat = tmp_path / f"member-{member}"
        for name, text in OUR_IMAGE.items():
            path = seat / "root/boot/firmware" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (seat / "root/etc").mkdir()
        nodes.append(FolderNode(seat, []))
    flash_team(
        CardOptions(
            tmp_path / "member-%/root/boot/firmware",
            tmp_path / "team.toml",
            tmp_path / "host.toml",
            tmp_path,
            is_confirmed=True,
        ),
        TeamOptions(N_MEMBERS, peers=tuple(f"127.0.0.1:{port}" for port in ports)),
        None,
        lambda text: None,
        lambda share: None,
        pytest.fail,
    )
    for node in nodes:
        node.install()
    return nodes


@pytest.fixture
def running(flashed):
    for node in flashed:
        node.system("start")
    try:
        yield flashed
    finally:
        for node in flashed:
            node.system("stop")


def test_the_settings_of_every_member_are_taken_by_the_node(flashed):
    configs = [load_config(node.root / "etc/latentlink/node.toml") for node in flashed]
    assert [config.team and config.team.member for config in configs] == [0, 1, 2]
    assert {config.node for config in configs} == {40}
    assert len({(config.key_dir / "node.key").read_text() for config in configs}) == 1


def test_flashed_members_answer_as_one_node_and_go_on_without_one(running, team_bundle, tmp_path):
    with Host(tmp_path / "host.toml") as host:
        found = answers(host, team_bundle.id.hex(), 3)
        assert {event["node"] for event in found} == {40}
        running[1].system("stop")
        answers(host, team_bundle.id.hex(), 5)


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
@needs("sshd", "ssh", "ssh-keygen")
def test_a_running_team_gets_another_bundle_and_who_was_away_comes_along(
    running,
    sshd,  # noqa: F811
    tmp_path,
    team_bundle,
):
    old, new = team_bundle.id.hex(), make_team_bundle(tmp_path / "new", n_segments=2)
    said: list[str] = []
    nodes = [FolderNode(node.folder, sshd).node for node in running]

    def deploy(*members: int, without=()):
        those = [nodes[member] for member in members]
        deploy_team(those, new.path, tmp_path / "host.toml", tmp_path, said.append, without)
        return [node.in_use for node in running]

    assert deploy(0, 1, without=[2]) == [new.id.hex(), new.id.hex(), old]
    with Host(tmp_path / "host.toml") as host:
        assert {event["node"] for event in answers(host, new.id.hex(), 3)} == {40}
    assert deploy(0, 1, 2) == [new.id.hex()] * N_MEMBERS
    assert sum(f"runs (before: {old})" in line for line in said) == N_MEMBERS
    with Host(tmp_path / "host.toml") as host:
        answers(host, new.id.hex(), 3)
