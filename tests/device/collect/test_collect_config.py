"""[collect] of node.toml, and what is said of what cannot be."""

import pytest

from device.collect.collect_config import CollectConfig, read_collect
from device.config import ConfigError, load_config


def test_without_the_section_no_picture_is_kept(home):
    assert load_config(home.config()).collect is None


def test_an_empty_section_keeps_pictures_as_is_usual(home):
    path = home.config()
    path.write_text(path.read_text() + "[collect]\n")
    assert load_config(path).collect == CollectConfig()
    assert CollectConfig().max_bytes == 100_000_000


def test_megabytes_are_counted_in_bytes():
    config = read_collect({"max_mb": 7, "size": 480, "interval_s": 0})
    assert (config.max_bytes, config.size, config.interval_s) == (7_000_000, 480, 0)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("size = 8", r"\[collect\] size is 8; it must be from 16 to 2160"),
        ("max_mb = 0", r"\[collect\] max_mb is 0"),
        (
            "megabytes = 5",
            r'key "megabytes" is unknown; the keys are max_mb, size, interval_s, gate',
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(home, lines, sentence):
    path = home.config()
    path.write_text(f"{path.read_text()}[collect]\n{lines}\n")
    with pytest.raises(ConfigError, match=sentence):
        load_config(path)


def test_a_member_of_a_team_keeps_none(home):
    team = '[team]\nport = "0.0.0.0:4310"\nmember = 0\nmembers = 2\nmulticast = "239.77.0.3:4310"\n'
    path = home.config()
    path.write_text(f"{path.read_text()}{team}[collect]\n")
    with pytest.raises(ConfigError, match=r"\[collect\] is for a node that is alone"):
        load_config(path)
