"""Rosters: who is dead, who takes over, who speaks to the host."""

from math import inf

from link.fog.frame import Flag
from link.fog.roster import Roster


def test_who_says_nothing_for_three_images_is_dead_until_it_is_heard():
    roster = Roster(0, 3, now_s=0.0)
    for _ in range(3):
        assert roster.lives(2)
        roster.heard.clear()
        roster.hear(1, Flag(0), 0.0)
        roster.end_image()
    assert roster.lives(1)
    assert not roster.lives(2)
    roster.hear(2, Flag(0), 0.0)
    assert roster.lives(2)


def test_who_was_never_heard_is_waited_for_and_not_counted():
    roster = Roster(0, 2, now_s=0.0)
    assert (roster.lives(1), roster.was_heard(1), roster.was_heard(0)) == (True, False, True)
    roster.hear(1, Flag(0), 0.0)
    assert roster.was_heard(1)
    for _ in range(4):
        roster.end_image()
        roster.heard.clear()
    assert not roster.was_heard(1)


def test_of_two_leaders_the_lower_goes_on():
    low, high = Roster(1, 4, 0.0), Roster(3, 4, 0.0)
    low.leader, high.leader = 1, 3
    assert not low.follow(3, 1.0, leads=True)
    assert high.follow(1, 1.0, leads=True)
    assert (low.leader, high.leader) == (1, 1)
    assert low.follow(3, 1.0)  # it has lost its camera
    assert low.leader == 3


def test_they_take_over_one_after_the_other():
    due_s = [Roster(member, 5, now_s=10.0).takeover_s(beat_s=1.0) for member in range(5)]
    assert due_s == [13.0, 13.5, 14.0, 14.5, 15.0]
    roster = Roster(3, 5, now_s=10.0)
    roster.follow(0, 20.0)
    assert roster.takeover_s(1.0) == 24.5


def test_the_aggregator_is_kept_while_it_lives():
    roster = Roster(0, 4, now_s=0.0)
    assert roster.choose_aggregator(False, 0.0, 1.0, silent_s=inf) is None
    roster.hear(3, Flag.MODEM, 0.0)
    assert roster.choose_aggregator(False, 0.0, 1.0, silent_s=inf) == 3
    roster.hear(2, Flag.MODEM, 0.0)
    assert roster.choose_aggregator(True, 0.0, 1.0, silent_s=inf) == 3
    for _ in range(3):
        roster.heard.clear()
        roster.hear(2, Flag.MODEM, 0.0)
        roster.end_image()
    assert roster.choose_aggregator(False, 0.0, 1.0, silent_s=inf) == 2


def test_who_keeps_what_was_passed_over_becomes_the_aggregator_for_a_while():
    roster = Roster(0, 4, now_s=0.0)
    roster.hear(2, Flag.MODEM, 0.0)
    roster.hear(3, Flag.MODEM, 0.0)
    assert roster.choose_aggregator(True, 0.0, turn_s=5.0, silent_s=inf) == 0
    roster.claims |= {2, 3}
    assert roster.choose_aggregator(True, 4.9, 5.0, silent_s=inf) == 0
    assert roster.choose_aggregator(True, 5.0, 5.0, silent_s=inf) == 2
    assert roster.choose_aggregator(True, 9.9, 5.0, silent_s=inf) == 2
    assert roster.choose_aggregator(True, 10.0, 5.0, silent_s=inf) == 3
    assert roster.choose_aggregator(True, 20.0, 5.0, silent_s=inf) == 3


def test_who_claims_after_the_first_member_has_its_turn_too():
    roster = Roster(1, 3, now_s=0.0)
    for member in (0, 2):
        roster.hear(member, Flag.MODEM, 0.0)
        roster.claims.add(member)
    assert roster.choose_aggregator(True, 100.0, turn_s=30.0, silent_s=inf) == 0
    assert roster.choose_aggregator(True, 120.0, turn_s=30.0, silent_s=inf) == 0
    assert roster.choose_aggregator(True, 140.0, turn_s=30.0, silent_s=inf) == 2


def test_all_who_claim_have_their_turn():
    roster, turns = Roster(0, 4, now_s=0.0), []
    for member in (1, 2, 3):
        roster.hear(member, Flag.MODEM, 0.0)
    for now_s in range(0, 60, 10):
        chosen = roster.choose_aggregator(True, now_s, turn_s=10.0, silent_s=inf)
        turns.append(chosen)
        roster.claims = {0, 1, 2, 3} - {chosen}
    assert turns == [0, 1, 2, 3, 0, 1]


def test_an_aggregator_that_is_silent_between_images_gives_way_and_others_need_not_speak() -> None:
    roster = Roster(me=0, n_members=4, now_s=0.0)
    for member in (1, 2, 3):
        roster.hear(member, Flag.MODEM, 0.0)
    roster.aggregator = 2
    roster.hear(2, Flag.MODEM, 10.0)
    assert roster.choose_aggregator(False, 12.9, turn_s=30.0, silent_s=3.0) == 2
    assert roster.choose_aggregator(False, 13.0, turn_s=30.0, silent_s=3.0) == 1
