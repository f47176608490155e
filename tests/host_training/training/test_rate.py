"""The stage in which bits are paid for: fewer of them, resumable to the update, kept for export."""

from dataclasses import replace

import pytest
import torch

from host_training.models.architecture import Architecture, Team
from host_training.training.checkpoint import Checkpoint
from host_training.training.evaluation import encode_split, histogram_bits
from host_training.training.trainer import Trainer
from tests.worlds.small_training import CPU, RECIPE, blobs

RATED = replace(RECIPE, ce_epochs=2, duphil_epochs=0, rate=0.02, rate_epochs=3, rate_components=6)


def trained(folder, recipe=RATED, until=lambda: False, start_from=None):
    trainer = Trainer(blobs(), recipe, folder, CPU, start_from)
    trainer.train(until)
    return trainer


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    trained(folder)
    return folder


def test_its_best_is_kept_with_its_mixture(finished):
    best = Checkpoint.read(finished / "rate.pt")
    assert best.stage == "rate"
    assert best.mixture is not None
    assert best.mixture.is_fitted
    assert best.latent_order is not None
    assert Checkpoint.read(finished / "ce.pt").mixture is None


def test_an_interrupted_stage_goes_on_bit_for_bit(finished, tmp_path):
    n_updates = iter(range(1000))
    trained(tmp_path, until=lambda: next(n_updates) == 15)
    resumed = trained(tmp_path)
    assert resumed.is_resumed
    one, other = (Checkpoint.read(folder / "rate.pt") for folder in (finished, tmp_path))
    for module in ("model", "mixture"):
        theirs = getattr(other, module).state_dict()
        for name, value in getattr(one, module).state_dict().items():
            assert torch.equal(value, theirs[name]), name


def test_it_begins_with_what_is_trained(finished, tmp_path):
    trainer = Trainer(blobs(), RATED, tmp_path, CPU, finished / "ce.pt")
    assert trainer.stages[trainer.stage_index].name == "rate"
    trainer.train()
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["last.pt", "rate.pt"]


def test_a_dearer_bit_is_spent_less_often(finished, tmp_path):
    trained(tmp_path, replace(RATED, rate=0.5), start_from=finished / "ce.pt")

    def bits(path):
        symbols, _ = encode_split(Checkpoint.read(path).model, blobs().train, CPU)
        return histogram_bits(symbols.numpy())

    assert bits(tmp_path / "rate.pt") < bits(finished / "rate.pt")


def test_a_team_is_refused(tmp_path):
    model = Architecture(team=Team(), latents=28)
    with pytest.raises(ValueError, match="train it without RATE"):
        Trainer(blobs(), replace(RATED, model=model), tmp_path, CPU)
