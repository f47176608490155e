"""Quantised: six values, exact in float32."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from link.update.quantised import (
    MAX_LEVEL,
    MAX_SCALE,
    MIN_LEVEL,
    MIN_SCALE,
    Quantised,
    apply,
    level_bits,
    level_of,
    to_bfloat16,
)
from tests.worlds.training_run import LAYOUT, values


@given(
    st.lists(st.floats(MIN_LEVEL, MAX_LEVEL), min_size=3, max_size=3),
    st.lists(st.integers(MIN_SCALE, MAX_SCALE), min_size=5, max_size=5),
)
def test_every_value_is_exact(sizes, scales):
    levels = tuple(to_bfloat16(size) for size in sizes)
    for size, level in zip(sizes, levels, strict=True):
        assert abs(Fraction(level) / Fraction(size) - 1) <= Fraction(1, 256)
    quantised = Quantised(
        np.array([0, 500, 5100]), np.array([1, -2, 3], np.int8), levels, tuple(scales)
    )
    exact = [
        sign * Fraction(level) * Fraction(2) ** scales[tensor]
        for level, tensor, sign in zip(levels, (0, 2, 4), (1, -1, 1), strict=True)
    ]
    assert [Fraction(float(value)) for value in quantised.values(LAYOUT)] == exact


@given(st.floats(MIN_LEVEL, MAX_LEVEL))
def test_a_level_survives_its_bits(size):
    level = to_bfloat16(size)
    assert level_of(level_bits(level)) == level
    assert to_bfloat16(level) == level


def test_applied_weights_move_where_there_are_entries_and_nowhere_else():
    weights = values(0)
    weights[1] = -0.0
    quantised = Quantised(
        np.array([0, 3]), np.array([1, -1], np.int8), (0.75, 1.0, 1.5), (0,) * len(LAYOUT.names)
    )
    moved = apply(weights, quantised, LAYOUT)
    assert moved[[0, 3]].tolist() == [weights[0] - np.float32(0.75), weights[3] + np.float32(0.75)]
    moved[[0, 3]] = weights[[0, 3]]
    assert moved.tobytes() == weights.tobytes()
