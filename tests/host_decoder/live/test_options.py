"""What one live run is made of, and what its node is told of it."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.config import load_config
from host_decoder.live.options import (
    LiveError,
    LiveOptions,
    Team,
    draw_replay,
    free_addresses,
    node_toml,
    read_replay,
    with_team,
)
from link.medium.profiles import get_profile
from link.picture import Replay
from tests.worlds.small_team import make_team_bundle

OPTIONS = LiveOptions(Path("bundle"), Path("replay.npz"))


def test_a_node_is_told_what_was_said_and_nothing_of_the_rest():
    told = tomllib.loads(node_toml(OPTIONS, 7, "/dev/pts/3", None))
    assert (told["node"], told["link"]["port"], told["link"]["downlink"]) == (
        7,
        "/dev/pts/3",
        True,
    )
    assert not {"limit", "frequency_hz", "chunk_bytes"} & (told["source"].keys() | told["link"])


@pytest.mark.parametrize("name", ['a "quoted" name', "back\\slash", "grüße"])
def test_a_path_comes_back_whatever_it_is_called(name, tmp_path):
    options = LiveOptions(tmp_path / name, tmp_path / name)
    told = tomllib.loads(node_toml(options, 7, "/dev/pts/3", 868_100_000))
    assert told["bundle"] == told["source"]["path"] == str(tmp_path / name)
    assert told["link"]["frequency_hz"] == 868_100_000


@pytest.mark.parametrize(("images", "is_drawn"), [(None, False), (10, False), (4, True)])
def test_a_part_of_a_replay_is_drawn_into_a_file_of_its_own(
    images, is_drawn, replay_file, live_bundle, tmp_path
):
    replay = read_replay(replay_file, live_bundle)
    options = LiveOptions(live_bundle.path, replay_file, images=images)
    drawn = draw_replay(options, replay, tmp_path)
    assert drawn.images is None
    assert (drawn.replay.parent == tmp_path) == is_drawn
    assert len(Replay.read(drawn.replay)) == (images if is_drawn else 10)


def test_a_replay_that_is_not_there_is_answered_with_what_writes_one(live_bundle, tmp_path):
    with pytest.raises(LiveError, match=r"no replay file .*; `python -m host_training replay`"):
        read_replay(tmp_path / "replay.npz", live_bundle)
    np.savez(tmp_path / "replay.npz", something=np.zeros(3))
    with pytest.raises(LiveError):
        read_replay(tmp_path / "replay.npz", live_bundle)


RADIO = get_profile("lora-sf7")


@pytest.fixture(scope="module")
def team_bundle(tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "blobs")


def test_a_team_s_bundle_says_how_many_members_there_are(team_bundle, live_bundle):
    assert with_team(OPTIONS, team_bundle, RADIO).fog == 3
    assert with_team(replace(OPTIONS, fog=3, kill=2), team_bundle, RADIO).kill == 2
    assert with_team(OPTIONS, live_bundle, RADIO) == OPTIONS


@pytest.mark.parametrize(
    ("change", "link", "sentence"),
    [
        ({"fog": 7}, "lora-sf7", "is cut for 3 members, not 7"),
        ({"kill": 3}, "lora-sf7", "3 of 3 members cannot be killed at a time"),
        ({}, "serial-9600", "serial-9600 is a cable with two ends"),
    ],
)
def test_what_a_team_cannot_do_is_a_sentence(team_bundle, change, link, sentence):
    with pytest.raises(LiveError, match=sentence):
        with_team(replace(OPTIONS, **change), team_bundle, get_profile(link))


def test_one_node_has_no_members(live_bundle):
    with pytest.raises(LiveError, match="is for one node, and only a team has members"):
        with_team(replace(OPTIONS, kill=1), live_bundle, RADIO)


def test_a_member_is_told_who_it_is_and_where_the_others_are(tmp_path):
    addresses = free_addresses(3)
    assert len(set(addresses)) == 3
    team = Team(1, addresses)
    (tmp_path / "node.toml").write_text(node_toml(OPTIONS, 7, "/dev/pts/3", 868_100_000, team))
    config = load_config(tmp_path / "node.toml")
    assert config.team is not None
    assert (config.team.member, config.team.members, config.team.mode) == (1, 3, "exchange")
    assert config.team.port == addresses[1]
    assert config.team.addresses == {0: addresses[0], 2: addresses[2]}
    assert config.key_dir == tmp_path / "keys" / "1"
