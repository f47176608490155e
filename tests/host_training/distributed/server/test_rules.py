"""Rules: how long a round lasts, from how long answers took."""

import pytest

from host_training.distributed.server.rules import Patience, Rules


def test_without_a_quorum_of_answers_a_round_lasts_as_long_as_it_may():
    patience = Patience(Rules(longest_s=100.0), n_asked=10)
    for _ in range(6):
        patience.note(1.0)
    assert patience.limit_s == 100.0
    patience.note(1.0)
    assert patience.limit_s == pytest.approx(1.08)


def test_slow_ones_do_not_make_the_others_wait():
    patience = Patience(Rules(), n_asked=10)
    for took_s in (9.0, 10.0, 10.0, 11.0, 10.0, 9.5, 10.5, 100.0, 100.0, 100.0):
        patience.note(took_s)
    assert 10.0 < patience.limit_s < 20.0


def test_what_is_long_ago_is_forgotten():
    patience = Patience(Rules(), n_asked=4)
    for took_s in [500.0] * 8 + [2.0] * 8:
        patience.note(took_s)
    assert patience.limit_s == pytest.approx(2.16)


def test_all_are_asked_or_as_many_drawn_always_the_same():
    assert Rules().asked(0, 7, range(5)) == [0, 1, 2, 3, 4]
    rules = Rules(n_asked=10)
    first, again, next_ = (rules.asked(0, r, range(1000)) for r in (3, 3, 4))
    assert first == again != next_
    assert len(set(first)) == 10
