"""[link] of node.toml: what it leaves out is the profile's; what cannot be is said by its key."""

import pytest

from device.link_config import LoRaWanConfig, read_link
from link.wire.erasure import ParityPlan

RADIO = {"port": "/dev/ttyUSB0", "profile": "rn2483-sf9"}
NETWORK = {"port": "/dev/ttyUSB0", "profile": "lora-sf9-eu868"}


def test_what_is_left_out_is_the_profile_s(tmp_path):
    link = read_link(RADIO, tmp_path)
    assert (link.bitrate_bps, link.max_packet_bytes) == (57_600, 255)
    assert link.region is None
    assert link.has_downlink


def test_parity_is_two_numbers(tmp_path):
    link = read_link({**RADIO, "downlink": False, "parity": "8+2"}, tmp_path)
    assert link.parity == ParityPlan(8, 2)


def test_the_key_of_a_network_is_read_from_its_file(tmp_path):
    (tmp_path / "app.key").write_text("00" * 16 + "\n")
    link = read_link({**NETWORK, "lorawan": {"app_key": "app.key"}}, tmp_path)
    assert link.lorawan == LoRaWanConfig("00" * 16)
    assert "00" * 16 not in repr(link), "no log shows it"


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({**RADIO, "parity": "8+2"}, "parity is for downlink = false"),
        ({**RADIO, "downlink": False, "wants_time": True}, "need downlink = true"),
        ({**RADIO, "downlink": False, "parity": "8-2"}, 'write for example "8\\+2"'),
        ({**RADIO, "port": "ttyUSB0"}, "takes the whole path of a serial port"),
        ({**RADIO, "peers": ["host:1"]}, 'peers are of profile "udp"'),
        ({**RADIO, "region": "eu869"}, "region is .*it must be one of eu868, us915, wire"),
        ({**RADIO, "region": "eu868"}, "no frequency_hz"),
        ({**RADIO, "max_packet_bytes": 256}, "max_packet_bytes is 256; it must be from"),
        ({**NETWORK, "lorawan": {"app_key": "nowhere.key"}}, r"\[link.lorawan\] app_key: "),
    ],
)
def test_what_cannot_be_is_said_by_its_key(tmp_path, table, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_link(table, tmp_path)
