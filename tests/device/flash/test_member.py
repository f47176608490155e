"""What a person writes for a team is what each of its members is told, and the node takes it."""

import pytest

from device.config import load_config
from device.flash.member import TeamOptions, numbered, read_team
from device.flash.tools import FlashError


@pytest.fixture
def config(team_toml):
    """The settings of a member, as the node reads them."""

    def of(member: int, **asked):
        team = read_team(team_toml, 40, TeamOptions(**{"members": 3} | asked))
        path = team_toml.with_name("member.toml")
        path.write_text(team.text(team_toml.read_text(), member))
        return load_config(path)

    return of


def say(team_toml, *lines):
    team_toml.write_text(team_toml.read_text() + "\n".join(["[team]", *lines]) + "\n")


def test_members_without_a_word_about_it_meet_in_a_group_of_their_nodes_number(config):
    teams = [config(member).team for member in range(3)]
    assert [team.member for team in teams] == [0, 1, 2]
    assert {team.members for team in teams} == {3}
    assert {(team.port, team.multicast) for team in teams} == {("0.0.0.0:4310", "239.77.0.40:4310")}


def test_what_the_file_says_of_the_team_is_said_to_each(config, team_toml):
    lines = ("members = 3", "member = 9 # whoever this is", 'mode = "replica"', "patience_ms = 80")
    say(team_toml, *lines, 'multicast = "239.1.2.3:5000"', 'port = "0.0.0.0:5000"')
    told = config(2, members=None).team
    assert (told.member, told.mode, told.patience_ms) == (2, "replica", 80)
    assert (told.multicast, told.port) == ("239.1.2.3:5000", "0.0.0.0:5000")


def test_each_member_receives_at_its_own_address_and_knows_the_others(config, team_toml):
    say(team_toml, 'multicast = "239.1.2.3:5000"', 'port = "0.0.0.0:5000"')
    told = config(1, peers=("pi-a:4310", "pi-b:4311", "pi-c:4312")).team
    assert (told.port, told.multicast) == ("0.0.0.0:4311", None)
    assert told.addresses == {0: "pi-a:4310", 2: "pi-c:4312"}
    assert config(0, peers=("pi-%.local:4310",)).team.addresses == {
        1: "pi-1.local:4310",
        2: "pi-2.local:4310",
    }
    assert numbered("team-%.img", 3) == "team-3.img"


def test_the_command_line_has_the_last_word_on_the_group(config, team_toml):
    say(team_toml, 'peers = ["a:1", "b:1", "c:1"]')
    assert config(1).team.addresses == {0: "a:1", 2: "c:1"}
    told = config(1, multicast="239.9.9.9:77").team
    assert (told.multicast, told.port, told.peers) == ("239.9.9.9:77", "0.0.0.0:77", ())


def test_a_bus_needs_no_addresses(config, team_toml):
    say(team_toml, 'port = "/dev/ttyUSB1"', "bitrate_bps = 9600")
    told = config(2).team
    assert (told.port, told.bitrate_bps, told.multicast) == ("/dev/ttyUSB1", 9600, None)


def test_only_who_has_a_camera_or_a_modem_is_told_of_one(config):
    asked = {"cameras": (0, 1), "modems": (1,)}
    has = [(bool(one.source), bool(one.link)) for one in (config(m, **asked) for m in range(3))]
    assert has == [(True, False), (True, True), (False, False)]
    assert config(2, **asked).team.camera == "shared"
    assert config(2).team.camera == "each"


@pytest.mark.parametrize("by_option", [True, False])
def test_a_placement_goes_along_in_the_place_of_a_mode(config, team_toml, by_option):
    path = team_toml.with_name("placed.json")
    path.write_text("[[[0], [1], [2, 0]]]")
    if not by_option:
        say(team_toml, 'placement = "placed.json"')
    asked = {"placement": path} if by_option else {}
    assert str(config(0, **asked).team.placement) == "/etc/latentlink/placement.json"
    team = read_team(team_toml, 40, TeamOptions(members=3, **asked))
    assert team.placement == [[[0], [1], [2, 0]]]
    path.write_text("[null]")
    with pytest.raises(FlashError, match=r"placed\.json is no placement"):
        config(0, **asked)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"members": None}, "a team has 2 to 32 members, not None: say how many, FOG=7"),
        ({"members": 1}, "a team has 2 to 32 members, not 1"),
        ({"peers": ("a:1", "b:1")}, "PEERS names 2 addresses, and each of 3 members has one"),
        ({"peers": ("a:1", "b:1", "a:1")}, "PEERS names 2 addresses"),
        ({"cameras": (0, 3)}, r"CAMERAS names 0, 3; write who of the members 0 to 2 has one"),
        ({"modems": ()}, "MODEMS names nobody"),
    ],
)
def test_what_cannot_be_a_team_is_refused(config, asked, sentence):
    with pytest.raises(FlashError, match=sentence):
        config(0, **asked)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("team = 3\n", r"\[team\] is no section"),
        ('[team]\npeers = "a:1"\n', "peers are no list"),
        ("[team]\nport = 4310\n", "must be texts in quotes"),
        ("[team]\npeers = [1, 2, 3]\n", "must be texts in quotes"),
    ],
)
def test_a_section_that_is_none_is_refused(team_toml, text, sentence):
    team_toml.write_text(text)
    with pytest.raises(FlashError, match=sentence):
        read_team(team_toml, 40, TeamOptions(members=3))
