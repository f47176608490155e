"""Airtime against the vectors that others publish.

Sources: A = avbentem/airtime-calculator, T = TheThingsNetwork lorawan-stack, B = brocaar/lorawan, L
= RadioLib issues 570 and 1801. All with preamble 8, explicit header and CRC unless the row says
otherwise.
"""

from fractions import Fraction

import pytest

from link.medium.airtime import FskConfig, LoRaConfig, UartConfig

PUBLISHED_MS = [
    # payload bytes, SF, bandwidth kHz, code rate 4/n, milliseconds, source
    (10, 7, 125, 5, 41.216, "T"),
    (13, 7, 125, 5, 46.336, "T"),
    (14, 7, 125, 5, 46.336, "A"),
    (15, 7, 125, 5, 46.336, "T"),
    (16, 7, 125, 5, 51.456, "A"),
    (17, 7, 125, 5, 51.456, "T"),
    (18, 7, 125, 5, 51.456, "T"),
    (19, 7, 125, 5, 51.456, "T"),
    (25, 7, 125, 5, 61.696, "A"),
    (14, 7, 125, 8, 61.696, "A"),
    (25, 7, 125, 8, 86.272, "A"),
    (14, 8, 125, 5, 82.432, "A"),
    (25, 8, 125, 5, 113.152, "A"),
    (10, 8, 125, 5, 72.192, "T"),
    (10, 9, 125, 5, 144.384, "T"),
    (10, 10, 125, 5, 288.768, "T"),
    (10, 11, 125, 5, 577.536, "T"),
    (10, 12, 125, 5, 991.232, "T"),
    (14, 11, 125, 5, 659.456, "A"),
    (15, 11, 125, 5, 659.456, "A"),
    (16, 11, 125, 5, 659.456, "A"),
    (25, 11, 125, 5, 823.296, "A"),
    (10, 7, 125, 6, 45.312, "T"),
    (10, 7, 125, 7, 49.408, "T"),
    (10, 7, 125, 8, 53.504, "T"),
    (10, 7, 250, 5, 20.608, "T"),
    (10, 7, 500, 5, 10.304, "T"),
    (127, 7, 125, 7, 285.952, "L"),
    (24, 12, 125, 7, 1810.432, "L"),
]


def exact_ms(milliseconds: float) -> Fraction:
    return Fraction(str(milliseconds)) / 1000


@pytest.mark.parametrize(
    ("payload", "sf", "khz", "denominator", "milliseconds", "source"), PUBLISHED_MS
)
def test_airtime_is_the_published_one_to_the_microsecond(
    payload, sf, khz, denominator, milliseconds, source
):
    assert LoRaConfig(sf, 1000 * khz, denominator).exact_airtime_s(payload) == exact_ms(
        milliseconds
    )


def test_low_data_rate_can_be_forced_as_some_modems_do():
    assert LoRaConfig(12, low_data_rate=False).exact_airtime_s(13) == exact_ms(1155.072)  # B
    # L
    assert LoRaConfig(12, coding_rate_denominator=7, low_data_rate=False).exact_airtime_s(
        24
    ) == exact_ms(1581.056)


def test_symbol_counts_are_the_published_ones():  # B
    assert LoRaConfig(12, low_data_rate=False).symbol_count(13) == 23
    assert LoRaConfig(12, coding_rate_denominator=6, low_data_rate=False).symbol_count(13) == 26
    assert LoRaConfig(12, low_data_rate=False, has_explicit_header=False).symbol_count(13) == 18
    assert LoRaConfig(12, low_data_rate=True).symbol_count(50) == 58


@pytest.mark.parametrize(
    ("bandwidth_hz", "lowest_sf"),
    [
        *((7_800, 7), (10_400, 8), (15_600, 8), (20_800, 9), (31_250, 9)),
        *((41_700, 10), (62_500, 10), (125_000, 11), (250_000, 12), (500_000, 13)),
    ],
)
def test_the_low_data_rate_rule_holds_over_all_spreading_factors_and_bandwidths(
    bandwidth_hz, lowest_sf
):
    dropping = [sf for sf in range(7, 13) if LoRaConfig(sf, bandwidth_hz).drops_low_bits]
    assert dropping == list(range(lowest_sf, 13))


@pytest.mark.parametrize(
    ("sf", "payload", "milliseconds"),
    [(7, 255, 399.6), (8, 138, 399.9), (9, 66, 390.1), (10, 24, 370.7)],
)
def test_the_us915_limits_follow_from_a_dwell_time_of_400_ms(sf, payload, milliseconds):
    radio = LoRaConfig(sf)
    assert radio.largest_payload_bytes(0.4) == payload
    assert 1000 * radio.airtime_s(payload) == pytest.approx(milliseconds, abs=0.05)
    assert payload == 255 or radio.airtime_s(payload + 1) > 0.4


def test_no_payload_at_all_fits_a_dwell_time_shorter_than_the_preamble():
    assert LoRaConfig(12).largest_payload_bytes(0.4) == 0


def test_a_longer_payload_is_never_sooner_over():
    for sf in range(7, 13):
        airtimes = [LoRaConfig(sf).exact_airtime_s(n) for n in range(256)]
        assert airtimes == sorted(airtimes)


@pytest.mark.parametrize("sf", [5, 6])
def test_sf5_and_sf6_are_refused_because_only_one_chip_family_speaks_them(sf):
    with pytest.raises(ValueError, match=f"SF{sf} has another preamble.*SX126x.*use SF7 to SF12"):
        LoRaConfig(sf)


@pytest.mark.parametrize(
    "settings", [{"spreading_factor": 13}, {"coding_rate_denominator": 4}, {"bandwidth_hz": 0}]
)
def test_settings_no_modem_has_are_refused(settings):
    with pytest.raises(ValueError, match="LoRa has"):
        LoRaConfig(**settings)


@pytest.mark.parametrize("payload", [-1, 256])
def test_a_frame_no_radio_can_carry_has_no_airtime(payload):
    with pytest.raises(ValueError, match=f"0 to 255 bytes, not {payload}"):
        LoRaConfig().airtime_s(payload)


def test_fsk_airtime_is_the_published_one():  # T
    assert FskConfig(bitrate_bps=50_000).airtime_s(200) == pytest.approx(0.033760, abs=1e-12)


def test_a_uart_needs_ten_bits_for_a_byte():
    assert UartConfig(9600).airtime_s(960) == 1.0
    assert UartConfig(115_200).airtime_s(1) == pytest.approx(86.8e-6, rel=1e-3)
    with pytest.raises(ValueError, match="bitrate is 0"):
        UartConfig(0)
