"""Sessions of a whole team in virtual time: parts over the link are parts chained in one process,
whoever is dead; nothing waits for ever.
"""

import pytest

from link.fog.interface import TeamOptions
from link.fog.plan import Plan
from tests.worlds.virtual_team import Parts, VirtualTeam, chained, scene, small_model

MODEL = small_model(7)
PARTS = Parts(MODEL.team)
EXCHANGE, REPLICA = Plan.exchange(MODEL.team), Plan.replica(MODEL.team)
FAST = TeamOptions(heartbeat_s=0.1)


def symbols_of(world, image):
    return world.host[image].symbols.tolist()


@pytest.mark.parametrize("plan", [EXCHANGE, REPLICA], ids=["exchange", "replica"])
@pytest.mark.parametrize("is_camera_shared", [False, True])
@pytest.mark.parametrize("is_medium_shared", [False, True])
def test_parts_over_a_link_are_parts_chained(plan, is_camera_shared, is_medium_shared):
    options = TeamOptions(
        heartbeat_s=0.1, is_camera_shared=is_camera_shared, is_medium_shared=is_medium_shared
    )
    world = VirtualTeam(plan, MODEL, PARTS, options, modems=(0, 3), n_images=3).start()
    world.finish()
    for image, sequence in world.begun.items():
        expected = chained(MODEL, PARTS, scene(sequence))
        assert symbols_of(world, image) == expected.tolist()
        assert len(set(expected.tolist())) > 5
