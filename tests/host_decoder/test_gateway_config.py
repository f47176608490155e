"""One place where a host listens: what it is called, and what will keep it from hearing."""

from pathlib import Path

import pytest

from host_decoder.errors import HostError
from host_decoder.gateway_config import GatewayConfig, read_gateways

PATH = Path("host.toml")
CABLE = {"port": "/dev/ttyUSB0", "bitrate_bps": 9600}
RADIO = {"port": "/dev/ttyUSB1", "profile": "rn2483-sf9", "name": "roof", "region": "EU868"}


def read(*tables) -> tuple[GatewayConfig, ...]:
    return read_gateways(PATH, tables, {})


def test_a_cable_is_named_by_its_port():
    [cable] = read(CABLE)
    assert (cable.name, cable.where, cable.is_network) == (
        "/dev/ttyUSB0",
        "/dev/ttyUSB0 at 9600 bit/s",
        False,
    )
    assert cable.warning is None


def test_a_modem_without_a_frequency_is_warned_of_and_a_region_may_be_written_large():
    [radio] = read(RADIO)
    assert (radio.name, radio.region, radio.medium) == ("roof", "eu868", "rn2483-sf9")
    assert radio.warning is not None
    assert "gateway roof has no frequency_hz" in radio.warning
    [tuned] = read(RADIO | {"frequency_hz": 868_100_000})
    assert tuned.warning is None


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ([], r"host.toml has no \[\[link\]\]; add one"),
        ([CABLE, CABLE | {"name": "other"}], r"two \[\[link\]\] at /dev/ttyUSB0"),
        ([CABLE, RADIO | {"name": "/dev/ttyUSB0"}], "called /dev/ttyUSB0; give each another name"),
        ([RADIO | {"region": "mars"}], r"\[link\] region is 'mars'; it must be one of"),
        ([CABLE, RADIO | {"port": "COM3"}], r"\[\[link\]\] 2 port is 'COM3'"),
        ([CABLE | {"peers": ["a:1"]}], 'peers are of profile "udp"'),
    ],
)
def test_what_cannot_be_is_a_sentence_that_names_the_place(tables, sentence):
    with pytest.raises(HostError, match=sentence):
        read(*tables)


def test_devices_need_a_network():
    with pytest.raises(HostError, match="has nodes with a device, but no"):
        read_gateways(PATH, [CABLE], {"70b3d57ed005b89a": 7})
