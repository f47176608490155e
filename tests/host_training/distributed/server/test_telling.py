"""Telling: whoever was away comes to what all hold."""

from typing import Any

import pytest

from tests.worlds.small_global import World

CODED: dict[str, Any] = dict(up_bytes=(300,), down_bytes=(400,))


@pytest.mark.parametrize("n_missed", [1, 3, 12])
def test_who_was_away_gets_the_rounds_or_a_snapshot_and_goes_on(n_missed):
    world = World(n_devices=3, n_rounds=20, **CODED)
    for _ in range(n_missed):
        world.round_trip(silent=(2,))
    away = world.devices[2]
    world.tell(away)
    assert away.end.weights.tobytes() == world.server.weights.tobytes()
    world.round_trip()
    assert (2, n_missed) in world.server.accepted[n_missed]
