import tomllib

import pytest

from device.flash.settings import read_settings
from device.flash.tools import FlashError
from tests.device.flash.conftest import BUNDLE


def test_paths_become_the_nodes_and_the_rest_stays(node_toml):
    settings = read_settings(node_toml, node=9)
    table = tomllib.loads(settings.text)
    assert (table["node"], table["bundle"], table["key_dir"]) == (
        9,
        "/opt/latentlink/bundle",
        "/var/lib/latentlink/keys",
    )
    assert table["source"] == {"kind": "v4l2", "interval_s": 10}
    assert settings.bundle == BUNDLE


def test_a_replayed_file_goes_along(node_toml, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"a")
    node_toml.write_text(
        node_toml.read_text().replace('kind = "v4l2"', 'kind = "folder"\npath = "images"')
    )
    settings = read_settings(node_toml)
    assert tomllib.loads(settings.text)["source"]["path"] == "/opt/latentlink/source/images"
    assert settings.source_files == {"images/a.png": b"a"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("/dev/ttyAMA0", "/dev/serial0", "another connector on a Pi 5; write /dev/ttyAMA0"),
        ("serial-9600", "serial-1", 'no link profile "serial-1"'),
        ('kind = "v4l2"', 'kind = "replay"\npath = "nowhere.npz"', r"nowhere\.npz does not exist"),
        ('kind = "v4l2"', 'kind = "folder"\npath = "empty"', "is an empty folder"),
        (
            'kind = "v4l2"',
            'kind = "folder"\npath = "named"',
            r"named/what\?\.png, a name that .* cannot hold",
        ),
        ('kind = "v4l2"', 'kind = "folder"\npath = "alike"', r"alike/A\.png, a name that"),
        ("/dev/ttyAMA0", "COM3", "port is 'COM3'; .* takes the whole path of a serial port"),
        (
            "/dev/ttyAMA0",
            "/dev/serial/by-path/platform-fe201000.serial",
            "not the UART that flashing frees",
        ),
        ('"serial-9600"', '"rn2483-sf9"', "this node would never speak: no region is set"),
        (
            '"serial-9600"',
            '"rn2483-sf9"\nregion = "eu868"',
            "region eu868 is set, but no frequency_hz",
        ),
        (
            '"serial-9600"',
            '"rn2483-sf9"\nregion = "eu868"\nfrequency_hz = 869300000',
            "lies in no sub-band of eu868",
        ),
        ('"serial-9600"', '"serial-9600"\nregion = "eu868"', "is no radio"),
        (str(BUNDLE), "nowhere", r"bundle .*nowhere"),
        ("node = 1", "node = 300", "node"),
    ],
)
def test_settings_that_cannot_work_are_refused(node_toml, tmp_path, old, new, reason):
    (tmp_path / "empty").mkdir()
    for name in ("named/what?.png", "alike/A.png", "alike/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    node_toml.write_text(node_toml.read_text().replace(old, new))
    with pytest.raises(FlashError, match=reason):
        read_settings(node_toml)


@pytest.mark.parametrize("number", [0, 255])
def test_a_number_that_no_node_has_is_refused(node_toml, number):
    with pytest.raises(FlashError, match=f"node is {number}, a node has a number from 1 to 254"):
        read_settings(node_toml, node=number)


def test_a_modem_whose_bandwidth_is_only_guessed_is_a_note(node_toml):
    radio = '"e22-2400"\nregion = "eu868"\nfrequency_hz = 869525000'
    node_toml.write_text(node_toml.read_text().replace('"serial-9600"', radio))
    [notice] = read_settings(node_toml, node=77).notices
    assert (
        "this node will stay silent, as far as its modem's bandwidth is known: 869.525 MHz with "
        "500 kHz"
    ) in notice


def test_a_radio_with_the_number_of_every_example_is_a_note(node_toml):
    assert read_settings(node_toml).notices == ()
    node_toml.write_text(
        node_toml.read_text().replace('"serial-9600"', '"lora-sf9"\nregion = "wire"')
    )
    assert "has number 1 too disturbs this node" in read_settings(node_toml).notices[0]
    assert read_settings(node_toml, node=77).notices == ()


def test_a_byte_order_mark_and_windows_line_ends_do_not_reach_the_node(node_toml):
    node_toml.write_bytes(b"\xef\xbb\xbf" + node_toml.read_bytes().replace(b"\n", b"\r\n"))
    assert tomllib.loads(read_settings(node_toml).text)["source"]["kind"] == "v4l2"


def test_that_a_node_keeps_pictures_is_said_when_its_card_is_made(node_toml):
    node_toml.write_text(node_toml.read_text() + "[collect]\nmax_mb = 20\n")
    settings = read_settings(node_toml)
    assert "[collect]\nmax_mb = 20" in settings.text
    [sentence] = settings.notices
    assert sentence.startswith("this node keeps pictures of what it sees on its card")
