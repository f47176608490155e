"""[team] of node.toml: what a member is told, and the sentence for what cannot be."""

import pytest

from device.config import ConfigError, load_config

HEAD = 'node = 3\nbundle = "bundle"\nkey_dir = "keys"\n'
SOURCE = '[source]\nkind = "v4l2"\n'
LINK = '[link]\nport = "/dev/ttyUSB0"\nprofile = "lora-sf9"\n'
PEERS = 'peers = ["10.0.0.1:4310", "10.0.0.2:4310", "10.0.0.3:4310"]\n'
TEAM = 'member = 1\nmembers = 3\nport = "0.0.0.0:4310"\n'


@pytest.fixture
def read(tmp_path):
    def loaded(text):
        path = tmp_path / "node.toml"
        path.write_text(text)
        return load_config(path)

    return loaded


def team(lines, sections=SOURCE + LINK):
    return f"{HEAD}{sections}[team]\n{lines}"


def test_every_member_may_be_given_the_same_peers(read):
    config = read(team(TEAM + PEERS)).team
    assert config.addresses == {0: "10.0.0.1:4310", 2: "10.0.0.3:4310"}
    assert (config.mode, config.camera, config.patience_ms) == ("exchange", "each", 50)
    assert not config.is_serial
    assert not config.is_slow


def test_or_those_of_the_others(read):
    config = read(team(TEAM + 'peers = ["10.0.0.1:4310", "10.0.0.3:4310"]')).team
    assert config.addresses == {0: "10.0.0.1:4310", 2: "10.0.0.3:4310"}


def test_a_group_and_a_serial_line_need_no_addresses(read):
    assert read(team(TEAM + 'multicast = "239.77.0.1:4310"')).team.addresses == {}
    bus = read(team('member = 0\nmembers = 2\nport = "/dev/ttyUSB1"')).team
    assert (bus.is_serial, bus.is_slow, bus.bitrate_bps) == (True, True, 115_200)


def test_a_placement_takes_the_place_of_a_mode(read, tmp_path):
    config = read(team(TEAM + PEERS + 'placement = "placement.json"')).team
    assert (config.mode, config.placement) == (None, tmp_path / "placement.json")


def test_a_member_needs_no_modem_and_of_a_shared_camera_none_of_its_own(read):
    config = read(team(TEAM + PEERS, SOURCE))
    assert config.link is None
    config = read(team(TEAM + PEERS + 'camera = "shared"', ""))
    assert config.source is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (team(TEAM + PEERS, LINK), r'is missing: with .team. camera = "each" every'),
        (HEAD + SOURCE, 'key "link" is missing'),
        (HEAD + LINK, 'key "source" is missing'),
        (team(PEERS), r'\[team\] key "member" is missing'),
        (team(TEAM), r"\[team\] needs peers, the addresses at which the others receive, or a mul"),
        (
            team(TEAM + PEERS + 'multicast = "239.77.0.1:4310"'),
            r"\[team\] needs peers, the addresses at which the others receive, or a multicast",
        ),
        (
            team(TEAM + 'peers = ["10.0.0.2:4310"]'),
            r"\[team\] has 1 peers and 3 members: give the address of every member in the order",
        ),
        (team(TEAM + 'peers = ["10.0.0.2", "b:1"]'), r'\[team\] peers: "10.0.0.2" is no UDP addr'),
        (
            team(TEAM.replace("member = 1", "member = 3") + PEERS),
            r"\[team\] member is 3, and 3 members are numbered from 0 to 2",
        ),
        (
            team(TEAM + 'multicast = "10.0.0.1:4310"'),
            r"\[team\] multicast is '10.0.0.1:4310', which is no group: write for example 239.77",
        ),
        (
            team(TEAM + 'multicast = "239.77.0.1:4311"'),
            "a group is heard at its own port, give both the same number",
        ),
        (
            team('member = 0\nmembers = 2\nport = "/dev/ttyUSB1"\n' + PEERS),
            r"\[team\] port is '/dev/ttyUSB1': on a serial line everybody hears everything",
        ),
        (
            team(TEAM + PEERS + 'mode = "replica"\nplacement = "placement.json"'),
            r"\[team\] has both mode and placement; leave one of them out",
        ),
        (
            team(TEAM + PEERS + 'mode = "both"'),
            r'mode is "both"; it must be one of exch',
        ),
        (
            team(TEAM + PEERS, SOURCE + 'hours = "06:00-20:00"\n'),
            r"\[source\] hours needs \[link\] wants_time = true",
        ),
    ],
)
def test_what_cannot_be_is_answered_with_what_could(read, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read(text)
