"""Memory: nothing that was learned is lost."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.update.memory import Int8Memory, draws, settle
from link.update.quantiser import quantise
from tests.worlds.training_run import LAYOUT, values


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1 << 30), st.floats(1e-6, 1e4), st.integers(40, 1500))
def test_what_was_learned_is_what_was_sent_and_what_is_kept(seed, size, budget_bytes):
    summed = values(seed, size=size) + values(seed + 1, size=size)
    sent = quantise(summed, LAYOUT, budget_bytes)
    kept = settle(summed, sent, LAYOUT)
    dense = sent.dense(LAYOUT)
    for place in sent.positions:
        parts = Fraction(float(dense[place])) + Fraction(float(kept[place]))
        assert parts == Fraction(float(summed[place]))
    rest = np.ones(LAYOUT.size, bool)
    rest[sent.positions] = False
    assert np.array_equal(kept[rest], summed[rest])


def test_int8_is_off_by_less_than_a_unit_and_right_in_the_mean():
    memory = values(4)
    units = np.repeat(Int8Memory.store(memory, LAYOUT, (0, 0, 0)).units, np.diff(LAYOUT.starts))
    loads = [Int8Memory.store(memory, LAYOUT, (7, 3, r)).load(LAYOUT) for r in range(400)]
    off = (np.array(loads) - memory) / units
    assert np.abs(off).max() < 1.001
    assert np.abs(off.mean(axis=0)).max() < 0.15
    assert abs(off.mean()) < 0.002


def test_int8_keeps_zeros_and_the_largest():
    memory = np.zeros(LAYOUT.size, np.float32)
    stored = Int8Memory.store(memory, LAYOUT, (0, 0, 0))
    assert np.array_equal(stored.load(LAYOUT), memory)
    memory[::7] = -2.0
    stored = Int8Memory.store(memory, LAYOUT, (0, 0, 0))
    assert stored.entries.dtype == np.int8
    assert stored.load(LAYOUT) == pytest.approx(memory, abs=1e-6)


def test_draws_are_philoxs_and_even():
    assert draws(4, (1, 2, 3)).tolist() == draws(5, (1, 2, 3))[:4].tolist()
    assert draws(4, (1, 2, 3)).tolist() != draws(4, (1, 2, 4)).tolist()
    many = draws(100_000, (0, 0, 0))
    assert many.min() >= 0
    assert many.max() < 1
    assert abs(many.mean() - 0.5) < 0.005
