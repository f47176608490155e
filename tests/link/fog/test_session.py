"""Sessions of a whole team in virtual time: parts over the link are parts chained in one process,
whoever is dead; nothing waits for ever, and no image is lost that anybody can still send.
"""

from itertools import combinations

import pytest

from link.fog.interface import TeamOptions
from link.fog.plan import Plan
from tests.scale import size
from tests.worlds.virtual_team import Parts, VirtualTeam, chained, scene, small_model

MODEL = small_model(7)
PARTS = Parts(MODEL.team)
EXCHANGE, REPLICA = Plan.exchange(MODEL.team), Plan.replica(MODEL.team)
FAST = TeamOptions(heartbeat_s=0.1)
MASKS = [dead for n_dead in (1, 2) for dead in combinations(range(7), n_dead)]


def world_of(plan=EXCHANGE, options=FAST, **settings):
    settings = {"modems": range(7), "n_images": 3, **settings}
    return VirtualTeam(plan, MODEL, PARTS, options, **settings)


def n_wrong(world, dead=()):
    """Images whose symbols are not those of the parts chained in one process."""
    expected = {i: chained(MODEL, PARTS, scene(s), dead) for i, s in world.begun.items()}
    return sum((one.symbols != expected[image]).any() for image, one in world.host.items())


@pytest.mark.parametrize("plan", [EXCHANGE, REPLICA], ids=["exchange", "replica"])
@pytest.mark.parametrize("is_camera_shared", [False, True])
@pytest.mark.parametrize("is_medium_shared", [False, True])
def test_parts_over_a_link_are_parts_chained(plan, is_camera_shared, is_medium_shared):
    options = TeamOptions(
        heartbeat_s=0.1, is_camera_shared=is_camera_shared, is_medium_shared=is_medium_shared
    )
    world = world_of(plan, options, modems=(0, 3)).start()
    world.finish()
    assert sorted(world.begun.values()) == [0, 1, 2]
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0
    assert len({tuple(one.symbols.tolist()) for one in world.host.values()}) == 3


@pytest.mark.parametrize("dead", MASKS)
def test_whoever_is_dead_the_others_make_what_the_chain_makes_without_them(dead):
    world = world_of(n_images=5).start()
    for member in dead:
        world.kill(member)
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world, dead) == 0
    n_late = sum(s > 0.05 for s in elapsed(world))
    assert n_late <= 3


@pytest.mark.parametrize("dead", MASKS)
def test_of_replicas_two_may_die_and_no_bit_changes(dead):
    world = world_of(REPLICA, n_images=5).start()
    for member in dead:
        world.kill(member)
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0


@pytest.mark.parametrize("dead", MASKS[:: size(5, 1)])
def test_of_replicas_two_may_die_at_any_moment(dead):
    world = world_of(REPLICA, n_images=6).start()
    n_seen = []

    def on_begin(image):
        n_seen.append(image)
        if len(n_seen) == 2:
            for place, member in enumerate(dead):
                world.at(world.now_s + 0.002 * (1 + place), lambda m=member: world.kill(m))

    world.on_begin = on_begin
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0


def elapsed(world):
    return [world.finished_s[image] - world.begun_s[image] for image in world.begun]
