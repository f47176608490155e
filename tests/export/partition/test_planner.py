"""Plans against all that could be done, and what eddl.md says of boards."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from export import ExportError
from export.partition.planner import Machine, Work, latency_s, plan, verdict
from host_training.models.block_design import dual, offsets

PI_4 = Machine(23.7e9, 100e6, 0.0005)
PI_ZERO = Machine(0.22e9, 10e6, 0.002)


def branch_7(is_multicast: bool = False) -> Work:
    """As its preset has it: 3.0 M MACs a node, two exchanges."""
    cover = offsets(7)
    reads = [
        tuple(tuple((g + d) % 7 for d in each) for g in range(7))
        for each in (cover, dual(cover, 7))
    ]
    return Work(
        macs=((1.7e6,) * 7, (1.0e6,) * 7, (0.26e6,) * 7),
        reads=(((),) * 7, *reads),
        tensor_bytes=(490 + 21.0, 180 + 21.0, 9 + 21.0),
        pixel_bytes=3072 + 21.0,
        is_multicast=is_multicast,
    )


def random_case(seed: int) -> tuple[Work, list[Machine]]:
    rng = np.random.default_rng(seed)
    work = Work(
        macs=tuple(tuple(row) for row in rng.uniform(1e5, 1e6, (3, 3)).tolist()),
        reads=(((),) * 3, ((0, 1), (1, 2), (2, 0)), ((0, 2), (1, 0), (2, 1))),
        tensor_bytes=tuple(rng.uniform(5, 500, 3).tolist()),
        pixel_bytes=float(rng.uniform(50, 3000)),
        is_multicast=bool(rng.integers(2)),
    )
    nodes = [
        Machine(*each)
        for each in zip(
            rng.uniform(1e7, 1e9, 3), rng.uniform(1e6, 1e8, 3), rng.uniform(0, 3e-3, 3), strict=True
        )
    ]
    return work, nodes


@pytest.mark.parametrize("seed", range(20))
def test_no_pipeline_and_no_branches_are_faster_than_those_found(seed):
    work, nodes = random_case(seed)
    found = {each.kind: each for each in plan(work, nodes)}
    every = list(product(range(3), repeat=3))
    pipelines = [[[[node]] * 3 for node in way] for way in every]
    branches = [[[[node] for node in groups]] * 3 for groups in every]
    wholes = [[[[node]] * 3] * 3 for node in range(3)]
    for kind, all_of_them in (("pipeline", pipelines), ("branches", branches), ("whole", wholes)):
        fastest = min(latency_s(work, nodes, placement) for placement in all_of_them)
        assert found[kind].latency_s == pytest.approx(fastest), kind
        assert latency_s(work, nodes, found[kind].placement) == found[kind].latency_s


def test_a_latency_is_computing_and_the_frames_one_waits_for():
    work = Work(
        macs=((10.0, 10.0), (20.0, 20.0)),
        reads=(((), ()), ((0, 1), (1, 0))),
        tensor_bytes=(5.0, 1.0),
        pixel_bytes=100.0,
    )
    nodes = [Machine(10.0, 8.0, 0.5), Machine(20.0, 80.0, 0.25)]
    assert latency_s(work, nodes, [[[0], [0]], [[0], [0]]]) == pytest.approx(2 + 4)
    other = 100 + 0.5 + 0.5  # pixels come, then its first part is done
    exchanged = other + 5 + 0.5
    assert latency_s(work, nodes, [[[0], [1]], [[0], [1]]]) == pytest.approx(
        max(exchanged + 2, other + 1 + 1 + 0.5)
    )


def test_replicas_hold_what_their_group_hears_and_cost_time():
    found = {each.kind: each for each in plan(branch_7(True), [PI_ZERO] * 7)}
    rows = found["replica"].placement
    assert all(len(holders) == 3 for row in rows for holders in row)
    assert found["replica"].latency_s > found["branches"].latency_s
    assert [holders[0] for holders in rows[0]] == [
        holders[0] for holders in found["branches"].placement[0]
    ]


@pytest.mark.parametrize("n_nodes", [2, 3, 5, 7, 9])
@pytest.mark.parametrize("faster", [1, 1000])
def test_a_group_has_replicas_on_several_nodes_however_fast_one_is(n_nodes, faster):
    nodes = [replace(PI_ZERO, macs_per_s=faster * PI_ZERO.macs_per_s), *[PI_ZERO] * (n_nodes - 1)]
    found = {each.kind: each for each in plan(branch_7(), nodes)}
    for row in found["replica"].placement:
        assert {len(holders) for holders in row} == {min(3, n_nodes)}
        assert all(len(set(holders)) == len(holders) for holders in row)
    assert latency_s(branch_7(), nodes, found["replica"].placement) == found["replica"].latency_s


def test_of_one_node_there_are_no_replicas():
    assert "replica" not in {each.kind for each in plan(branch_7(), [PI_ZERO])}


def test_cutting_never_pays_on_a_pi_4_and_does_on_a_pi_zero():
    assert verdict(plan(branch_7(), [PI_4] * 7)).startswith("Cutting does not pay: whole on node 0")
    slow = plan(branch_7(is_multicast=True), [PI_ZERO] * 7)
    assert slow[0].kind == "branches"
    assert verdict(slow).startswith("Cutting pays: whole on node 0 an image takes 94.")
    times = slow[0].latency_s
    whole = next(each.latency_s for each in slow if each.kind == "whole")
    assert 3 < whole / times < 4.5


def test_a_faster_node_takes_more_groups():
    nodes = [replace(PI_ZERO, macs_per_s=1e9), *[PI_ZERO] * 3]
    fastest = plan(branch_7(is_multicast=True), nodes)[0]
    held = [holders[0] for holders in fastest.placement[0]]
    assert held.count(0) > max(held.count(node) for node in (1, 2, 3))


def test_what_no_node_can_be_is_refused():
    with pytest.raises(ExportError, match="speed and rate are above 0"):
        Machine(0, 1e6)
