"""What all emulated modems share: a UART that takes its time, and nothing that breaks them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.emulator.modems.modem import Uart
from link.emulator.radio import RadioLine
from link.medium.profiles import PROFILES, get_profile


def test_a_uart_needs_ten_bits_for_a_byte_and_hands_them_over_as_they_come():
    uart = Uart(9600)
    uart.push(b"hello", now_s=1.0)
    assert uart.pop(1.001) == b""
    assert uart.pop(1.0 + 25 / 9600) == b"he"
    assert uart.next_due_s() == pytest.approx(1.0 + 50 / 9600)
    uart.push(b" world", now_s=1.003)
    assert uart.pop(1.0 + 110 / 9600) == b"llo world"
    assert (uart.next_due_s(), uart.n_waiting) == (None, 0)


@pytest.mark.parametrize("start_s", [0.0, 123.456, 9.9e6])
def test_a_uart_has_its_bytes_ready_at_every_time_that_it_names(start_s):
    uart, received = Uart(57_600), b""
    uart.push(bytes(1000), start_s)
    while (due_s := uart.next_due_s()) is not None:
        arrived = uart.pop(due_s)
        assert arrived
        received += arrived
    assert received == bytes(1000)


@pytest.mark.parametrize("name", ["lora-sf7", "rn2483-sf7", "rak3172-sf7", "e22-2400"])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=600), st.floats(0, 2)), max_size=6)
)
@settings(max_examples=25, deadline=None)
def test_no_input_hangs_or_breaks_a_modem(name, writes):
    line, now_s = RadioLine(get_profile(name)), 0.0
    for end, data, pause_s in writes:
        line.push(end, data.replace(b"\n", b"\r\nradio tx 00\r\nAT+NWM=0\r\n"), now_s)
        now_s += pause_s
        line.pop(end, now_s)
    line.pop("a", now_s + 1e5)
    line.pop("b", now_s + 1e5)
    due_s = line.next_due_s()
    assert due_s is None or due_s > now_s + 1e5


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_radio_profile_has_its_modem(name):
    profile = PROFILES[name]
    if profile.is_radio:
        assert RadioLine(profile, n_ends=2).next_due_s() is None
