"""A round on a node: what it comes to, what stops it, and that nothing of it is lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from device.capture.schedule import Hours
from device.training import description
from device.training.description import Norm, walk
from device.training.learner import STATE, AbandonedError, Learner, PausedError
from device.training.limits import Limits, Reason
from device.training.network import Network
from device.training.sgd import SGD
from device.training.shard import Shard, write
from host_training.data.digits import load
from host_training.distributed.learner.flat_model import FlatModel
from host_training.distributed.learner.network import describe, weights
from host_training.distributed.learner.worker import Worker
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS
from link.update.device_end import Learned
from link.update.settings import CARRIED, MASKED, RunSettings

DEVICE, N_IMAGES, SHAPE = 3, 200, (8, 8, 1)
SETTINGS = RunSettings(
    network="0" * 16,
    seed=5,
    n_steps=4,
    n_rounds=20,
    batch_images=16,
    learning_rates=(0.05,),
    weight_decay=5e-4,
    label_smoothing=0.1,
    crop_pixels=1,
)


class Clock:
    """Moves when it is asked for the time of a step."""

    def __init__(self, unix_s: float = 0.0, step_s: float = 0.5) -> None:
        self.now_s, self.unix_s, self.step_s = 0.0, unix_s, step_s

    def monotonic(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def time(self) -> float:
        return self.unix_s + self.now_s


class World:
    """A device with digits, whose learner can be made anew as after a kill."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        digits = load().train
        model = AutoEncoder(ModelConfig.of(PRESETS["digits"].recipe.model, SHAPE, 10))
        self.initial = weights(model)
        self.layers = description.read(describe(model).text)
        self.folder = folder
        labelled = zip(digits.images[:N_IMAGES], digits.labels[:N_IMAGES].tolist(), strict=True)
        write(folder / "shard", SHAPE, labelled)

    def learner(
        self,
        settings: RunSettings = SETTINGS,
        limits: Limits | None = None,
        clock: Clock | None = None,
        folder: Path | None = None,
    ) -> Learner:
        network = Network(self.layers, settings.label_smoothing)
        seed = settings.seed, DEVICE
        shard = Shard(
            self.folder / "shard", SHAPE, 10, settings.batch_images, seed, settings.crop_pixels
        )
        return Learner(network, shard, settings, folder, limits, clock or Clock())


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def rounds(learner: Learner, start: np.ndarray, n: int) -> list[Learned]:
    """Rounds one behind the other, each from the weights that the last one ended with."""
    found = []
    for round_ in range(n):
        found.append(learner.train(start, round_))
        start = found[-1].weights
    return found


def test_a_round_is_so_many_steps_of_sgd_on_the_shards_batches(world):
    learned = world.learner().train(world.initial, 2)
    network = Network(world.layers, SETTINGS.label_smoothing)
    shard = Shard(world.folder / "shard", SHAPE, 10, 16, (5, DEVICE), 1)
    expected, sgd, losses = world.initial.copy(), SGD(0.05, 0.9, 5e-4), []
    for step in range(8, 12):
        batch = shard.batch(step)
        draws = network.draws(batch.rng, 16)
        gradient = network.gradient(expected, batch.images, batch.labels, draws)
        sgd.step(expected, gradient.gradient)
        losses.append(gradient.loss)
    assert learned.weights.tobytes() == expected.tobytes()
    assert learned.n_images == 64
    assert learned.loss == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("is_frozen", [False, True])
def test_rounds_end_where_those_of_torch_do(tmp_path, is_frozen):
    """All images in each batch, no noise and no crops: only the order of sums is another."""
    quiet = replace(PRESETS["digits"].recipe.model, noise_half_width=0.0)
    torch.manual_seed(0)
    flat = FlatModel(AutoEncoder(ModelConfig.of(quiet, SHAPE, 10)))
    split = load().train.subset(np.arange(48))
    settings = replace(
        SETTINGS,
        batch_images=48,
        crop_pixels=0,
        momentum_kind=CARRIED,
        learning_rates=(0.0005,),  # a ReLU that turns over would make more of a last bit
        frozen_from_round=1 if is_frozen else 10,
    )
    write(tmp_path, SHAPE, zip(split.images, split.labels.tolist(), strict=True))
    layers = description.read(describe(flat.model).text)
    shard = Shard(tmp_path, SHAPE, 10, 48, (settings.seed, DEVICE))
    learner = Learner(Network(layers, settings.label_smoothing), shard, settings)
    worker = Worker(flat, split, settings, DEVICE)
    flat.estimate_statistics(split)
    learner.freeze(flat.statistics)
    ours = theirs = flat.weights
    for round_ in range(1, 4):
        one, other = learner.train(ours, round_), worker.train(theirs, round_)
        ours, theirs = one.weights, other.weights
        assert one.n_images == other.n_images == 4 * 48
        assert one.loss == pytest.approx(other.loss, abs=1e-4)
    assert np.abs(ours - theirs).max() < 1e-4


def test_the_shares_of_its_own_classes_are_taken_off_as_on_torch(tmp_path):
    quiet = replace(PRESETS["digits"].recipe.model, noise_half_width=0.0)
    torch.manual_seed(0)
    flat = FlatModel(AutoEncoder(ModelConfig.of(quiet, SHAPE, 10)))
    known = load().train
    split = known.subset(np.flatnonzero(known.labels < 3)[:48])
    settings = replace(
        SETTINGS, batch_images=48, crop_pixels=0, n_steps=1, learning_rates=(0.0005,)
    )
    write(tmp_path, SHAPE, zip(split.images, split.labels.tolist(), strict=True))
    layers = description.read(describe(flat.model).text)
    shard = Shard(tmp_path, SHAPE, 10, 48, (settings.seed, DEVICE))
    start, losses = flat.weights, []
    for prior_weight in (0.0, 1.0):
        chosen = replace(settings, prior_weight=prior_weight)
        one = Learner(Network(layers, settings.label_smoothing), shard, chosen).train(start, 0)
        other = Worker(flat, split, chosen, DEVICE).train(start, 0)
        assert one.loss == pytest.approx(other.loss, abs=1e-4)
        assert np.abs(one.weights - other.weights).max() < 1e-4
        losses.append(one.loss)
    assert losses[1] < losses[0] - 0.5  # what the shares tell need not be learned


def test_rounds_lower_the_loss_and_the_weights_given_stay_as_they_are(world):
    before = world.initial.copy()
    found = rounds(world.learner(), world.initial, 40)
    assert found[-1].loss < 0.5 * found[0].loss
    assert world.initial.tobytes() == before.tobytes()


@pytest.mark.parametrize("kind", [CARRIED, MASKED])
def test_momentum_is_carried_over_rounds_but_where_it_was_sent(world, kind):
    settings = replace(SETTINGS, momentum_kind=kind)
    one, fresh = world.learner(settings), world.learner()
    sent = np.arange(0, len(world.initial), 2)
    start = one.train(world.initial, 0).weights
    assert start.tobytes() == fresh.train(world.initial, 0).weights.tobytes()
    masked = world.learner(settings)
    masked.train(world.initial, 0)
    masked.forget(sent)
    with_all, without, mixed = (each.train(start, 1).weights for each in (one, fresh, masked))
    assert not np.array_equal(with_all, without)
    assert np.array_equal(with_all, mixed) == (kind == CARRIED)


def test_a_round_that_is_broken_off_anywhere_ends_with_the_same_bits(world, tmp_path):
    settings = replace(SETTINGS, momentum_kind=CARRIED)
    undisturbed = [
        each.weights.tobytes() for each in rounds(world.learner(settings), world.initial, 4)
    ]
    state, start = tmp_path / "state", world.initial
    state.mkdir()
    for round_ in range(4):
        for _ in range(SETTINGS.n_steps - 1):  # a new process for each step
            asked = iter([True])
            learner = world.learner(settings, folder=state)
            with pytest.raises(AbandonedError):
                learner.train(start, round_, lambda asked=asked: next(asked, False))
            learner._save()  # as after a minute
        learned = world.learner(settings, folder=state).train(start, round_)
        assert learned.weights.tobytes() == undisturbed[round_]
        again = world.learner(settings, folder=state).train(start, round_)
        assert again.weights.tobytes() == undisturbed[round_], "killed before it was given away"
        start = learned.weights


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("n_steps", [1, SETTINGS.n_steps])
def test_a_round_that_is_given_up_leaves_no_momentum_behind(world, tmp_path, n_steps, is_killed):
    settings = replace(SETTINGS, momentum_kind=CARRIED)
    undisturbed, state = world.learner(settings), tmp_path / "state"
    start = undisturbed.train(world.initial, 0).weights
    wanted = undisturbed.train(start, 2).weights
    state.mkdir()
    learner = world.learner(settings, folder=state)
    learner.train(world.initial, 0)
    learner.settle(0)
    asked = iter([True] * n_steps)
    if n_steps < SETTINGS.n_steps:
        with pytest.raises(AbandonedError):
            learner.train(start, 1, lambda: next(asked, False))
    else:
        learner.train(start, 1)  # and a message of a later round was there first
    learner._save()
    if is_killed:
        learner = world.learner(settings, folder=state)
    learner.settle(0)
    assert learner.train(start, 2).weights.tobytes() == wanted.tobytes()


def test_frozen_statistics_reach_every_step(world):
    n_channels = sum(layer.channels for layer in walk(world.layers) if isinstance(layer, Norm))
    frozen = np.ones(2 * n_channels, np.float32)
    settings = replace(SETTINGS, frozen_from_round=1)
    one, other = world.learner(settings), world.learner(settings)
    one.freeze(frozen)
    assert one.train(world.initial, 0).weights.tobytes() == (
        other.train(world.initial, 0).weights.tobytes()
    ), "not yet"
    learned = one.train(world.initial, 1)
    network = Network(world.layers, SETTINGS.label_smoothing)
    shard = Shard(world.folder / "shard", SHAPE, 10, 16, (5, DEVICE), 1)
    expected, sgd = world.initial.copy(), SGD(0.05, 0.9, 5e-4)
    for step in range(4, 8):
        batch = shard.batch(step)
        draws = network.draws(batch.rng, 16)
        found = network.gradient(expected, batch.images, batch.labels, draws, frozen)
        sgd.step(expected, found.gradient)
    assert learned.weights.tobytes() == expected.tobytes()


def test_a_rounds_time_ends_it_with_the_steps_that_are_done(world):
    learned = world.learner(limits=Limits(round_s=1.0)).train(world.initial, 0)
    assert learned.n_images == 2 * 16  # of half a second each
    assert np.isfinite(learned.loss)


def test_outside_the_hours_not_a_step_is_made_and_none_is_lost_to_heat(
    world, tmp_path, monkeypatch
):
    limits = Limits(hours=Hours.parse("01:00-02:00"))
    with pytest.raises(PausedError) as paused:
        world.learner(limits=limits).train(world.initial, 0)
    assert paused.value.stop.reason is Reason.HOURS
    assert 3590 < paused.value.stop.wait_s < 3600

    heat = iter([50.0, 50.0, 90.0, 50.0, 50.0, 50.0])
    hot = world.learner(limits=Limits(max_celsius=70), folder=tmp_path)
    hot._allowance._read_celsius = lambda: next(heat)
    with pytest.raises(PausedError) as paused:
        hot.train(world.initial, 0)
    assert paused.value.stop.reason is Reason.HEAT
    undisturbed = world.learner().train(world.initial, 0).weights
    resumed = world.learner(folder=tmp_path).train(world.initial, 0).weights
    assert hot.train(world.initial, 0).weights.tobytes() == undisturbed.tobytes()
    assert resumed.tobytes() == undisturbed.tobytes()


def test_energy_that_was_spent_is_spent_after_a_restart(world, tmp_path):
    limits = Limits(day_wh=2 * 0.5 / 3600, extra_w=1.0)  # two steps
    learned = world.learner(limits=limits, folder=tmp_path).train(world.initial, 0)
    assert learned.n_images == 32
    with pytest.raises(PausedError) as paused:
        world.learner(limits=limits, folder=tmp_path).train(learned.weights, 1)
    assert paused.value.stop.reason is Reason.ENERGY


def test_a_damaged_state_is_set_aside_and_the_round_begun_anew(world, tmp_path):
    expected = world.learner(folder=tmp_path).train(world.initial, 0).weights
    content = bytearray((tmp_path / STATE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / STATE).write_bytes(content)
    learner = world.learner(folder=tmp_path)
    assert learner.damage is not None
    assert f"{STATE}.damaged-1" in learner.damage
    assert (tmp_path / f"{STATE}.damaged-1").read_bytes() == content
    assert learner.train(world.initial, 0).weights.tobytes() == expected.tobytes()
