"""Simulator: a virtual clock, the real ends; stragglers, losses, liars, and a replay to the bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from host_training.distributed.server.rules import Rules
from host_training.distributed.server.server import Server
from host_training.distributed.simulation.circumstances import LIES, Circumstances
from host_training.distributed.simulation.fleet import SERVER, Fleet, key_of, public_keys
from host_training.distributed.simulation.partition import deal
from host_training.distributed.simulation.simulator import Moment, Simulator, replay
from tests.worlds.small_global import DATA, SETTINGS, small_flat

FLAT = small_flat()
INITIAL = FLAT.weights
CODED = replace(
    SETTINGS, n_devices=6, n_rounds=5, n_steps=1, momentum_kind="fresh", up_bytes=(400,),
    down_bytes=(500,),
)  # fmt: skip
HONEST = Rules(is_filtered=False)


def simulator(
    settings=CODED, around: Circumstances | None = None, rules: Rules = HONEST, **fleet: Any
) -> Simulator:
    n_parts = settings.n_devices * fleet.get("n_per_gateway", 1)
    parts = deal(DATA.train.labels, n_parts, None, settings.seed)
    server = Server(
        settings, FLAT.layout, INITIAL, key_of(settings.run_id, SERVER), public_keys(settings),
        rules=rules,
    )  # fmt: skip
    devices = Fleet(FLAT, INITIAL, DATA.train, parts, settings, **fleet)
    return Simulator(server, devices, around or Circumstances())


def moments(one: Simulator) -> list[Moment]:
    found: list[Moment] = []
    one.run(found.append)
    return found


def test_the_same_settings_end_with_the_same_hash_and_another_seed_with_another():
    first, again = (moments(simulator())[-1] for _ in range(2))
    other = moments(simulator(replace(CODED, seed=1)))[-1]
    assert first.hash == again.hash != other.hash


def test_ends_on_the_disk_are_ends_in_memory(tmp_path):
    kept = moments(simulator(folder=tmp_path))[-1]
    assert kept.hash == moments(simulator())[-1].hash
    assert len(list(tmp_path.glob("*/state"))) == CODED.n_devices


def test_time_is_links_and_computing_and_not_more():
    around = Circumstances(link="nb-iot", image_s=0.01)
    found = moments(simulator(around=around))
    per_round = 5 + 8 * 0.01 + 400 / 2500 + 5 + 500 / 2500
    assert found[-1].now_s / len(found) == pytest.approx(per_round, rel=0.1)


def test_bytes_are_those_of_one_device_in_each_round():
    found = moments(simulator())
    assert found[-1].up_bytes == pytest.approx(5 * 400, rel=0.05)
    assert found[-1].down_bytes == pytest.approx(5 * 500, rel=0.05)


def test_slow_and_lost_ones_do_not_hold_up_the_others():
    quick = moments(simulator())[-1]
    rules = replace(HONEST, longest_s=100.0)
    around = Circumstances(slow_share=0.3, lost=0.3, away=0.1)
    found = moments(simulator(around=around, rules=rules))
    counted = [len(each.closed.accepted) for each in found]
    assert 1 <= min(counted) < max(counted)
    assert found[-1].now_s < 4 * quick.now_s + 100


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_ends_a_run(lie):
    around = Circumstances(lie=lie, liar_share=0.3)
    one = simulator(around=around, rules=Rules())
    liars = {n for n in range(CODED.n_devices) if around.is_liar(one.seed, n, CODED.n_devices)}
    assert liars
    found = moments(one)
    assert np.isfinite(one.server.weights).all()
    if lie == "malformed":
        assert all(each.refused == len(liars) for each in found)
        assert not liars & {device for each in found for device, _ in each.closed.accepted}


def test_a_run_with_losses_and_latecomers_is_replayed_to_its_hash_from_what_was_counted():
    around = Circumstances(slow_share=0.4, lost=0.2, slow_factor=3.0)
    one = simulator(around=around, rules=replace(HONEST, longest_s=50.0))
    last = moments(one)[-1]
    assert any(made_in < r for r, each in enumerate(one.server.accepted) for _, made_in in each)
    again = simulator()
    assert replay(again.server, again.device, one.server.accepted, one.server.trained) == last.hash


def test_behind_a_gateway_devices_of_few_images_learn_together():
    settings = replace(
        CODED, n_devices=4, n_rounds=15, up_bytes=(600,), down_bytes=(600,), batch_images=24
    )
    one = simulator(settings, rules=replace(HONEST, n_asked=2), n_per_gateway=6, n_each=3)
    found = moments(one)
    assert all(len(each.closed.accepted) == 2 for each in found)
    assert found[-1].closed.loss < found[0].closed.loss


def test_a_round_in_which_no_answer_is_taken_ends_with_the_reason():
    one = simulator(replace(CODED, n_devices=2), n_per_gateway=3, n_each=3)
    with pytest.raises(RuntimeError, match="24 images, of at most 8 in a round"):
        one.round()


def test_devices_that_are_many_keep_no_momentum():
    with pytest.raises(ValueError, match="not 'carried'"):
        simulator(replace(CODED, momentum_kind="carried"), n_per_gateway=2)


def test_behind_a_slow_link_devices_train_on_meanwhile_and_no_time_is_lost():
    settings = replace(CODED, n_devices=12, n_groups=6, n_rounds=40)

    def run(latency_s: float, delay: int) -> Moment:
        around = Circumstances(extra_latency_s=latency_s, image_s=0.05)
        rules = Rules(is_filtered=False, delay=delay)
        return moments(simulator(settings, around, rules))[-1]

    near, far, delayed = run(0.0, 0), run(0.5, 0), run(0.5, 3)
    assert near.now_s < 0.5 * far.now_s
    assert delayed.now_s < 1.2 * near.now_s
    assert run(0.5, 3).hash == delayed.hash


def test_what_is_counted_later_is_all_counted_and_learns_as_much():
    settings = replace(CODED, n_devices=12, n_groups=6, n_rounds=40)
    losses = {}
    for delay in (0, 3):
        one = simulator(settings, rules=Rules(is_filtered=False, delay=delay))
        found = moments(one)
        counted = [which for each in found for which in each.closed.accepted]
        assert len(set(counted)) == len(counted) == 2 * (40 - delay)
        assert {
            each.closed.round_ - which[1] for each in found for which in each.closed.accepted
        } == {delay}
        losses[delay] = np.mean([each.closed.loss for each in found[-5:]])
    assert losses[3] < losses[0] + 0.3
