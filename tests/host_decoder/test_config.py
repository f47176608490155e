"""host.toml is read once; what is wrong with it is a sentence."""

import json
import re
import shutil

import pytest

from host_decoder.config import read_config
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.errors import ConfigError
from host_decoder.gateway_config import GatewayConfig
from link.carriers.carrier import CarrierSettings
from link.medium.profiles import get_profile
from link.security.keys import provision

HOST_TOML = """
store = "data.sqlite"
bundles = "bundles"
[link]
port = "/dev/ttyUSB0"
profile = "lora-sf9"
[[node]]
node = 7
key = "keys"
bundle = "bundles/blobs"
"""


@pytest.fixture
def write(tmp_path, bundle, other_bundle):
    """Writes host.toml with a text in it replaced; beside it keys and two bundles."""
    provision(tmp_path / "keys", 7)
    shutil.copytree(bundle.path, tmp_path / "bundles" / "blobs")
    shutil.copytree(other_bundle.path, tmp_path / "bundles" / "other")

    def write(old="", new=""):
        assert old in HOST_TOML
        (tmp_path / "host.toml").write_text(HOST_TOML.replace(old, new) if old else HOST_TOML)
        return tmp_path / "host.toml"

    return write


def radio(gateway: GatewayConfig) -> CarrierSettings:
    assert isinstance(gateway.settings, CarrierSettings)
    return gateway.settings


def test_everything_is_read(write, tmp_path, bundle, other_bundle):
    config = read_config(write())
    [gateway] = config.gateways
    assert (gateway.name, radio(gateway).port, radio(gateway).kind) == (
        "/dev/ttyUSB0",
        "/dev/ttyUSB0",
        "serial",
    )
    assert radio(gateway).profile == get_profile("lora-sf9")
    assert (gateway.region, gateway.has_downlink, config.verdict) == (None, True, None)
    assert config.store == tmp_path / "data.sqlite"
    [node] = config.nodes
    assert (node.number, node.has_downlink, node.key.hex()) == (
        7,
        True,
        (tmp_path / "keys" / "node.key").read_text().strip(),
    )
    assert node.bundle.id == bundle.id
    assert {held.id for held in config.other_bundles} == {bundle.id, other_bundle.id}
    assert config.warnings == ()


def test_nodes_stand_in_files_of_their_own_too(write, tmp_path, bundle):
    """Each is a [[node]] table whose paths are relative to host.toml; the folder stands for all of
    it.
    """
    write()
    provision(tmp_path / "other", 9)
    (tmp_path / "nodes").mkdir()
    table = f'node = 9\nkey = "other"\nbundle = ["{bundle.path}"]\ndownlink = false\n'
    (tmp_path / "nodes/9.toml").write_text(table)
    config = read_config(tmp_path)
    assert [(node.number, node.has_downlink) for node in config.nodes] == [(7, True), (9, False)]
    assert config.nodes[1].bundle.id == bundle.id


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'node = 9\nkey = "other"\nbundle = "blobs"\nbundel = 1\n',
            r'nodes/9\.toml: key "bundel" is unknown',
        ),
        (
            'node = 9\nkey = "nowhere"\nbundle = "blobs"\n',
            r"nodes/9\.toml: key: there is no .*nowhere",
        ),
        (
            'node = 9\nkey = "other"\nbundle = "blobs"\n',
            r"nodes/9\.toml: there is no bundle at .*blobs",
        ),
        ("node = 8\n", r"nodes/9\.toml has node = 8"),
        ("[[node", r"nodes/9\.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_with_one_nodes_file_costs_the_others_nothing(
    write, tmp_path, text, sentence
):
    path = write()
    provision(tmp_path / "other", 9)
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/9.toml").write_text(text)
    config = read_config(path)
    assert [node.number for node in config.nodes] == [7]
    [warning] = config.warnings
    assert re.search(sentence + ".*; the host goes on without this node", warning)
    path.write_text("".join(path.read_text().partition("[[node]]")[:1]))
    with pytest.raises(ConfigError, match=sentence):
        read_config(path)


def test_a_node_that_was_flashed_anew_is_what_its_file_says(write, tmp_path, bundle):
    write()
    provision(tmp_path / "newer", 7)
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/7.toml").write_text(f'node = 7\nkey = "newer"\nbundle = "{bundle.path}"\n')
    config = read_config(tmp_path / "host.toml")
    assert [node.key.hex() for node in config.nodes] == [
        (tmp_path / "newer/node.key").read_text().strip()
    ]
    [warning] = config.warnings
    assert "the latter counts; take the former out" in warning


def test_a_key_is_not_printed(write):
    config = read_config(write())
    assert config.nodes[0].key.hex() not in repr(config)


def test_a_key_may_be_a_file(write, tmp_path):
    shutil.copy(tmp_path / "keys" / "node.key", tmp_path / "copy.key")
    assert (
        read_config(write('"keys"', '"copy.key"')).nodes[0].key == read_config(write()).nodes[0].key
    )


@pytest.mark.parametrize(("line", "bitrate_bps"), [("", 9600), ("bitrate_bps = 57600", 57_600)])
def test_a_cable_without_a_profile_has_its_bitrate_or_a_usual_one(write, line, bitrate_bps):
    [gateway] = read_config(write('profile = "lora-sf9"', line)).gateways
    assert not radio(gateway).profile.is_radio
    assert radio(gateway).profile.bitrate_bps == bitrate_bps


def test_several_gateways_each_with_a_modem_and_rules(write):
    second = (
        '[[link]]\nname = "roof"\nport = "/dev/ttyUSB1"\nprofile = "rn2483-sf9"\nregion = "eu868"\n'
    )
    second += "frequency_hz = 869525000\ndownlink = false\n[[node]]"
    path = write("[[node]]", second)
    path.write_text(path.read_text().replace("[link]\n", "[[link]]\n"))
    first, roof = read_config(path).gateways
    assert radio(first).kind == "serial"
    assert (roof.name, radio(roof).kind, roof.region, roof.has_downlink) == (
        "roof",
        "rn2483",
        "eu868",
        False,
    )
    assert radio(roof).frequency_hz == 869_525_000


def test_two_gateways_of_one_name_are_refused(write):
    link = '[[link]]\nname = "a"\nport = "/dev/ttyUSB0"\n'
    path = write("[[node]]", f"{link}[[node]]")
    path.write_text(path.read_text().replace("[link]\n", '[[link]]\nname = "a"\n'))
    with pytest.raises(ConfigError, match=r"two \[\[link\]\] called a"):
        read_config(path)


NETWORK = """
[[link]]
kind = "chirpstack"
host = "localhost"
application = "a1"
password = "secret"
"""


def test_a_lorawan_network_is_a_gateway_and_its_devices_are_nodes_without_a_key(write):
    path = write('key = "keys"', 'device = "70b3d57ed005b89a"')
    path.write_text(path.read_text().replace("[link]\n", "[[link]]\n") + NETWORK)
    config = read_config(path)
    _, network = config.gateways
    assert (network.is_network, network.medium, network.where) == (
        True,
        "chirpstack",
        "chirpstack at localhost",
    )
    assert (config.nodes[0].device, config.nodes[0].key) == ("70b3d57ed005b89a", b"")
    assert not isinstance(network.settings, CarrierSettings)
    assert network.settings.devices == {"70b3d57ed005b89a": 7}
    assert "secret" not in repr(config)


def test_devices_and_networks_need_each_other(write):
    with pytest.raises(ConfigError, match=r"no \[\[link\]\] of kind chirpstack"):
        read_config(write('key = "keys"', 'device = "70b3d57ed005b89a"'))
    path = write()
    path.write_text(path.read_text().replace("[link]\n", "[[link]]\n") + NETWORK)
    with pytest.raises(ConfigError, match=r"no \[\[node\]\] has a device"):
        read_config(path)


def test_verdicts_are_given_when_they_are_asked_for(write):
    verdict = read_config(write("[[node]]", "[verdict]\nconfidence = 0.9\n[[node]]")).verdict
    assert verdict == VerdictConfig(confidence=0.9)
    assert read_config(write("[[node]]", "[verdict]\n[[node]]")).verdict == VerdictConfig()


def test_a_node_that_does_not_listen_is_marked(write):
    assert not read_config(write("node = 7", "node = 7\ndownlink = false")).nodes[0].has_downlink


def test_a_node_has_a_site_and_may_have_a_name_a_period_and_a_place(write):
    config = read_config(write())
    assert (config.site, config.nodes[0].title, config.nodes[0].period_s) == (
        "home",
        "node 7",
        None,
    )
    place = 'name = "Gate camera"\nperiod_s = 600\nlatitude = -47.5\nlongitude = 8.5\n'
    [node] = read_config(write("node = 7\n", f"node = 7\n{place}")).nodes
    assert (node.title, node.period_s) == ("Gate camera", 600)
    assert (node.latitude, node.longitude) == (-47.5, 8.5)
    assert read_config(write("[link]", 'site = "north-farm"\n[link]')).site == "north-farm"
    with pytest.raises(ConfigError, match="site is 'a/b'; write 1 to 40 of a-z"):
        read_config(write("[link]", 'site = "a/b"\n[link]'))


def test_a_damaged_bundle_among_the_others_is_left_out_and_said(write, tmp_path):
    (tmp_path / "bundles" / "other" / "tables.npz").write_bytes(b"damaged")
    config = read_config(write())
    assert len(config.other_bundles) == 1
    [warning] = config.warnings
    assert "tables.npz" in warning


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "store",
            "sotre",
            'key "sotre" is unknown; the keys are store, keep, clock, bundles, site, link, fleet, '
            "verdict, web",
        ),
        ('port = "/dev/ttyUSB0"', "", r'\[link\] key "port" is missing'),
        ('"/dev/ttyUSB0"', "4", r"\[link\] port is 4, it must be a text in quotes"),
        ("lora-sf9", "lora-sf99", "lora-sf99.*there are: .*lora-sf7"),
        (
            'profile = "lora-sf9"',
            'kind = "pigeon"',
            r'\[link\] kind is "pigeon"; it must be one of serial',
        ),
        (
            "[[node]]",
            "[verdict]\nconfidence = 95\n[[node]]",
            r"\[verdict\] of .*: confidence is 95; it must be from 0 to 1",
        ),
        (
            "[[node]]",
            "[verdict]\nmin_gain = -1\n[[node]]",
            "min_gain is -1; it must be from 0 to 1",
        ),
        ("node = 7", "node = 7\ndownlink = 1", "downlink is 1, it must be true or false"),
        ("node = 7", "node = 0", "node is 0; it must be from 1 to 254"),
        ("node = 7", "node = true", "node is True, it must be a whole number"),
        ("[[node]]", "[[node]", "is not valid TOML"),
        ('"keys"', '"nokeys"', "key: there is no .*nokeys.*copy the node's node.key there"),
        (
            'bundles = "bundles"',
            'clock = "wound up"',
            'clock is "wound up"; it must be one of synchronised, trusted',
        ),
        (
            'bundles = "bundles"',
            'bundles = "elsewhere"',
            "folder of bundles .*elsewhere does not exist",
        ),
    ],
)
def test_a_fault_is_a_sentence(write, old, new, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_config(write(old, new))


def test_two_nodes_cannot_have_one_number(write):
    path = write()
    path.write_text(
        path.read_text() + '[[node]]\nnode = 7\nkey = "keys"\nbundle = "bundles/blobs"\n'
    )
    with pytest.raises(ConfigError, match="two nodes with the number 7"):
        read_config(path)


def test_one_node_may_stand_in_single_brackets(write):
    assert [node.number for node in read_config(write("[[node]]", "[node]")).nodes] == [7]


def test_old_names_of_keys_are_read_with_a_sentence_each(write, tmp_path, bundle):
    (tmp_path / "nodes").mkdir()
    node = f'key = "keys"\nbundle = "{bundle.path}"\n'
    (tmp_path / "nodes/9.toml").write_text(f"id = 9\none_way = true\n{node}")
    path = write("node = 7", "id = 7")
    path.write_text(path.read_text().replace("[link]", "[link]\nfeedback = false"))
    config = read_config(path)
    assert [(node.number, node.has_downlink) for node in config.nodes] == [(7, True), (9, False)]
    assert not config.gateways[0].has_downlink
    assert config.warnings[:3] == (
        f"[link] of {path}: feedback is now called downlink; write downlink = false, and so "
        "wherever feedback stands: only this version still reads it",
        f"[node] of {path}: id is now called node; write node = 7, and so wherever id stands: "
        "only this version still reads it",
        f"{tmp_path / 'nodes/9.toml'}: one_way is now called downlink, and says the contrary; "
        "write downlink = false, and so wherever one_way stands: only this version still reads it",
    )


def test_a_host_without_nodes_is_told_to_add_one(write, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text('node = []\n[link]\nport = "/dev/ttyUSB0"\n')
    with pytest.raises(ConfigError, match=r"names no node; flash one.*latentlink host init"):
        read_config(path)


def test_one_with_a_page_or_a_folder_for_nodes_waits_for_them(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text('[link]\nport = "/dev/ttyUSB0"\n')
    for how in ({"has_page": True}, {}):
        config = read_config(path, **how)
        assert config.nodes == ()
        assert "one that is flashed is heard at once" in config.warnings[-1]
        (tmp_path / "nodes").mkdir(exist_ok=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no .*host\.toml"):
        read_config(tmp_path / "host.toml")


def test_a_damaged_key_keeps_its_own_sentence(write, tmp_path):
    (tmp_path / "keys" / "node.key").write_text("short")
    with pytest.raises(ConfigError, match="holds no key"):
        read_config(write())


def test_a_missing_bundle_keeps_its_own_sentence(write):
    with pytest.raises(ConfigError, match="there is no bundle at"):
        read_config(write("bundles/blobs", "bundles/nothing"))


def test_a_node_may_go_from_one_bundle_to_the_next(write, bundle, other_bundle):
    [node] = read_config(write('"bundles/blobs"', '["bundles/other", "bundles/blobs"]')).nodes
    assert node.bundle.id == other_bundle.id
    assert [earlier.id for earlier in node.earlier_bundles] == [bundle.id]


@pytest.mark.parametrize("names", ["[]", "[7]"])
def test_a_list_of_no_bundles_is_refused(write, names):
    with pytest.raises(
        ConfigError, match=r"one folder, or several in a list|text in quotes or a list of texts"
    ):
        read_config(write('"bundles/blobs"', names))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '"lora-sf9"',
            '"lora-sf9"\nregion = "europe"',
            "region is 'europe'; it must be one of eu868, us915, wire",
        ),
        (
            '"lora-sf9"',
            '"lora-sf9"\nfrequency_hz = 868',
            "frequency_hz is 868; it must be from 100000000",
        ),
        (
            '"lora-sf9"',
            '"lora-sf9"\npower_dbm = 400',
            "power_dbm is 400; it must be from -30 to 30",
        ),
        ('"lora-sf9"', '"lora-sf9"\npeers = [1]', r"peers is \[1\], it must be a list of texts"),
        ('"lora-sf9"', '"lora-sf9"\npeers = ["127.0.0.1:1"]', 'peers are of profile "udp"'),
        ('"lora-sf9"', '"udp"', "port: .* is no UDP address: write host:port"),
        (
            '"/dev/ttyUSB0"',
            '"ttyUSB0"',
            "takes the whole path of a serial port, such as /dev/ttyUSB0",
        ),
        ('"/dev/ttyUSB0"', '"/dev/\\u0000"', "that cannot be seen"),
        (
            "[[node]]",
            "[verdict]\nmin_gain = nan\n[[node]]",
            r"verdict\.min_gain = nan is no number",
        ),
        (
            "[[node]]",
            "[verdict]\nprice_per_s = 1e300\n[[node]]",
            r"price_per_s is 1e.300; it must be from 0 to",
        ),
        ("[[node]]", "[verdict]\nconfidence = 0\n[[node]]", "confidence is 0; it must be above 0"),
        ('key = "keys"', "", 'key "key" is missing'),
        (
            'key = "keys"',
            'key = "host.toml"',
            r"host\.toml holds no key: 32 hex digits are expected",
        ),
        ('key = "keys"', 'key = ""', "key is empty"),
        ("node = 7", "node = 99999999999999999999", "node is an integer of more than 64 bits"),
    ],
)
def test_what_cannot_be_is_answered_with_what_could(write, old, new, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_config(write(old, new))


def test_one_port_has_one_gateway_by_whatever_name(write, tmp_path):
    (tmp_path / "by-id").symlink_to("/dev/ttyUSB0")
    path = write("[[node]]", f'[[link]]\nport = "{tmp_path / "by-id"}"\n[[node]]')
    path.write_text(path.read_text().replace("[link]\n", "[[link]]\n"))
    with pytest.raises(ConfigError, match=r"two \[\[link\]\] at /dev/ttyUSB0"):
        read_config(path)


def test_a_modem_that_is_told_no_frequency_is_warned_of(write):
    [warning] = read_config(write('"lora-sf9"', '"rn2483-sf9"')).warnings
    assert "has no frequency_hz, so its modem listens at 868.1 MHz" in warning
    assert read_config(write('"lora-sf9"', '"rn2483-sf9"\nfrequency_hz = 869525000')).warnings == ()


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("host", "mqtt://localhost", "host is 'mqtt://localhost'; write the broker's name"),
        ("application", "a/b", "application is 'a/b'; write its id alone"),
        ("application", "+", r"application is '\+'"),
        ("ca_file", "none.pem", r"ca_file: there is no .*none\.pem"),
        ("port", 70_000, "port is 70000; it must be from 1 to 65535"),
    ],
)
def test_a_network_s_settings_are_checked_when_they_are_read(write, key, value, sentence):
    path = write('key = "keys"', 'device = "70b3d57ed005b89a"')
    network = "".join(
        line for line in NETWORK.splitlines(keepends=True) if not line.startswith(f"{key} =")
    )
    path.write_text(
        path.read_text().replace("[link]\n", "[[link]]\n")
        + f"{network}{key} = {json.dumps(value)}\n"
    )
    with pytest.raises(ConfigError, match=sentence):
        read_config(path)


@pytest.mark.parametrize(
    ("kind", "device"), [("chirpstack", "my-node"), ("things-stack", "70B3D57ED005B89A")]
)
def test_a_device_is_named_as_its_network_names_it(write, kind, device):
    path = write('key = "keys"', f'device = "{device}"')
    path.write_text(
        path.read_text().replace("[link]\n", "[[link]]\n") + NETWORK.replace("chirpstack", kind)
    )
    with pytest.raises(ConfigError, match="the device of node 7 is"):
        read_config(path)


def test_nodes_with_one_key_are_warned_of(write):
    path = write("[[node]]", '[[node]]\nnode = 8\nkey = "keys"\nbundle = "bundles/blobs"\n[[node]]')
    assert read_config(path).warnings == (
        "nodes 8 and 7 have the same key; give each the node.key that it was made with",
    )


def test_a_key_file_that_an_editor_marked_is_read(write, tmp_path):
    key = read_config(write()).nodes[0].key
    marked = tmp_path / "marked.key"
    marked.write_bytes(
        b"\xef\xbb\xbf" + (tmp_path / "keys" / "node.key").read_bytes().strip() + b"\r\n"
    )
    assert read_config(write('"keys"', '"marked.key"')).nodes[0].key == key


EVERYTHING = """
store = "data.sqlite"
clock = "trusted"
bundles = "bundles"
[[link]]
name = "roof"
kind = "udp"
port = "127.0.0.1:4300"
profile = "udp"
bitrate_bps = 9600
region = "wire"
frequency_hz = 869525000
power_dbm = 14
peers = ["127.0.0.1:4301"]
downlink = true
[[link]]
kind = "chirpstack"
host = "localhost"
port = 1883
application = "a1"
user = "u"
password = "p"
tls = false
ca_file = "keys/node.key"
client_id = "c"
[verdict]
confidence = 0.95
min_gain = 0.02
price_per_s = 0.0
[[node]]
node = 7
key = "keys"
bundle = ["bundles/blobs"]
downlink = true
tasks = ["label"]
[[node]]
node = 8
bundle = "bundles/blobs"
device = "70b3d57ed005b89a"
"""
LINES = EVERYTHING.splitlines()
KEYS = [number for number, line in enumerate(LINES) if "=" in line]
NASTY = r"""
0 -1 1 255 65536 2147483648 4294967296 9223372036854775807 -9223372036854775808
18446744073709551616 0x7fffffff 0o777
0.0 -0.0 0.5 1e-320 1e308 nan -nan inf -inf true false 1979-05-27T07:32:00Z 1979-05-27 07:32:00
"" "." ".." "/" "/dev/null" "/dev/zero" "/proc/self/mem" "~" "$HOME" "a\u0000b" "\u001b[2J"
"\uFEFF" "\U0010FFFF"
"é" "٣" "²" "127.0.0.1" "127.0.0.1:٣" ":4300" "a:b:c" "[::1]:4300" "%s%n" "{}" "';--" "CON" "udp"
[] [[]] [[[[[[[[[[]]]]]]]]]] [1] [""] ["a"] [true] [nan] [{}] {} {a=1} {a={b={c={}}}}
["bundles/blobs",1] [["a"]]
"""
"Values that TOML allows, or nearly."
LONG = [f'"{"x" * 300}"', f'"{"x/" * 3000}"', "9" * 5000, "[" * 5000, '"""\n"""', "«»"]
VALUES = [*NASTY.split(), *LONG]


@pytest.mark.parametrize("number", KEYS, ids=lambda number: f"{number}-{LINES[number].split()[0]}")
def test_whatever_a_key_says_it_is_read_or_answered_with_a_sentence(write, number):
    path = write()
    path.write_text(EVERYTHING)
    assert len(read_config(path).nodes) == 2, "all of it can be"
    name = LINES[number].split()[0]
    refusals = []
    for value in VALUES:
        path.write_text("\n".join([*LINES[:number], f"{name} = {value}", *LINES[number + 1 :]]))
        try:
            read_config(path)
        except ConfigError as error:
            refusals.append(str(error))
    assert len(refusals) > len(VALUES) / 2
    assert max(map(len, refusals)) < 2000
    assert all(sentence.isprintable() for sentence in refusals)


def test_a_byte_order_mark_is_named_where_something_else_is_wrong(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(
        '[link]\nport = "x"\nprofile = "udp"\n[[node]]\nnode = 1\nkey = "k"\nbundle = "b"\n',
        "utf-8-sig",
    )
    with pytest.raises(ConfigError, match=r"k .*\(its byte order mark was skipped\)"):
        read_config(path)
