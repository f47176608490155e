"""The study of fog: its arms cost alike, its teacher is the bundle it was, its rows add up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from host_training.models.architecture import Team
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe
from tests.studies.fog import study
from tests.studies.fog.arms import ARMS, team_of
from tests.studies.fog.nonn import shares, unexplained
from tests.studies.fog.study import ALL, SIZES, figures_of, recipe_of, recipe_sha256, tables
from tests.studies.rows import Row, Rows


def macs_per_node(arm: str) -> float:
    """What a node of the arm's team computes, in training's form, on CIFAR's images."""
    chosen = recipe_of(arm, 0, SIZES["medium"])
    model = AutoEncoder(ModelConfig.of(chosen.model, (32, 32, 3), 10)).eval()
    total = 0

    def count(weight: torch.Tensor, out: torch.Tensor) -> None:
        nonlocal total
        total += weight[0].numel() * out.shape[1] * out.shape[2] * out.shape[3]

    for layer in model.encoder.modules():
        if hasattr(layer, "weight") and layer.weight.dim() == 5:
            layer.register_forward_hook(lambda one, _, out: count(one.weight[0], out))
        elif isinstance(layer, torch.nn.Conv2d):  # on pixels, once it is folded
            layer.register_forward_hook(lambda one, _, out: count(torch.zeros(1, 3, 4, 4), out))
    model.encoder(torch.zeros(1, 3, 32, 32))
    assert chosen.model.team is not None
    return total / chosen.model.team.nodes


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_costs_a_node_more_than_the_exchange_and_none_much_less(arm: str) -> None:
    assert 0.93 < macs_per_node(arm) / macs_per_node("exchange") <= 1.001


def test_every_seed_of_the_random_arm_is_another_wiring() -> None:
    drawn = {team_of("random", Team(), seed).draw for seed in range(3)}
    assert drawn == {0, 1, 2}
    assert team_of("ring", Team(), 2).draw == 0


def test_features_that_are_active_together_go_to_one_student() -> None:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(500, 2))
    features = np.repeat(causes, 4, axis=1) + 0.1 * rng.normal(size=(500, 8))
    mixed = rng.permutation(8)
    found = shares(torch.from_numpy(features[:, mixed]), 2)
    assert sorted(tuple(sorted(mixed[each] // 4)) for each in found) == [(0,) * 4, (1,) * 4]


def test_what_latents_explain_linearly_is_not_counted() -> None:
    torch.manual_seed(0)
    latents = torch.randn(300, 3)
    explained = latents @ torch.randn(3, 5) + 2
    assert float(unexplained(latents, explained)) < 1e-3
    assert float(unexplained(latents, torch.randn(300, 5))) > 0.9
    half = torch.cat([explained / explained.std(), torch.randn(300, 5)], 1)
    assert 0.3 < float(unexplained(latents, half)) < 0.7


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path / "study-fog-small.json", ALL, "recipe")


def row(arm: str, seed: int, accuracy: float) -> Row:
    kinds = {f"accuracy_{kind}": accuracy for kind in study.KINDS}
    figures = kinds | {"macs_per_node": 1e6, "weights_per_node": 1e4}
    return Row(arm, seed, recipe_sha256(arm, seed, SIZES["small"]), "abc", figures)


def test_an_arms_figures_are_means_of_its_seeds(rows: Rows) -> None:
    for seed, accuracy in enumerate((0.8, 0.9)):
        rows.add(row("exchange", seed, accuracy))
    rows.add(row("none_dropout", 0, 0.7))
    figures = figures_of(rows)
    assert figures["accuracy_all_alive"] == pytest.approx(0.85)
    assert figures["accuracy_all_alive_stdev"] == pytest.approx(0.0707, abs=1e-4)
    assert figures["none_dropout_accuracy_two_dead_worst"] == 0.7
    assert figures["replica_accuracy_two_dead_worst"] == figures["accuracy_all_alive"]


def test_the_table_names_every_arm_that_was_measured(rows: Rows) -> None:
    rows.add(row("exchange", 0, 0.8))
    rows.add(row("ring", 0, 0.7))
    result = {"figures": figures_of(rows), "rows": rows.stored()}
    [table] = tables(result)
    assert [cells[0] for cells in table.rows] == ["exchange", "ring", "replica"]
    assert all(len(cells) == len(table.header) for cells in table.rows)


def test_all_arms_learn_by_one_recipe_but_for_the_team() -> None:
    size = SIZES["medium"]
    chosen = [recipe_of(arm, 0, size) for arm in ALL if arm != study.WHOLE]
    same = {str(replace(each, model=recipe("branch-7").model)) for each in chosen}
    assert len(same) == 1
