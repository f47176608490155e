"""Profiles: a name is enough to know the line."""

import pytest

from link.carriers.carrier import CARRIERS
from link.medium.airtime import LoRaConfig, UartConfig
from link.medium.profiles import PROFILES, framed_bytes, get_profile


def test_a_lora_profile_is_a_radio_that_carries_whole_packets():
    profile = get_profile("lora-sf7")
    assert profile.medium == LoRaConfig(7)
    assert profile.is_radio
    assert (profile.max_packet_bytes, profile.duty_cycle) == (255, 1.0)


def test_a_serial_profile_is_a_cable_of_that_bitrate():
    profile = get_profile("serial-9600")
    assert profile.medium == UartConfig(9600)
    assert not profile.is_radio
    assert profile.bitrate_bps == 9600


@pytest.mark.parametrize(
    ("sf", "n_bytes"), [(7, 222), (8, 222), (9, 115), (10, 51), (11, 51), (12, 51)]
)
def test_eu868_profiles_carry_what_the_band_plan_allows_at_one_or_ten_percent(sf, n_bytes):
    for name, duty_cycle in [(f"lora-sf{sf}-eu868", 0.01), (f"lora-sf{sf}-eu868-10pct", 0.10)]:
        assert (get_profile(name).max_packet_bytes, get_profile(name).duty_cycle) == (
            n_bytes,
            duty_cycle,
        )


def test_us915_profiles_keep_the_dwell_time():
    limits = {
        name: profile.max_packet_bytes
        for name, profile in PROFILES.items()
        if name.endswith("us915")
    }
    assert limits == {
        "lora-sf7-us915": 255,
        "lora-sf8-us915": 138,
        "lora-sf9-us915": 66,
        "lora-sf10-us915": 24,
    }


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_knows_its_name_its_carrier_and_its_longest_airtime(name):
    profile = get_profile(name)
    assert profile.name == name
    assert profile.carrier in CARRIERS
    assert (
        0
        < profile.airtime_s(1)
        < profile.airtime_s(profile.max_packet_bytes)
        == profile.longest_airtime_s
    )
    assert 0.1 <= profile.turnaround_s < 1.0


def test_framing_counts_where_it_travels_and_only_there():
    assert get_profile("serial-9600").airtime_s(100) == pytest.approx(104 * 10 / 9600)
    assert get_profile("lora-sf7").airtime_s(100) == LoRaConfig(7).airtime_s(100)
    assert get_profile("rn2483-sf7").airtime_s(100) == LoRaConfig(7).airtime_s(100)
    assert get_profile("e22-300").airtime_s(100) == LoRaConfig(12).airtime_s(104 + 7)
    assert get_profile("e22-300").airtime_s(240) == LoRaConfig(12).airtime_s(247) + LoRaConfig(
        12
    ).airtime_s(4 + 7)
    assert [framed_bytes(n) - n for n in (0, 1, 252, 253, 255)] == [4, 4, 4, 5, 5]


def test_modems_have_the_serial_ports_that_they_start_with():
    ports = {
        name: get_profile(name).bitrate_bps
        for name in ("rn2483-sf7", "rak3172-sf12", "e22-2400", "lora-sf7")
    }
    assert ports == {
        "rn2483-sf7": 57_600,
        "rak3172-sf12": 115_200,
        "e22-2400": 9600,
        "lora-sf7": 115_200,
    }


def test_the_turnaround_of_a_modem_covers_its_serial_port():
    for name in ("rn2483-sf7", "rak3172-sf7", "e22-2400"):
        profile = get_profile(name)
        unload_s = UartConfig(profile.bitrate_bps).airtime_s(profile.max_packet_bytes)
        assert profile.turnaround_s > get_profile("lora-sf7").turnaround_s + unload_s


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(
        ValueError, match=r'no link profile "lora-sf6"; there are: serial-1200, .*lora-sf7, '
    ):
        get_profile("lora-sf6")
