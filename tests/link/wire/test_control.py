"""Control bodies: every byte where the drawing says, what is packed comes back, what cannot be is
refused.
"""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.wire.control import (
    NO_QUALITY,
    Advance,
    AskStatus,
    Hello,
    Parity,
    Quality,
    Renew,
    Report,
    Slot,
    Status,
    Time,
    cut_fault,
    pack_command,
    unpack_command,
)

BUNDLE = bytes.fromhex("3fa2c1d4e5f60718")


def test_a_report_is_eight_bytes():
    report = Report(
        0x12345, 0b1011, 0b0010, Quality(snr_db=-4, rssi_dbm=-100), n_chunks=2, budget_s=31
    )
    assert report.pack().hex() == "2345" + "000b" + "0002" + "87" + "4a"
    assert Report.unpack(report.pack(), latest=0x12350) == report
    assert report.received_counters() == [0x12345, 0x12344, 0x12342]
    assert report.enough_places() == [1]


@given(
    st.integers(0, (1 << 48) - 1),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(0, 65535),
)
def test_a_report_speaks_of_counters_at_or_below_the_latest(latest, behind, received, enough):
    highest = max(0, latest - behind)
    report = Report.unpack(Report(highest, received, enough).pack(), latest)
    assert report == Report(highest, received, enough)
    assert all(0 <= counter <= highest for counter in report.received_counters())


def test_a_report_on_a_packet_that_was_never_sent_is_refused():
    with pytest.raises(ValueError, match="never sent"):
        Report.unpack(Report(9, 1).pack(), latest=8)


def test_an_unlimited_budget_and_no_advice_are_told_apart_from_none_left():
    report = Report.unpack(Report(5, 1).pack(), 5)
    assert (report.budget_s, report.n_chunks, report.quality) == (None, None, NO_QUALITY)
    assert Report.unpack(Report(5, 1, budget_s=0.0).pack(), 5).budget_s == 0


@given(st.floats(0, 40_000))
def test_a_budget_is_never_told_larger_than_it_is(budget_s):
    told_s = Report.unpack(Report(5, 1, budget_s=budget_s).pack(), 5).budget_s
    assert told_s is not None
    assert told_s <= budget_s * (1 + 1e-12)
    assert 1 + told_s > (1 + min(budget_s, 30_000)) / 1.5


@given(st.integers(0, 255))
def test_every_quality_byte_packs_back(code):
    assert Quality.unpack(code).pack() == code


def test_a_quality_beyond_the_scale_stays_at_its_ends():
    assert Quality.unpack(Quality(-99, -200).pack()) == Quality(-20, -135)
    assert Quality.unpack(Quality(99, 0).pack()) == Quality(8, -65)


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (Advance(0x0102030405), "01000102030405"),
        (Renew(), "02"),
        (Slot(start_in_s=1.5, period_s=60, width_s=0.8), "03" + "0005dc" + "00ea60" + "0320"),
        (AskStatus(), "04"),
    ],
)
def test_commands_are_an_opcode_and_its_arguments(command, body):
    assert pack_command(command).hex() == body
    assert unpack_command(bytes.fromhex(body)) == command
    with pytest.raises(ValueError, match="body of a COMMAND"):
        unpack_command(bytes.fromhex(body) + b"\0")


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x09\x00"])
def test_an_unknown_command_is_refused(body):
    with pytest.raises(ValueError, match="is unknown; update this node"):
        unpack_command(body)


def test_a_time_is_seconds_and_their_256ths():
    assert Time(1_700_000_000.5).pack().hex() == "6553f10080"
    assert Time.unpack(Time(1_700_000_000.123).pack()).unix_s == pytest.approx(
        1_700_000_000.123, abs=1 / 512
    )


def test_a_hello_names_the_bundle_and_what_the_node_wants():
    assert Hello(BUNDLE, wants_time=True, wants_slot=False).pack() == BUNDLE + b"\x01"
    assert Hello(BUNDLE).pack() == BUNDLE
    for wants in range(4):
        hello = Hello(BUNDLE, bool(wants & 1), bool(wants & 2))
        assert Hello.unpack(hello.pack()) == hello


def test_a_status_is_eight_bytes_whose_counts_wrap():
    status = Status(300, None, None, n_evicted=65536 + 7, n_heard=256 + 3, n_bad=2)
    assert status.pack().hex() == "012c" + "ffff" + "0007" + "03" + "02"
    back = Status.unpack(status.pack())
    assert back == Status(300, None, None, 7, 3, 2)
    assert Status.unpack(Status(70_000, 3600.0, 36.0).pack()).queue_images == 65535
    assert Status.unpack(Status(1, 3600.0, 36.0).pack()).budget_s == pytest.approx(36, rel=0.06)


def test_a_status_may_say_what_keeps_the_node_from_its_work():
    fault = 'key "intervall_s" is unknown: Übung'
    status = Status(3, None, None, fault=fault)
    assert status.pack() == Status(3, None, None).pack() + fault.encode()
    assert Status.unpack(status.pack()) == status
    assert Status.unpack(Status(3, None, None, fault="\x1b[2J").pack()).fault == "?[2J", (
        "it goes to a terminal"
    )


@pytest.mark.parametrize(("room_bytes", "left"), [(400, 100), (3, 3), (0, 0), (-2, 0)])
def test_a_fault_is_cut_to_what_the_packet_takes(room_bytes, left):
    assert cut_fault("x" * 300, room_bytes) == "x" * left
    assert cut_fault("Ü", 1) == "", "half a letter is none"
    assert cut_fault(None, room_bytes) is None


@given(
    st.integers(0, 1 << 40),
    st.lists(st.integers(1, 1 << 15), max_size=15),
    st.integers(0, 15),
    st.data(),
)
def test_a_parity_names_its_group(first, steps, index, data):
    members = tuple(accumulate(steps, initial=first))
    parity = Parity(members, index, data.draw(st.integers(index + 1, 16)), b"symbol")
    counter = members[-1] + data.draw(st.integers(1, 255))
    assert Parity.unpack(parity.pack(counter), counter) == parity


def test_a_parity_of_a_group_of_one():
    assert Parity((91,), 0, 1, b"\xee").pack(100).hex() == "00" + "00" + "09" + "ee"
    assert Parity.unpack(bytes.fromhex("000009ee"), 100) == Parity((91,), 0, 1, b"\xee")


def test_a_parity_over_every_fourth_counter_spends_two_bits_on_each():
    parity = Parity(tuple(range(10, 39, 4)), 1, 2, b"")
    assert parity.pack(41).hex() == "11" + "72" + "03" + "fffc"


def test_a_parity_that_waited_too_long_is_refused_before_it_is_sent():
    parity = Parity((44, 45), 0, 1, b"\xee")
    assert Parity.unpack(parity.pack(300), 300) == parity
    with pytest.raises(ValueError, match="256 counters after its group, at most 255"):
        parity.pack(301)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("000000ee", "that cannot be", id="the packet itself as a member"),
        pytest.param("100009ee", "that cannot be", id="second symbol of one"),
        pytest.param("0000ffee", "that cannot be", id="a member before the first counter"),
        pytest.param("00174080ee", "that cannot be", id="an older member before the first counter"),
        pytest.param("0000", "3 or more", id="half a head"),
        pytest.param("0072090000", "more than 5", id="no symbol"),
    ],
)
def test_a_parity_that_cannot_be_is_refused(body, message):
    with pytest.raises(ValueError, match=message):
        Parity.unpack(bytes.fromhex(body), 100)


@pytest.mark.parametrize("kind", [Hello, Time, Status])
def test_a_body_of_another_length_is_refused(kind):
    with pytest.raises(ValueError, match=f"body of a {kind.__name__.upper()} has 3 bytes"):
        kind.unpack(b"abc")
