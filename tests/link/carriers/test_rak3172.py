"""What only a RAK3172 wants of its carrier, by firmware."""

import pytest

from link.carriers.carrier import (
    PortError,
)
from link.wire.control import Quality
from tests.link.carriers.test_carrier import OLD_RAK3172_UP, RAK3172_UP
from tests.worlds.virtual import Script


def test_a_rak3172_of_before_rui3_tells_a_packet_in_two_lines(world):
    script = Script(*OLD_RAK3172_UP)
    host = world("rak3172-sf7", line=script).open("a")
    script.waiting += b"+EVT:RXP2P, RSSI -41, SNR 12\r\n+EVT:48656C6C6F\r\n"
    script.waiting += b"+EVT:RXP2P, RSSI -999, SNR 12\r\n+EVT:00\r\n"
    heard = [received for _ in range(4) for received in host.receive(0.1)]
    assert [(one.packet, one.quality) for one in heard] == [(b"Hello", Quality(12, -41))]
    assert host.statistics.n_noise == 2


def test_a_rak3172_that_answers_in_another_way_is_refused_by_its_version(world):
    script = Script(b"", b"OK\r\n", b"LoRaWAN\r\nAT_ERROR\r\n", b"V0.9\r\n")
    with pytest.raises(
        PortError, match=r"answers 'LoRaWAN' to 'AT\+NWM=\?', its firmware is 'V0.9': update that"
    ):
        world("rak3172-sf7", line=script).open("a")


def test_firmware_that_counts_bandwidth_in_khz_is_told_so(world):
    refusal = [b"AT_PARAM_ERROR\r\n"]
    script = Script(*RAK3172_UP[:4], *refusal, b"OK\r\n", b"OK\r\n")
    world("rak3172-sf9", line=script).open("a", frequency_hz=869_525_000, power_dbm=22)
    assert b"AT+P2P=869525000:9:0:0:8:22\r\nAT+P2P=869525000:9:125:0:8:22\r\n" in script.written
