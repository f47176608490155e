"""Whatever a key of node.toml says, it is taken or answered by a sentence that names it; never by a
traceback.
"""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device import config
from device.capture.source_config import SourceConfig
from device.config import ConfigError, NodeConfig, load_config
from device.fog.team_config import TeamConfig
from device.link_config import LinkConfig, LoRaWanConfig
from device.training.learn_config import LearnConfig
from link.medium.profiles import PROFILES
from link.node.packing import HELLO_PACKET_BYTES
from link.settings import setting

GOOD = """
node = 3
bundle = "bundle"
key_dir = "keys"
[source]
kind = "v4l2"
[link]
port = "/dev/ttyUSB0"
profile = "lora-sf9-eu868"
region = "eu868"
frequency_hz = 869525000
"""
NODE, SOURCE, LINK, LORAWAN, TEAM, LEARN = map(
    setting.settings_of,
    (NodeConfig, SourceConfig, LinkConfig, LoRaWanConfig, TeamConfig, LearnConfig),
)
KEYS = [
    *(("", key) for key in NODE),
    *(("source", key) for key in SOURCE),
    *(("link", key) for key in LINK),
    *(("link.lorawan", key) for key in LORAWAN),
    *(("team", key) for key in TEAM),
    *(("learn", key) for key in LEARN),
]
MORE = {
    "link.lorawan": 'app_key = "app.key"\n',
    "team": 'member = 0\nmembers = 2\nport = "0.0.0.0:4310"\npeers = ["10.0.0.2:4310"]\n',
    "learn": 'run = "r"\ndevice = 0\nkey = "k"\nshard = "s"\nstate_dir = "d"\nsocket = "x"\n',
}
IDS = [f"{section}.{key}" for section, key in KEYS]
NASTY = [
    *(
        '""',
        '" "',
        '"a\\u0000b"',
        '"\\u001b[2J"',
        '"²"',
        '"٣"',
        '"é"',
        '"../.."',
        '"' + "x" * 5000 + '"',
        '"true"',
        '"0"',
    ),
    *("0", "-1", "1", "255", "256", "65536", str(1 << 62), str(1 << 63), "9" * 400, "9" * 5000),
    *("-0.0", "0.5", "1e308", "-1e308", "inf", "-inf", "nan", "1e-300"),
    *("true", "false", "2020-01-01", "12:00:00", "1979-05-27T07:32:00Z"),
    *(
        "[]",
        "[1]",
        '[""]',
        '["a:1", 2]',
        "[[[]]]",
        "[" * 3000 + "]" * 3000,
        "{}",
        "{ a = 1 }",
        "[{}]",
    ),
]


def with_value(section, key, value):
    """GOOD with one key set to a value, in TOML's spelling."""
    head, source, link = GOOD.replace("[link]", "[source]").split("[source]\n")
    lines = {"": head, "source": source, "link": link}
    if section in MORE:
        lines[section] = MORE[section]
    kept = [line for line in lines[section].splitlines() if line.partition(" = ")[0] != key]
    lines[section] = "\n".join([*kept, f"{key} = {value}", ""])
    return "".join(f"[{name}]\n{text}" if name else text for name, text in lines.items())


def loaded(path):
    """The configuration, or the sentence."""
    try:
        return load_config(path)
    except ConfigError as refusal:
        said = str(refusal)
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 1500
    return said


def read(folder, text):
    """The configuration, or the sentence."""
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "app.key").write_text("00" * 16)
    return loaded(path)


@pytest.mark.parametrize(("section", "key"), KEYS, ids=IDS)
def test_every_key_answers_every_nasty_value_with_a_sentence_that_names_it(tmp_path, section, key):
    assert not isinstance(read(tmp_path, GOOD), str)
    for value in NASTY:
        said = read(tmp_path, with_value(section, key, value))
        is_named = not isinstance(said, str) or key in said or "TOML" in said or "hours" in said
        assert is_named or key in ("profile", "region", "frequency_hz", "path", "kind"), said


def test_the_example_has_keys_that_there_are_with_values_that_they_take():
    lines = [line for line in (config.__doc__ or "").splitlines() if line.startswith("    ")]
    example = tomllib.loads("\n".join(lines))
    for settings_of, table in (
        (NODE, example),
        (SOURCE, example["source"]),
        (LINK, example["link"]),
    ):
        assert table
        for key, value in table.items():
            assert settings_of[key].fault(value) is None


TOML_VALUES = st.recursive(
    st.integers()
    | st.floats().map(lambda number: repr(number) if number - number == 0 else "nan")
    | st.booleans().map(lambda truth: "true" if truth else "false")
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(json.dumps),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(map(str, parts))}]"),
    max_leaves=4,
)


@given(key=st.sampled_from(KEYS), value=TOML_VALUES)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_value_of_any_key_raises_anything_but_the_sentence(tmp_path, key, value):
    section, name = key
    read(tmp_path, with_value(section, name, value))


@given(st.binary(max_size=200))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_raises_anything_but_the_sentence(tmp_path, content):
    path = tmp_path / "node.toml"
    for text in (content, GOOD.encode() + content, content + GOOD.encode()):
        path.write_bytes(text)
        loaded(path)


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("link", "region", '"EU"', "[link] region is 'eu'; it must be one of eu868, us915, wire"),
        (
            "link",
            "frequency_hz",
            "433000000",
            "[link] 433 MHz with 125 kHz lies in no sub-band of eu868; set",
        ),
        (
            "link",
            "frequency_hz",
            "869525",
            "[link] frequency_hz is 869525; it must be from 100000000 to 3000000000",
        ),
        (
            "link",
            "port",
            '"ttyUSB0"',
            "takes the whole path of a serial port, such as /dev/ttyUSB0",
        ),
        (
            "link",
            "peers",
            '["10.0.0.5:1"]',
            '[link] peers are of profile "udp"; profile lora-sf9-eu868 has a port alone',
        ),
        (
            "link",
            "bitrate_bps",
            "12345678901",
            "[link] bitrate_bps is 12345678901; it must be from 50 to 4000000",
        ),
        (
            "link",
            "parity",
            '"٨+2"',
            '[link] parity is "٨+2" (two numbers and a plus are expected); write for example',
        ),
        (
            "source",
            "interval_s",
            "1e308",
            "[source] interval_s is 1e+308; it must be from 0 to 31622400",
        ),
        ("source", "interval_s", "inf", "source.interval_s = inf is no number; write one"),
        (
            "source",
            "limit",
            "9" * 20,
            "source.limit is an integer of more than 64 bits; write a smaller one",
        ),
        ("source", "device", "-1", "[source] device is -1; it must be from 0 to 255"),
        ("", "bundle", '""', "bundle is empty; write something, or leave the key out"),
        (
            "",
            "key_dir",
            '"a\\u0000b"',
            "key_dir = 'a\\x00b' has a character that cannot be seen; take it out",
        ),
        ("", "max_queue_mb", "999999", "max_queue_mb is 999999; it must be from 1 to 100000"),
    ],
)
def test_the_sentence_says_what_could_stand_there(tmp_path, section, key, value, sentence):
    assert sentence in read(tmp_path, with_value(section, key, value))


def test_parity_leaves_room_for_an_image(tmp_path):
    text = with_value("link", "parity", '"16+4"').replace(
        "[link]", "[link]\ndownlink = false\nmax_packet_bytes = 30"
    )
    assert "[link] parity 16+4 leaves images no room in packets of 30 bytes" in read(tmp_path, text)
    assert not isinstance(read(tmp_path, text.replace("16+4", "2+1")), str)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_profile_is_taken_or_too_narrow_by_name(tmp_path, profile):
    is_udp = profile.carrier == "udp"
    text = UDP.format(port="0.0.0.0:0", peers=PEERS) if is_udp else GOOD.partition("region")[0]
    said = read(tmp_path, text.replace("lora-sf9-eu868", profile.name))
    if profile.max_packet_bytes < HELLO_PACKET_BYTES:
        assert (
            f"profile {profile.name} takes packets of {profile.max_packet_bytes} bytes, and a node "
            "needs"
        ) in said
    else:
        assert said.link.profile == profile


def test_a_region_may_be_written_as_people_write_it(tmp_path):
    config = read(tmp_path, with_value("link", "region", '"EU868"'))
    assert config == read(tmp_path, GOOD)


def test_the_number_of_a_pi_camera_is_a_number(tmp_path):
    text = with_value("source", "device", '"front"')
    assert "of picamera2 it is the camera's number" in read(
        tmp_path, text.replace("v4l2", "picamera2")
    )
    assert read(tmp_path, text).source.device == "front"


UDP = GOOD.partition("[link]")[0] + '[link]\nport = "{port}"\nprofile = "udp"\n{peers}\n'
PEERS = 'peers = ["host.example:4300", "127.0.0.1:4301"]'


def test_a_udp_node_is_told_where_its_packets_go(tmp_path):
    config = read(tmp_path, UDP.format(port="0.0.0.0:4300", peers=PEERS))
    assert config.link.peers == ("host.example:4300", "127.0.0.1:4301")


@pytest.mark.parametrize("peers", ["", "peers = []"])
def test_a_udp_node_without_peers_is_refused_with_the_line_to_write(tmp_path, peers):
    said = read(tmp_path, UDP.format(port="0.0.0.0:4300", peers=peers))
    assert "[link] has 0 peers, and profile udp needs 1 to 16" in said
    line = said.partition("write for example: ")[2]
    assert tomllib.loads(line) == {"peers": ["192.168.1.5:4300"]}
    assert read(tmp_path, UDP.format(port="0.0.0.0:4300", peers=line)).link.peers == (
        "192.168.1.5:4300",
    )


ADDRESSES = [
    "localhost",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:²",
    "127.0.0.1:99999",
    ":4300",
    "[::1]:4300",
    "a b:1",
]


@pytest.mark.parametrize(
    "address", [*ADDRESSES, "127.0.0.1:-1", "127.0.0.1:1.5", "udp://a:1", "x" * 300 + ":1"]
)
def test_an_address_that_is_none_is_refused_by_key(tmp_path, address):
    said = read(tmp_path, UDP.format(port=address, peers=PEERS))
    assert "[link] port: " in said
    assert (
        "is no UDP address: write host:port, such as 192.168.1.5:4300, the port from 0 to 65535"
        in said
    )
    said = read(
        tmp_path, UDP.format(port="0.0.0.0:4300", peers=f'peers = ["127.0.0.1:1", "{address}"]')
    )
    assert "[link] peers: " in said


def test_nobody_is_at_port_0(tmp_path):
    assert "the port from 1 to 65535" in read(
        tmp_path, UDP.format(port="0.0.0.0:0", peers='peers = ["127.0.0.1:0"]')
    )
