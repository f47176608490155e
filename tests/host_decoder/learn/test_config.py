"""gateway.toml: what it says is read, and what it may not say is refused in a sentence."""

import pytest

from host_decoder.errors import ConfigError
from host_decoder.learn.config import load
from link.security import provision
from link.update import RunSettings

SETTINGS = RunSettings(network="00" * 8)
GOOD = """
run = "run"
sockets = "sockets"
state_dir = "gateway"
[link]
port = "/dev/ttyUSB0"
profile = "lora-sf7"
region = "eu868"
frequency_hz = 869525000
[[device]]
device = 3
node = 7
key = "keys/node.key"
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text(SETTINGS.to_json())
    provision(tmp_path / "keys", 7)
    return tmp_path / "gateway.toml"


def test_it_is_read_with_paths_beside_it(path):
    path.write_text(GOOD)
    config = load(path)
    assert config.run == SETTINGS
    assert config.sockets == path.parent / "sockets"
    assert [(device.number, device.node) for device in config.devices] == [(3, 7)]
    assert config.links[0].region == "eu868"


def test_it_may_have_several_lines(path):
    roof = '[[link]]\nport = "/dev/ttyUSB1"\nprofile = "lora-sf9"\nregion = "wire"\n'
    path.write_text(GOOD.replace("[link]", "[[link]]").replace("[[device]]", f"{roof}[[device]]"))
    assert [link.region for link in load(path).links] == ["eu868", "wire"]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('state_dir = "gateway"', "", "state_dir"),
        ("node = 7", "node = 700", r"\[\[device\]\] node"),
        ('run = "run"', 'run = "away"', "copy the folder from the run's host"),
        ("frequency_hz", "downlink = false\nfrequency_hz", "no \\[link\\] has a downlink"),
        ('profile = "lora-sf7"', 'profile = "tin can"', "tin can"),
        ("[[device]]", GOOD[GOOD.index("[[device]]") :] + "[[device]]", "two .* of device 3"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(path, before, after, sentence):
    path.write_text(GOOD.replace(before, after))
    with pytest.raises(ConfigError, match=sentence):
        load(path)


def test_a_key_that_is_none_is_named(path):
    path.write_text(GOOD)
    (path.parent / "keys" / "node.key").write_text("no key")
    with pytest.raises(ConfigError, match=r"node\.key"):
        load(path)
