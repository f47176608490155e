"""What is counted waits for a transaction, bounded, and each thing once."""

from host_decoder.receive.counts import REMEMBERED, Counts
from host_decoder.store.shelf import Reception
from link.host.interface import NotUsed, Reason
from link.wire.control import Quality

HEARD = Reception(b"packet", 5.0, 0, Quality(7.0, -80.0))


def duplicate(counter: int) -> NotUsed:
    return NotUsed(Reason.DUPLICATE, "seen", 7, counter)


def test_reasons_are_added_up_with_the_latest_example():
    counts = Counts(1.0)
    counts.add(NotUsed(Reason.REPLAY, "first"), 1.0)
    counts.add(NotUsed(Reason.REPLAY, "second"), 2.0, b"packet", n=3)
    [count] = counts.totals({}).rejected
    assert (count.n, count.last.sentence, count.last_s, count.packet) == (
        4,
        "second",
        2.0,
        b"packet",
    )
    counts.clear()
    assert not counts


def test_a_recording_that_is_played_again_and_again_is_heard_once():
    counts = Counts(1.0)
    for gateway in ("roof", "roof", "barn"):
        counts.heard_again(duplicate(3), HEARD, gateway)
    counts.heard_again(NotUsed(Reason.REPLAY, "old", 7, 2), HEARD, "roof")
    again = counts.totals({}).heard_again
    assert [(one.gateway, one.counter, one.n_bytes) for one in again] == [
        ("roof", 3, 6),
        ("barn", 3, 6),
    ]
    counts.clear()
    counts.heard_again(duplicate(3), HEARD, "roof")
    assert counts.totals({}).heard_again == ()


def test_what_waits_is_bounded():
    counts = Counts(1.0)
    for counter in range(REMEMBERED + 10):
        counts.heard_again(duplicate(counter), HEARD, "roof")
    assert len(counts.totals({}).heard_again) == REMEMBERED


def test_a_copy_is_what_there_was():
    counts = Counts(1.0)
    counts.add(NotUsed(Reason.REPLAY, "first"), 1.0)
    before = counts.copy()
    counts.add(NotUsed(Reason.REPLAY, "second"), 2.0)
    assert [one.n for one in before.totals({}).rejected] == [1]
