"""Circumstances: modelled times, and draws that are always the same."""

import numpy as np
import pytest

from host_training.distributed.simulation.circumstances import LINKS, Circumstances


def test_a_dense_exchange_of_plain_5_takes_minutes_on_nb_iot_and_less_than_a_second_on_wifi():
    assert LINKS["nb-iot"].time_s(509_000) == pytest.approx(208.6)
    assert Circumstances(link="wifi").transfer_s(509_000, is_slow=False) < 0.5
    assert Circumstances(link="lora").transfer_s(1600, is_slow=False) == pytest.approx(
        236, rel=0.01
    )


def test_slow_ones_take_ten_times_as_long():
    around = Circumstances(slow_share=0.3)
    assert around.training_s(64, True) == pytest.approx(10 * around.training_s(64, False))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shares_are_what_they_say_and_drawn_by_seed_device_and_round(share):
    around = Circumstances(lost=share, slow_share=share)
    lost = [around.is_lost(0, device, 5) for device in range(800)]
    assert np.mean(lost) == pytest.approx(share, abs=0.06)
    assert lost == [around.is_lost(0, device, 5) for device in range(800)]
    assert share in (0.0, 1.0) or lost != [around.is_lost(0, device, 6) for device in range(800)]


def test_so_many_are_slow_as_the_share_says():
    around = Circumstances(slow_share=0.3, lie="noise", liar_share=0.1)
    for seed in range(3):
        assert sum(around.is_slow(seed, device, 32) for device in range(32)) == 10
        assert sum(around.is_liar(seed, device, 32) for device in range(32)) == 3


def test_nobody_lies_unless_it_is_said_how():
    assert not Circumstances(liar_share=1.0).is_liar(0, 0, 8)
    assert Circumstances(lie="noise", liar_share=1.0).is_liar(0, 0, 8)
