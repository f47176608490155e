"""Profiles: a name is enough to know the line."""

import pytest

from link.airtime import LoRaConfig, UartConfig
from link.pacing import Pacer
from link.profiles import PROFILES, get_profile


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


@pytest.mark.parametrize(("sf", "n_bytes"), [(7, 222), (8, 222), (9, 115), (10, 51), (11, 51), (12, 51)])
def test_eu868_profiles_carry_what_the_band_plan_allows_at_one_or_ten_percent(sf, n_bytes):
    for name, duty_cycle in [(f"lora-sf{sf}-eu868", 0.01), (f"lora-sf{sf}-eu868-10pct", 0.10)]:
        assert (get_profile(name).max_packet_bytes, get_profile(name).duty_cycle) == (n_bytes, duty_cycle)


def test_us915_profiles_keep_the_dwell_time():
    limits = {name: profile.max_packet_bytes for name, profile in PROFILES.items() if name.endswith("us915")}
    assert limits == {"lora-sf7-us915": 255, "lora-sf8-us915": 138, "lora-sf9-us915": 66, "lora-sf10-us915": 24}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_paced_and_knows_its_name(name):
    profile = get_profile(name)
    pacer = Pacer(profile.duty_cycle, profile.longest_airtime_s)
    assert pacer.start_s(profile.longest_airtime_s, now_s=0.0) == 0.0
    assert profile.name == name


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(ValueError, match=r'no link profile "lora-sf6"; there are: serial-1200, .*lora-sf7, '):
        get_profile("lora-sf6")
