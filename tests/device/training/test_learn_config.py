"""[learn] of node.toml, alone and beside a node's other sections."""

import pytest

from device.capture.schedule import Hours
from device.config import ConfigError, load_config
from device.training.learn_config import LearnConfigError, load_learn

REQUIRED = """
run = "run"
device = 3
key = "keys/learn.key"
shard = "shard"
state_dir = "learn"
socket = "learn.sock"
"""
OPTIONAL = """
hours = "22:00-06:00"
round_s = 600
max_celsius = 70
day_wh = 2
computer = "zero2w-trimmed"
"""


def test_what_it_leaves_out_has_no_limit(tmp_path):
    (tmp_path / "node.toml").write_text("[learn]" + REQUIRED)
    config = load_learn(tmp_path / "node.toml")
    assert (config.run, config.shard) == (tmp_path / "run", tmp_path / "shard")
    limits = config.limits
    found = limits.hours, limits.round_s, limits.max_celsius, limits.day_wh
    assert found == (None, None, None, None)


def test_what_it_says_holds(tmp_path):
    (tmp_path / "node.toml").write_text("[learn]" + REQUIRED + OPTIONAL)
    limits = load_learn(tmp_path / "node.toml").limits
    assert limits.hours == Hours.parse("22:00-06:00")
    assert (limits.round_s, limits.max_celsius, limits.day_wh) == (600, 70, 2)
    assert limits.extra_w == pytest.approx(0.625)


def test_a_nodes_own_settings_may_hold_it_and_are_checked(home):
    path = home.config()
    text = path.read_text()
    path.write_text(text + "\n[learn]" + REQUIRED)
    found = load_config(path).learn
    assert found is not None
    assert found == load_learn(path)
    path.write_text(text + "\n[learn]" + REQUIRED + "colour = 1\n")
    with pytest.raises(ConfigError, match=r'\[learn\] key "colour" is unknown'):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("node = 3", r"has no section \[learn\]; docs/learn.md shows one"),
        ("[learn]", r'\[learn\] key "run" is missing'),
        ("[learn]" + REQUIRED + 'hours = "noon"', r"\[learn\] hours: .* is no span of the day"),
        ("[learn]" + REQUIRED + "max_celsius = 5", "max_celsius is 5; it must be from 20 to 120"),
        ("[learn]" + REQUIRED + 'computer = "cray"', "must be one of zero2w, zero2w-trimmed"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, text, sentence):
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(LearnConfigError, match=sentence):
        load_learn(tmp_path / "node.toml")


FAR = """
[learn]
run = "run"
device = 3
key = "learn.key"
shard = "shard"
state_dir = "state"
node = 7
key_dir = "keys"
[learn.link]
port = "/dev/ttyUSB0"
profile = "lora-sf7"
region = "eu868"
frequency_hz = 869525000
"""


def test_a_link_takes_the_place_of_the_socket(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(FAR)
    far = load_learn(path).far
    assert far is not None
    assert (far.node, far.key_dir, far.link.region) == (7, tmp_path / "keys", "eu868")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("[learn.link]", 'socket = "learn.sock"\n[learn.link]', "either socket"),
        ("node = 7\n", "", "link needs node and key_dir"),
        ("region", "downlink = false\nregion", "that answers"),
        ('profile = "lora-sf7"', 'profile = "tin"', "tin"),
        (FAR[FAR.index("[learn.link]") :], "", "either socket"),
    ],
)
def test_a_link_that_cannot_be_is_refused(tmp_path, before, after, sentence):
    path = tmp_path / "node.toml"
    path.write_text(FAR.replace(before, after))
    with pytest.raises(LearnConfigError, match=sentence):
        load_learn(path)
