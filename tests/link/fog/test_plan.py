"""Plans: who holds what, who reads it, and what cannot be placed."""

from itertools import combinations

import pytest

from host_training.models.block_design import offsets
from link.fog.plan import Plan
from tests.worlds.virtual_team import small_team

TEAM = small_team(7)


def test_in_an_exchange_each_member_computes_its_own_group():
    plan = Plan.exchange(TEAM)
    assert plan.n_members == 7
    assert plan.parts_of(4) == ((0, 4), (1, 4), (2, 4))
    assert plan.sources((1, 4)) == ((0, 4), (0, 5), (0, 0))
    assert plan.readers((0, 0)) == {6, 4}
    assert plan.takes(4) == {(0, 4), (1, 4), (2, 4), (0, 5), (0, 0), (1, 3), (1, 1)}


@pytest.mark.parametrize("n_groups", [3, 4, 5, 7, 13])
def test_replicas_leave_every_group_a_member_whoever_dies_below_k(n_groups):
    team, k = small_team(n_groups), len(offsets(n_groups))
    plan = Plan.replica(team)
    for dead in combinations(range(n_groups), k - 1):
        for group in range(n_groups):
            assert set(plan.holders((0, group))) - set(dead)
    assert {len(plan.parts_of(member)) for member in range(n_groups)} == {3 * k}
    assert all(plan.holders((2, group))[0] == group for group in range(n_groups))


def test_a_member_computes_first_what_others_wait_for():
    parts = Plan.replica(TEAM).parts_of(5)
    assert [part for part in parts if part[0] == 0] == [(0, 5), (0, 4), (0, 2)]
    assert [segment for segment, _ in parts] == sorted(segment for segment, _ in parts)


def test_where_one_member_does_everything_nobody_reads():
    plan = Plan.of(TEAM, [[[2]] * 7] * 3, 3)
    assert plan.parts_of(0) == ()
    assert len(plan.parts_of(2)) == 21
    assert not any(plan.readers((segment, group)) for segment in range(2) for group in range(7))


def test_a_pipeline_hands_on_from_member_to_member():
    plan = Plan.of(TEAM, [[[0]] * 7, [[1]] * 7, [[2]] * 7], 3)
    assert plan.readers((0, 3)) == {1}
    assert plan.readers((1, 3)) == {2}


@pytest.mark.parametrize(
    ("placement", "n_members", "sentence"),
    [
        ([[[0]] * 7] * 3, 33, "a team of 33 members; it has 1 to 32"),
        ([[[0]] * 7] * 2, 3, "placement has 2 entries, the bundle has 3 segments"),
        ("all", 3, "placement has 'all' entries, the bundle has 3 segments"),
        ([[[0]] * 6] * 3, 3, r"placement\[0\] has 6 entries, the bundle has 7 groups"),
        ([[[0]] * 7, [[3]] * 7, [[0]] * 7], 3, r"\[3\], the members are 0 to 2"),
        ([[[]] * 7] * 3, 3, "give the members that hold it, each once"),
        ([[[1, 1]] * 7] * 3, 3, "each once"),
        ([[[True]] * 7] * 3, 3, "each once"),
    ],
)
def test_a_placement_that_does_not_fit_is_refused_in_a_sentence(placement, n_members, sentence):
    with pytest.raises(ValueError, match=sentence):
        Plan.of(TEAM, placement, n_members)
