"""Answers a day, against airtimes that were worked out by hand from AN1200.13: 16 bytes, 125 kHz,
CR 4/5, explicit header, CRC, 8 symbols of preamble.
"""

import pytest

from tests.documents.answers import a_day

SYMBOLS = {7: (12.25 + 38, 1.024), 9: (12.25 + 28, 4.096), 12: (12.25 + 28, 32.768)}
"By spreading factor: of the whole frame, and how many ms each takes."
DAY_MS = 24 * 3600 * 1000


def airtime_ms(spreading_factor: int) -> float:
    n_symbols, symbol_ms = SYMBOLS[spreading_factor]
    return n_symbols * symbol_ms


@pytest.mark.parametrize("spreading_factor", [7, 9, 12])
def test_a_tenth_of_the_day_is_divided_by_the_airtime(spreading_factor):
    expected = 0.1 * DAY_MS / airtime_ms(spreading_factor)
    assert a_day("EU868, 869.4 to 869.65 MHz", spreading_factor) == pytest.approx(expected)
    tenth = a_day("EU868, 868.0 to 868.6 MHz", spreading_factor)
    assert tenth == pytest.approx(expected / 10)


def test_one_frequency_in_the_us_has_0_4_s_in_20_and_no_longer_frame():
    assert a_day("US915, one frequency", 7) == pytest.approx(0.4 / 20 * DAY_MS / airtime_ms(7))
    assert a_day("US915, one frequency", 12) == 0
