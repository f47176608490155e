"""Whose rules a sender keeps, and that a radio which was told none stays silent."""

import math
from dataclasses import replace

import pytest

from link.medium.airtime import LoRaConfig
from link.medium.profiles import PROFILES, get_profile
from link.medium.regions import EU868, governor_for, never_speaks, rules_for

LORA = get_profile("lora-sf7")
SERIAL = get_profile("serial-9600")


def hourly_share(region, frequency_hz, profile=LORA):
    governor = governor_for(region, frequency_hz, profile)
    assert governor.silent_because is None, governor.silent_because
    return governor.share


@pytest.mark.parametrize(
    ("frequency_hz", "share"),
    [
        (864_000_000, 0.001),
        (866_500_000, 0.01),
        (868_100_000, 0.01),
        (868_300_000, 0.01),
        (868_500_000, 0.01),
        (868_900_000, 0.001),
        (869_525_000, 0.10),
        (869_850_000, 0.01),
    ],
)
def test_eu868_gives_each_sub_band_its_duty_cycle(frequency_hz, share):
    """EN 300 220-2 V3.2.1 as link.md lists it."""
    assert hourly_share("eu868", frequency_hz) == pytest.approx(share)


def test_the_sub_bands_are_those_of_the_standard():
    table = {(band.lowest_hz / 1e6, band.highest_hz / 1e6): band.duty_cycle for band in EU868}
    assert table == {
        (863.0, 865.0): 0.001,
        (865.0, 868.0): 0.01,
        (868.0, 868.6): 0.01,
        (868.7, 869.2): 0.001,
        (869.4, 869.65): 0.10,
        (869.7, 870.0): 0.01,
    }


@pytest.mark.parametrize(
    "frequency_hz",
    [433_000_000, 862_900_000, 868_000_000, 868_650_000, 869_300_000, 869_450_000, 869_990_000],
)
def test_a_frame_that_does_not_lie_within_a_sub_band_is_not_sent(frequency_hz):
    governor = governor_for("eu868", frequency_hz, LORA)
    assert governor.start_s(0.05, 0.0) == math.inf
    assert (
        "with 125 kHz lies in no sub-band of eu868; set frequency_hz within 863-865 MHz (0.1 %)"
        in str(governor.reason(0.05))
    )


def test_a_wide_signal_needs_a_wide_sub_band():
    wide = replace(LORA, medium=LoRaConfig(7, bandwidth_hz=250_000))
    assert hourly_share("eu868", 869_525_000, wide) == pytest.approx(0.10)
    assert governor_for("eu868", 869_500_000, wide).silent_because
    wider = replace(LORA, medium=LoRaConfig(7, bandwidth_hz=500_000))
    assert governor_for("eu868", 869_525_000, wider).silent_because
    assert hourly_share("eu868", 868_300_000, get_profile("fsk-50k-eu868")) == pytest.approx(0.01)


def test_a_profile_may_ask_for_less_than_the_region_allows_but_not_for_more():
    assert hourly_share("eu868", 869_525_000, replace(LORA, duty_cycle=0.05)) == pytest.approx(0.05)
    assert hourly_share("eu868", 868_100_000, replace(LORA, duty_cycle=0.05)) == pytest.approx(0.01)


def test_us915_holds_each_transmission_to_its_dwell_and_one_frequency_to_one_in_20_s():
    governor = governor_for("us915", 915_000_000, LORA)
    radio = LoRaConfig(7)
    assert governor.reason(radio.airtime_s(radio.largest_payload_bytes(0.4))) is None
    assert "longer than the 0.4 s" in str(
        governor_for("us915", 915_000_000, get_profile("lora-sf9")).reason(0.41)
    )
    governor.occupy(0.4, start_s=0.0)
    assert 20.0 <= governor.start_s(0.4, now_s=0.4) <= 22.9


@pytest.mark.parametrize("name", [name for name in PROFILES if name.endswith("-us915")])
def test_every_us915_profile_may_send_its_longest_packet(name):
    profile = get_profile(name)
    assert governor_for("us915", 915_000_000, profile).reason(profile.longest_airtime_s) is None


@pytest.mark.parametrize("name", [name for name in PROFILES if "-eu868" in name])
def test_every_eu868_profile_may_send_its_longest_packet(name):
    profile = get_profile(name)
    frequency_hz = 869_525_000 if "10pct" in name else 868_300_000
    assert governor_for("eu868", frequency_hz, profile).reason(profile.longest_airtime_s) is None
    assert governor_for("wire", None, profile).reason(profile.longest_airtime_s) is None


def test_us915_knows_no_dwell_for_wide_signals_and_no_other_band():
    wide = replace(LORA, medium=LoRaConfig(12, bandwidth_hz=500_000))
    governor = governor_for("us915", 915_000_000, wide)
    assert (governor.is_limited, governor.reason(2.0)) == (False, None)
    for frequency_hz in (868_100_000, 902_000_000, 928_000_000):
        assert "is outside us915; set frequency_hz from 902 to 928 MHz" in str(
            governor_for("us915", frequency_hz, LORA).silent_because
        )


def test_a_radio_without_a_region_is_silent_and_says_why():
    governor = governor_for(None, 868_100_000, LORA)
    assert governor.start_s(0.01, 0.0) == math.inf
    assert governor.silent_because == (
        "no region is set, so the radio stays silent: set region to the rules of the place where "
        "it is, one of eu868, us915, wire"
    )


@pytest.mark.parametrize("region", ["eu868", "us915"])
def test_a_region_without_a_frequency_is_silent_and_says_why(region):
    assert governor_for(region, None, LORA).silent_because == (
        f"region {region} is set, but no frequency_hz: set the one the modem sends on"
    )


def test_a_cable_has_no_rules():
    for region in (None, "wire"):
        governor = governor_for(region, None, SERIAL)
        assert (governor.is_limited, governor.silent_because) == (False, None)
    assert 'serial-9600 is no radio: set region = "wire"' in str(
        governor_for("eu868", 1, SERIAL).silent_because
    )


def test_on_a_wire_a_radio_profile_keeps_its_own_duty_cycle():
    assert governor_for("wire", None, LORA).is_limited is False
    assert hourly_share("wire", None, get_profile("lora-sf10-eu868")) == pytest.approx(0.01)


def test_a_region_that_does_not_exist_is_refused():
    with pytest.raises(
        ValueError, match='there is no region "eu433"; there are: eu868, us915, wire'
    ):
        governor_for("eu433", 433_000_000, LORA)


def test_an_hour_s_airtime_does_not_go_at_once():
    governor = governor_for("eu868", 868_100_000, LORA)
    assert governor.budget_s(0.0) == pytest.approx(9.0)
    short, hour = rules_for("eu868", 868_100_000, LORA).limits
    assert (short.window_s, short.airtime_s, hour.window_s, hour.airtime_s) == (
        300.0,
        9.0,
        3600.0,
        36.0,
    )


def test_two_of_the_longest_frames_always_may(tmp_path):
    """0.1 % is 3.6 s in an hour; a quarter of that would not carry two frames of 1.25 s."""
    slow = get_profile("lora-sf9")
    short, hour = rules_for("eu868", 868_900_000, slow).limits
    assert short.airtime_s == pytest.approx(2 * slow.longest_airtime_s)
    assert hour.airtime_s == pytest.approx(3.6)


def test_the_ledger_outlives_the_process_and_the_boot(tmp_path):
    path = tmp_path / "airtime.json"
    governor = governor_for("eu868", 868_100_000, LORA, path, now_s=100.0, boot="a")
    governor.occupy(0.4, 100.0)
    again = governor_for("eu868", 868_100_000, LORA, path, now_s=200.0, boot="a")
    assert again.ledger.used_s(-math.inf) >= 0.4
    rebooted = governor_for("eu868", 868_100_000, LORA, path, now_s=20.0, boot="b")
    assert rebooted.ledger.used_s(since_s=19.0) >= 0.4
    path.write_text("damaged")
    damaged = governor_for("eu868", 868_100_000, LORA, path, now_s=20.0, boot="b")
    assert damaged.budget_s(20.0) == 0.0
    assert damaged.start_s(0.1, 20.0) > 3600


def test_without_other_clocks_it_is_the_machine_s(tmp_path):
    path = tmp_path / "airtime.json"
    governor_for("eu868", 868_100_000, LORA, path).occupy(0.4, 100.0)
    assert governor_for("eu868", 868_100_000, LORA, path).ledger.used_s(-math.inf) >= 0.4
    assert not governor_for("wire", None, SERIAL, tmp_path / "none").is_limited
    assert not (tmp_path / "none").exists()


def test_of_a_modem_whose_bandwidth_is_an_estimate_only_the_frequency_is_certain():
    e22, rn2483 = get_profile("e22-2400"), get_profile("rn2483-sf9")
    assert rules_for("eu868", 869_525_000, e22).silent_because
    assert never_speaks("eu868", 869_525_000, e22) is None
    for profile in (e22, rn2483):
        assert "lies in no sub-band" in str(never_speaks("eu868", 869_300_000, profile))
        assert "no region is set" in str(never_speaks(None, 869_525_000, profile))
    assert never_speaks("eu868", 869_525_000, rn2483) is None
