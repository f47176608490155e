"""node.toml: what it may say, and the sentence for everything else."""

import pytest

from device.capture.source_config import SourceConfig
from device.config import ConfigError, load_config
from link.medium.profiles import get_profile
from link.wire.erasure import ParityPlan


def test_what_the_file_leaves_out_is_the_profiles(home):
    config = load_config(home.config(port="/dev/ttyUSB0", profile="lora-sf9-eu868"))
    assert config.node == 3
    assert config.bundle == home.folder / "bundle"
    assert config.key_dir == config.state_dir == home.folder / "keys"
    assert config.link.has_downlink
    assert config.link.region is None
    assert config.source == SourceConfig("replay", home.folder / "replay.npz")
    assert config.link.profile == get_profile("lora-sf9-eu868")
    assert (config.link.bitrate_bps, config.link.max_packet_bytes) == (115_200, 115)


def test_what_the_file_says_holds(home):
    link = """
        bitrate_bps = 57600
        max_packet_bytes = 51
        region = "wire"
        downlink = false
        parity = "8+2"
        first_chunk_bytes = 4
        chunk_bytes = 2
    """
    config = load_config(
        home.config(
            node='state_dir = "state"', source="limit = 5\nloop = true\ninterval_s = 2", link=link
        )
    )
    assert config.state_dir == home.folder / "state"
    assert (config.link.region, config.link.has_downlink, config.link.parity) == (
        "wire",
        False,
        ParityPlan(8, 2),
    )
    assert (config.link.first_chunk_bytes, config.link.chunk_bytes) == (4, 2)
    assert (config.source.limit, config.source.loop, config.source.interval_s) == (5, True, 2)
    assert (config.link.bitrate_bps, config.link.max_packet_bytes) == (57_600, 51)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "key_dir",
            "keydir",
            'key "keydir" is unknown; the keys are node, bundle, key_dir, state_dir',
        ),
        ('bundle = "bundle"', "", 'key "bundle" is missing'),
        ("node = 3", "node = 0", "node is 0; it must be from 1 to 254"),
        ("node = 3", 'node = "three"', """node is 'three', it must be a whole number"""),
        ("node = 3", "node = true", "node is True, it must be a whole number"),
        (
            '"replay"',
            '"webcam"',
            r'\[source\] kind is "webcam"; it must be one of replay, folder, v4l2, picamera2',
        ),
        ('path = "replay.npz"', "", r'\[source\] of kind "replay" needs a path'),
        (
            'path = "replay.npz"',
            'path = "x"\nlimt = 3',
            r'\[source\] key "limt" is unknown; the keys are kind, path',
        ),
        (
            'path = "replay.npz"',
            'path = "x"\nlimit = 0',
            r"\[source\] limit is 0; it must be 1 or more",
        ),
        (
            'path = "replay.npz"',
            'path = "x"\nloop = 1',
            r"\[source\] loop is 1, it must be true or false",
        ),
        (
            "serial-115200",
            "lora-sf5",
            'there is no link profile "lora-sf5"; there are: serial-1200',
        ),
        (
            "[link]",
            "[link]\nmax_packet_bytes = 300",
            r"\[link\] max_packet_bytes is 300; it must be from 29 to 252",
        ),
        (
            "[link]",
            '[link]\nparity = "8+2"',
            r"\[link\] parity is for downlink = false: with a downlink what is lost is",
        ),
        (
            "[link]",
            '[link]\ndownlink = false\nparity = "much"',
            r'\[link\] parity is "much" \(.*write for example "8\+2"',
        ),
        (
            "[link]",
            "[link]\ndownlink = false\nwants_time = true",
            r"\[link\] wants_time and wants_slot need downlink = true",
        ),
        ("[link]", "[link]\nchunk_bytes = 0", r"\[link\] chunk_bytes is 0; it must be 1 or more"),
        (
            "node = 3",
            "node = 3\nmax_queue_mb = 0",
            "max_queue_mb is 0; it must be from 1 to 100000",
        ),
        ("[link]", "[uplink]", 'key "uplink" is unknown'),
        ("[link]", "[link", "node.toml is not valid TOML: .*line 9"),
    ],
)
def test_what_cannot_be_is_answered_with_what_could(home, old, new, sentence):
    with pytest.raises(ConfigError, match=sentence) as refusal:
        load_config(home.replace(old, new))
    assert str(home.folder / "node.toml") in str(refusal.value)


def test_the_old_name_of_a_key_is_read_with_a_sentence(home):
    path = home.replace("[link]", "[link]\nfeedback = false")
    config = load_config(path)
    assert not config.link.has_downlink
    assert config.notices == (
        f"[link] of {path}: feedback is now called downlink; write downlink = false, and so "
        "wherever feedback stands: only this version still reads it",
    )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no .*node.toml; write one"):
        load_config(tmp_path / "node.toml")
