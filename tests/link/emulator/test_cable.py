"""The emulated cable, with a clock that the test moves."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.emulator.cable import BUFFER_BYTES, Cable
from link.emulator.channel import IidLoss, Impairments
from link.medium.profiles import get_profile

ALL_BYTES = bytes(range(256))


def line(name, seed=0, **impairments):
    return Cable(get_profile(name), Impairments(**impairments), seed)


def test_a_cable_delivers_every_byte_when_its_ten_bits_are_over():
    cable = line("serial-9600")
    cable.push("a", b"latent", now_s=0.0)
    assert cable.pop("b", now_s=0.00104) == b""
    assert cable.next_due_s() == pytest.approx(10 / 9600)
    assert cable.pop("b", now_s=0.00105) == b"l"
    assert cable.pop("b", now_s=1.0) == b"atent"
    assert cable.next_due_s() is None


def test_a_cable_holds_its_rate_however_fast_bytes_are_pushed():
    cable, received = line("serial-9600"), b""
    for step in range(100):
        cable.push("a", bytes(100), now_s=0.01 * step)
        received += cable.pop("b", now_s=0.01 * step)
    assert len(received) == 950  # the last was at 0.99 s
    assert cable.statistics(1.0)["bytes_in"] == 10_000


def test_a_cable_carries_both_directions_at_once():
    cable = line("serial-9600")
    cable.push("a", bytes(480), now_s=0.0)
    cable.push("b", bytes(480), now_s=0.0)
    assert [len(cable.pop(end, now_s=0.51)) for end in "ab"] == [480, 480]


def test_a_cable_passes_every_byte_value_untouched():
    cable = line("serial-115200")
    cable.push("b", ALL_BYTES, now_s=0.0)
    assert cable.pop("a", now_s=1.0) == ALL_BYTES


def test_bit_errors_on_a_cable_damage_bytes_and_are_counted():
    cable = line("serial-115200", bit_error_rate=0.01)
    cable.push("a", bytes(1000), now_s=0.0)
    received = cable.pop("b", now_s=1.0)
    n_flipped = sum(byte.bit_count() for byte in received)
    assert len(received) == 1000
    assert n_flipped == cable.statistics(1.0)["bits_flipped"]
    assert 40 < n_flipped < 120


def test_loss_on_a_cable_drops_bytes_and_duplicates_repeat_them():
    cable = line("serial-115200", loss=IidLoss(0.1))
    cable.push("a", bytes(1000), now_s=0.0)
    n_received = len(cable.pop("b", now_s=1.0))
    assert 850 < n_received < 950
    assert cable.statistics(1.0)["bytes_lost"] == 1000 - n_received

    cable = line("serial-115200", duplicate_probability=0.1)
    cable.push("a", ALL_BYTES, now_s=0.0)
    received = cable.pop("b", now_s=1.0)
    assert len(received) == 256 + cable.statistics(1.0)["duplicates"] > 256
    assert bytes(sorted(set(received))) == ALL_BYTES


def test_an_end_is_full_while_too_much_waits_for_the_line():
    cable = line("serial-1200")
    while not cable.is_full("a"):
        cable.push("a", bytes(100), now_s=0.0)
    assert cable.statistics(1.0)["bytes_in"] < BUFFER_BYTES + 2 * 100
    cable.pop("b", now_s=100.0)
    assert not cable.is_full("a")
    assert not cable.is_full("b")


def test_delay_comes_after_the_byte_and_does_not_slow_the_line():
    cable = line("serial-9600", delay_s=2.0)
    cable.push("a", bytes(96), now_s=0.0)
    assert cable.pop("b", now_s=2.0) == b""
    assert len(cable.pop("b", now_s=2.1001)) == 96


def test_statistics_are_sums_of_both_directions():
    cable = line("serial-9600")
    cable.push("a", bytes(96), now_s=0.0)
    cable.push("b", bytes(192), now_s=0.0)
    cable.pop("a", now_s=1.0)
    counted = cable.statistics(2.0)
    assert (counted["a_to_b"]["bytes_in"], counted["b_to_a"]["bytes_in"], counted["bytes_in"]) == (
        96,
        192,
        288,
    )
    assert counted["busy_ratio"] == pytest.approx(0.1)  # the busier direction
    assert json.loads(json.dumps(counted)) == counted


@given(st.lists(st.binary(max_size=400), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_bytes_at_all_pass_a_cable(pieces):
    cable = line("serial-9600")
    for piece in pieces:
        cable.push("a", piece, now_s=0.0)
    assert cable.pop("b", now_s=1e3) == b"".join(pieces)


def test_a_radio_is_no_cable():
    with pytest.raises(ValueError, match="lora-sf7 is no cable"):
        line("lora-sf7")
