"""Plan: settings follow from what a person chooses."""

from dataclasses import replace

import pytest

from host_training.distributed.simulation.plan import Plan, one_cycle


def test_the_last_share_of_the_rounds_has_frozen_statistics_and_the_one_before_room_for_them():
    plan = Plan(n_devices=4, n_groups=2, epochs=1, frozen=0.25)
    settings = plan.settings("00" * 8, 20 * 2 * 128, n_statistics=100)
    assert settings.n_rounds == 20
    assert settings.frozen_from_round == 15
    bytes_of = [settings.down(round_) - plan.down_bytes for round_ in range(20)]
    assert bytes_of == [0] * 14 + [400] + [0] * 5
    assert replace(plan, frozen=0.0).settings("00" * 8, 5120, n_statistics=100).n_statistics == 0


def test_all_devices_together_learn_from_as_many_images_as_the_plan_says():
    settings = Plan().settings("00" * 8, 45_000)
    images = settings.n_rounds * 4 * settings.batch_images
    assert images == pytest.approx(40 * 45_000, rel=1e-3)
    assert settings.n_rounds == 3516


def test_small_shards_make_small_batches_and_gateways_add_their_devices_up():
    plan = Plan(n_devices=100, n_groups=10, epochs=2)
    settings = plan.settings("00" * 8, 50_000, n_each=10)
    assert settings.batch_images == 500  # of ten devices of a gateway, 50 each
    assert settings.n_rounds == 20


def test_a_device_sends_a_gradient_and_the_outer_step_has_the_rest():
    settings = Plan(rate=0.2, momentum=0.9).settings("00" * 8, 45_000)
    assert (settings.n_steps, settings.learning_rates, settings.momentum) == (1, (1.0,), 0.0)
    assert settings.outer_momentum == 0.9
    assert max(settings.outer_rates) == pytest.approx(0.2, rel=1e-2)
    assert settings.outer_rates[-1] < settings.outer_rates[0] < 0.02


def test_the_rate_goes_up_and_down_once():
    rates = [one_cycle(i / 100, 0.1) for i in range(1, 101)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.01
