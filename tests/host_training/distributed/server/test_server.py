"""Server: what it counts, what it refuses, when a round ends, and what a kill changes: nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from host_training.distributed.learner.worker import Worker
from host_training.distributed.server import store
from host_training.distributed.server.rules import Rules
from host_training.distributed.simulation.central import Central
from link.update.layout import weights_hash
from tests.scale import size
from tests.worlds.small_global import DATA, World, dealt

DURABLY = store.durable.write
CODED: dict[str, Any] = dict(up_bytes=(300,), down_bytes=(400,))


def test_one_device_over_the_wire_that_sends_everything_is_central_training_bit_for_bit():
    world = World(n_devices=1, n_rounds=8)
    for _ in range(8):
        world.round_trip()
    *_, central = Central(world.flat, dealt(1), world.settings).train(world.initial)
    assert world.server.weights.tobytes() == central.tobytes()
    assert world.server.is_finished


def test_whole_weights_of_one_device_become_the_runs_however_far_they_are_from_them():
    world = World(n_devices=1, n_rounds=1)
    [device] = world.devices
    rng = np.random.default_rng(0)
    far = rng.standard_normal(len(world.initial)) * 10.0 ** rng.integers(-4, 2, len(world.initial))
    sent = replace(device.worker.train(world.initial, 0), weights=far.astype(np.float32))
    world.server.receive(device.end.give(sent), now_s=1.0)
    assert world.server.close(2.0) is not None
    assert world.server.weights.tobytes() == sent.weights.tobytes()


@pytest.mark.parametrize("changes", [{}, CODED])
def test_all_ends_hold_the_same_weights_after_every_round(changes):
    world = World(n_devices=3, n_rounds=5, **changes)
    for _ in range(5):
        world.round_trip()
        for device in world.devices:
            world.tell(device)
            assert device.end.weights.tobytes() == world.server.weights.tobytes()
    assert world.server.hash == weights_hash(world.server.weights)


def test_what_the_devices_learned_is_in_the_weights_or_still_in_a_memory():
    world = World(
        n_devices=2, n_rounds=6, rules=Rules(is_filtered=False, is_clipped=False), **CODED
    )
    learned = np.zeros(world.flat.layout.size)
    for _ in range(6):
        before = world.server.weights
        for device in world.devices:
            learned += (before - device.worker.train(before, world.server.round_).weights) / 2
        for device in world.devices:
            device.worker.momentum = None  # it has just learned twice
        world.settings = replace(world.settings)
        world.round_trip()
        for device in world.devices:
            world.tell(device)
            device.worker.momentum = None
    kept = np.mean([device.end.memory for device in world.devices], axis=0)
    moved = world.initial - world.server.weights
    np.testing.assert_allclose(moved + kept + world.server._memory, learned, atol=2e-5)


def test_a_round_ends_when_all_are_here_or_at_the_deadline():
    world = World(n_devices=4, rules=Rules(longest_s=100.0, is_filtered=False))
    run_server, devices = world.server, world.devices
    for device in devices[:3]:
        run_server.receive(device.update(), now_s=10.0)
    assert run_server.deadline_s == pytest.approx(10.8)  # three of four are a quorum
    assert run_server.close(now_s=10.5) is None
    assert run_server.close(now_s=10.8) is not None
    for device in devices[:3]:
        world.tell(device)
        run_server.receive(device.update(), now_s=20.0)
    run_server.receive(devices[3].update(), now_s=20.5)  # of round 0
    assert run_server.close(now_s=20.6) is None  # still without its answer of round 1
    world.tell(devices[3])
    run_server.receive(devices[3].update(), now_s=20.7)
    closed = run_server.close(now_s=20.7)
    assert closed is not None
    assert closed.accepted == ((0, 1), (1, 1), (2, 1), (3, 0), (3, 1))


def test_a_late_update_weighs_less():
    world = World(n_devices=2, n_rounds=6, rules=Rules(is_filtered=False, is_clipped=False))
    run_server, [one, other] = world.server, world.devices
    late = other.update()
    moved_late = world.initial - other.worker.train(world.initial, 0).weights  # momentum aside
    run_server.receive(one.update(), now_s=0.0)
    run_server.close(now_s=1e6)
    before = run_server.weights
    world.tell(one)
    run_server.receive(one.update(), now_s=1.0)
    run_server.receive(late, now_s=1.0)
    held = {which: each.moved for which, each in run_server._waiting.items()}
    shares = {(0, 1): 1.0, (1, 0): 1 / np.sqrt(2)}
    wanted = sum(shares[each] * held[each] for each in held) / sum(shares.values())
    run_server.close(now_s=1e7)
    np.testing.assert_allclose(before - run_server.weights, wanted, atol=1e-6)
    assert np.abs(moved_late).max() > 0


def test_a_server_that_counts_later_and_was_killed_waits_for_nobody_it_asked_before(tmp_path):
    rules = Rules(is_filtered=False, delay=2)
    world = World(n_devices=2, folder=tmp_path, n_rounds=9, rules=rules, **CODED)
    assert world.server.close(0.0) is not None
    assert world.server.close(0.0) is not None
    for _ in range(2):
        for device in world.devices:
            world.tell(device)
            world.server.receive(device.update(), now_s=1.0)
    assert world.server.close(1.0) is None, "of round 0 nothing came"
    world.server = world.new_server()
    assert world.server.round_ == 2
    assert world.server.close(2.0) is not None
    assert world.server.close(2.0) is not None
    assert world.server.close(2.0) is None, "from here on it waits for its own"


def test_updates_that_come_later_than_they_may_be_late_are_no_rule():
    with pytest.raises(ValueError, match="let fewer rounds lie between"):
        World(rules=Rules(delay=5))


def test_a_liar_is_left_out_and_named():
    world = World(n_devices=6, rules=Rules(), n_rounds=3, n_steps=4, batch_images=32)
    for device in world.devices:  # all know the same images, in another order
        device.worker = Worker(world.flat, DATA.train, world.settings, device.number)
    liar = world.devices[4]

    def lie(weights, round_):
        learned = type(liar.worker).train(liar.worker, weights, round_)
        return replace(learned, weights=weights + 20 * (weights - learned.weights))

    liar.worker.train = lie  # type: ignore[method-assign]
    for device in world.devices:
        world.server.receive(device.update(), now_s=0.0)
    closed = world.server.close(now_s=0.0)
    assert closed is not None
    assert closed.left_out == ((4, 0),)


def test_a_server_that_is_killed_after_any_write_ends_with_the_same_hash(tmp_path, monkeypatch):
    def hash_after(folder, killed_at: int) -> bytes:
        world = World(n_devices=3, folder=folder, n_rounds=4, outer_momentum=0.9, **CODED)
        n_writes = 0

        def write(path, content, mode=None):
            nonlocal n_writes
            n_writes += 1
            if n_writes == killed_at:
                path.with_name(path.name + ".part").write_bytes(bytes(9))
                raise KeyboardInterrupt
            DURABLY(path, content)

        monkeypatch.setattr(store.durable, "write", write)
        while not world.server.is_finished:
            try:
                world.round_trip()
            except KeyboardInterrupt:
                world.server = world.new_server()
        return world.server.hash

    undisturbed = hash_after(tmp_path / "0", killed_at=0)
    for killed_at in range(1, 9):
        assert hash_after(tmp_path / str(killed_at), killed_at) == undisturbed


def test_kills_of_the_server_and_each_time_of_a_third_of_the_devices_change_no_bit(
    tmp_path, monkeypatch
):
    n_rounds, most = size(4, 12), size(12, 50)
    changes = dict(n_rounds=n_rounds, momentum_kind="fresh", outer_momentum=0.9, **CODED)

    def run(folder, n_kills: int) -> tuple[World, int]:
        rng, killed = np.random.default_rng(0), 0
        world = World(n_devices=6, folder=folder / "server", **changes)
        for device in world.devices:
            device.folder = folder / str(device.number)
            device.folder.mkdir(parents=True)
            device.start()

        def write(path, content, mode=None):
            if killed < n_kills and rng.random() < 0.25:
                raise KeyboardInterrupt
            DURABLY(path, content)

        monkeypatch.setattr(store.durable, "write", write)
        while not world.server.is_finished:
            try:
                world.round_trip()
            except KeyboardInterrupt:
                killed += 1
                world.server = world.new_server()
                for number in rng.choice(6, 2, replace=False):
                    world.devices[number].start()
        return world, killed

    undisturbed, _ = run(tmp_path / "0", 0)
    disturbed, killed = run(tmp_path / "1", most)
    assert killed == most
    assert disturbed.server.hash == undisturbed.server.hash
    counted = [which for round_ in disturbed.server.accepted for which in round_]
    assert len(counted) == len(set(counted)) == n_rounds * 6


def test_a_folder_of_another_run_or_a_damaged_one_is_named(tmp_path):
    world = World(n_devices=2, folder=tmp_path)
    world.round_trip()
    world.settings = replace(world.settings, seed=5)
    with pytest.raises(ValueError, match="these settings make run"):
        world.new_server()
    state = tmp_path / "state"
    state.write_bytes(state.read_bytes()[:-9] + bytes(9))
    with pytest.raises(ValueError, match="damaged"):
        world.new_server()
