"""Who that is behind is answered, in which order, and how often."""

from math import inf

import pytest

from link.host.advances import FIRST_PAUSE_S, MAX_SALTS, Advances
from link.medium.governor import AirtimeLimit, Governor

AIRTIME_S, WAIT_S = 0.1, 0.5


@pytest.fixture
def advances():
    return Advances(AIRTIME_S, WAIT_S)


def answer(advances, now_s, counter=1000, governor=None):
    """Whoever is answered now, by salt; None: nobody."""
    asking = advances.next(now_s)
    if asking is None or advances.start_s(asking, governor, now_s) > now_s:
        return None
    advances.answered(asking, counter, governor, now_s)
    return asking.salt


def test_who_asks_is_answered_while_it_listens(advances):
    advances.ask(1, b"one!", 5, 0, now_s=0.0)
    assert answer(advances, 0.4) == b"one!"
    assert answer(advances, 0.45) is None, "once"
    advances.ask(1, b"two!", 5, 0, now_s=10.0)
    assert answer(advances, 10.6) is None, "it listens no more"


def test_who_had_fewer_answers_goes_first(advances):
    advances.ask(1, b"old!", 5, 0, 0.0)
    assert answer(advances, 0.0) == b"old!"
    for salt in (b"old!", b"new!"):
        advances.ask(1, salt, 5, 0, 100.0)
    assert answer(advances, 100.0) == b"new!"


def test_pauses_double_and_end_for_who_has_obeyed(advances):
    answered_s = []
    for now_s in range(200):
        advances.ask(1, b"same", 5, 0, float(now_s))
        if answer(advances, float(now_s), counter=1000):
            answered_s.append(now_s)
    assert answered_s == [
        0,
        FIRST_PAUSE_S,
        3 * FIRST_PAUSE_S,
        7 * FIRST_PAUSE_S,
        15 * FIRST_PAUSE_S,
    ]
    advances.ask(1, b"same", 1001, 0, 201.0)
    assert answer(advances, 201.0, counter=2000) == b"same"
    advances.ask(1, b"same", 1001, 0, 203.0)
    assert answer(advances, 203.0) is None, "and its recording has not"


def test_where_airtime_is_not_limited_one_frame_a_second_leaves(advances):
    for n in range(100):
        advances.ask(1, bytes([0, 0, 0, n]), 5, 0, n / 10)
        answer(advances, n / 10)
    assert len(advances._answered) == 10


def test_a_tenth_of_the_airtime_allowed_is_spent(advances):
    governor, spent_s = Governor([AirtimeLimit(3600.0, 36.0)]), 0.0
    for second in range(3600):
        advances.ask(1, second.to_bytes(4, "big"), 5, 0, float(second))
        spent_s += AIRTIME_S if answer(advances, float(second), governor=governor) else 0.0
    assert spent_s == pytest.approx(3.6)


def test_what_the_governor_does_not_allow_is_not_awaited_for_ever(advances):
    governor = Governor([AirtimeLimit(3600.0, 36.0)])
    governor.occupy(36.0, 0.0)
    advances.ask(1, b"one!", 5, 0, 40.0)
    asking = advances.next(40.0)
    assert asking is not None
    assert advances.start_s(asking, governor, 40.0) == inf


def test_memory_is_bounded(advances):
    for n in range(2 * MAX_SALTS):
        advances.ask(1, n.to_bytes(4, "big"), 5, 0, 2.0 * n)
        assert answer(advances, 2.0 * n) is not None
    assert len(advances._answered) == MAX_SALTS
    assert len(advances._asking) == 0
