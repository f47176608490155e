"""Whether a host hears a node, and how it is told to."""

import pytest

from device.flash.registry import check_link
from device.flash.tools import FlashError
from tests.device.flash.conftest import RN2483, link


@pytest.mark.parametrize(
    ("node", "host_link", "reason"),
    [
        (
            RN2483,
            'profile = "rn2483-sf9"',
            r"its frequency_hz is 868100000, which is where a modem is that is not told",
        ),
        (
            RN2483,
            RN2483.replace("869525000", "868300000"),
            "its frequency_hz is 868300000, the node's 869525000",
        ),
        (RN2483, RN2483.replace("sf9", "sf7"), "its profile is rn2483-sf7, the node's rn2483-sf9"),
        (
            RN2483,
            RN2483.replace("rn2483-sf9", "lora-sf9"),
            "its profile is lora-sf9, the node's rn2483-sf9",
        ),
        (RN2483, RN2483.replace("eu868", "us915"), "its region is us915, the node's eu868"),
        (RN2483, "", "its profile is none, the node's rn2483-sf9"),
        (
            'profile = "serial-9600"',
            'profile = "serial-57600"',
            "it is at 57600 bit/s, the node 9600",
        ),
        ('profile = "serial-57600"', "", "it is at 9600 bit/s, the node 57600"),
        ('profile = "serial-9600"', 'profile = "nothing"', 'no link profile "nothing"'),
        ('profile = "serial-9600"', "profile = 3", "a .link. that cannot be used"),
        (
            'profile = "serial-9600"',
            'kind = "chirpstack"',
            "it is a LoRaWAN network, and node.toml has no",
        ),
    ],
)
def test_a_host_that_could_not_hear_the_node_is_refused_with_both_values(
    tmp_path, node, host_link, reason
):
    (tmp_path / "host.toml").write_text(f'[link]\nport = "/dev/ttyUSB1"\n{host_link}\n')
    with pytest.raises(FlashError, match=reason):
        check_link(tmp_path / "host.toml", link(tmp_path, node))


@pytest.mark.parametrize(
    ("node", "host_link"),
    [
        (RN2483, RN2483),
        (RN2483, RN2483.replace("rn2483", "rak3172")),
        (RN2483, RN2483.replace("eu868", "EU868")),
        (
            'profile = "lora-sf9"\nregion = "wire"\n',
            'profile = "lora-sf9-eu868"\nregion = "wire"\n',
        ),
        ('profile = "serial-9600"', ""),
        ('profile = "serial-9600"\nbitrate_bps = 57600', "bitrate_bps = 57600"),
        ('profile = "lora-sf9"\ndownlink = false\nregion = "wire"\n', ""),
    ],
)
def test_one_that_hears_it_is_taken(tmp_path, node, host_link):
    (tmp_path / "host.toml").write_text(f'[link]\nport = "/dev/ttyUSB1"\n{host_link}\n')
    assert check_link(tmp_path / "host.toml", link(tmp_path, node)) == []


def test_one_of_several_gateways_is_enough(tmp_path):
    host = tmp_path / "host.toml"
    host.write_text(f'[[link]]\nport = "a"\nprofile = "rn2483-sf7"\n[[link]]\nport = "b"\n{RN2483}')
    assert check_link(host, link(tmp_path, RN2483)) == []
    host.write_text(
        '[[link]]\nport = "a"\nprofile = "rn2483-sf7"\n[[link]]\nport = "b"\nprofile = '
        '"rn2483-sf8"\n'
    )
    with pytest.raises(
        FlashError, match=r"none of its 2 \[\[link\]\] hears this node: its profile is rn2483-sf7"
    ):
        check_link(host, link(tmp_path, RN2483))
    host.write_text('store = "x"\n')
    with pytest.raises(FlashError, match=r"has no \[link\]"):
        check_link(host, link(tmp_path, RN2483))


@pytest.mark.parametrize(
    ("host_link", "remedy"),
    [
        (RN2483.replace('region = "eu868"\n', ""), 'region = "eu868"'),
        (RN2483 + "downlink = false\n", "downlink = true"),
    ],
)
def test_a_host_that_hears_and_cannot_answer_is_pointed_out(tmp_path, host_link, remedy):
    (tmp_path / "host.toml").write_text(f'[link]\nport = "/dev/ttyUSB1"\n{host_link}')
    [notice] = check_link(tmp_path / "host.toml", link(tmp_path, RN2483))
    assert (
        f"cannot answer it, so its images are sent again and again: write there {remedy}" in notice
    )
