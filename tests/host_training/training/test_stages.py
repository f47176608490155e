"""What a stage trains, and how fast."""

import pytest

from host_training.training.recipe import Recipe
from host_training.training.stages import learning_rate_factor


def test_the_papers_learning_rate_falls_tenfold_at_its_milestones():
    factors = [learning_rate_factor(Recipe(), progress) for progress in (0, 0.49, 0.5, 0.75, 0.9)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01, 0.001])


def test_one_cycle_warms_up_and_ends_at_zero():
    recipe = Recipe(schedule="one-cycle")
    factors = [learning_rate_factor(recipe, progress / 100) for progress in range(101)]
    assert factors[0] < 0.1
    assert max(factors) == pytest.approx(1)
    assert factors[-1] == pytest.approx(0, abs=1e-9)
