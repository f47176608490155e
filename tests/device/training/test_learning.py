"""The process that learns: rounds over its socket, as in one process without any."""

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from device.training.learner import Learner
from device.training.shard import Shard
from link.security import signature
from link.update.device_end import DeviceEnd
from link.update.message import Kind, kind_of
from tests.worlds.learning_device import DEVICE, SHAPE, CountingServer, LearningDevice

N_ROUNDS = 4


@pytest.fixture
def device(tmp_path) -> Iterator[LearningDevice]:
    yield from living(LearningDevice(tmp_path))


def living(device: LearningDevice) -> Iterator[LearningDevice]:
    yield device
    if device.process is not None and device.process.poll() is None:
        device.kill()


def undisturbed(device: LearningDevice, n_rounds: int = N_ROUNDS) -> list[bytes]:
    """The updates that this device makes of its rounds, computed here."""
    run = device.run
    settings = run.settings
    key = signature.make_key(device.folder / "learn.key")
    end = DeviceEnd(settings, run.layout, DEVICE, key, run.server, run.initial)
    seed = settings.seed, DEVICE
    shard = Shard(device.folder / "shard", SHAPE, 10, settings.batch_images, seed)
    learner, server, updates = Learner(run.network, shard, settings), CountingServer(run), []
    for _ in range(n_rounds):
        work = end.work()
        assert work is not None
        learner.forget(work.sent)
        updates.append(end.give(learner.train(work.weights, work.round_)))
        end.take(server.close())
    return updates


def test_it_answers_each_round_with_its_update_and_ends_within_a_second(device):
    expected = undisturbed(device)
    device.start()
    server = CountingServer(device.run)
    updates = [device.exchange()]
    assert device.exchange() == updates[0], "asked again it says the same"
    while len(updates) < N_ROUNDS:
        updates.append(device.exchange(server.close()))
    assert updates == expected
    assert all(len(update) <= 900 for update in updates)
    code, took_s = device.end()
    assert code == 0, device.process.stderr.read()
    assert took_s < 1.0
    assert not (device.folder / "learn.sock").exists()


def test_killed_anywhere_it_goes_on_and_says_the_same(device):
    expected = undisturbed(device, 3)
    server, draw = CountingServer(device.run), random.Random(1)
    said = b""
    for round_ in range(3):
        for _ in range(3):
            device.start()
            asking = threading.Thread(target=ask, args=(device, said))
            asking.start()
            time.sleep(draw.uniform(0, 0.2))
            device.kill()
            asking.join()
        device.start()
        assert device.exchange(said) == expected[round_]
        device.kill()
        said = server.close()


def ask(device: LearningDevice, said: bytes) -> None:
    """By a client whom nobody may answer."""
    with suppress(OSError, EOFError):
        device.exchange(said)


def test_several_ask_at_once_and_all_are_answered(device):
    device.start()
    answers: list[bytes] = []
    asking = [threading.Thread(target=lambda: answers.append(device.exchange())) for _ in range(8)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert answers[0]


def test_what_was_missed_is_asked_for_and_what_is_nonsense_is_said(device):
    device.start()
    server = CountingServer(device.run)
    first, second = server.close(), server.close()
    assert kind_of(device.exchange(second)) is Kind.ASK
    assert device.exchange(b"\x00" * 200) == b""
    forged = first[:-1] + bytes([first[-1] ^ 1])
    assert device.exchange(forged) == b""
    assert kind_of(device.exchange(first)) is Kind.UPDATE
    device.end()
    assert device.process is not None
    assert device.process.stderr is not None
    assert "whose signature is wrong" in device.process.stderr.read()


def test_a_run_that_is_over_has_nothing_to_say(tmp_path):
    [device] = [LearningDevice(tmp_path, n_rounds=1)]
    for one in living(device):
        one.start()
        server = CountingServer(one.run)
        assert one.exchange()
        assert one.exchange(server.close()) == b""


def test_outside_its_hours_it_says_nothing_and_does_not_learn(tmp_path):
    hour = time.gmtime(time.time() + 7200).tm_hour
    hours = f'hours = "{hour:02}:00-{hour:02}:01"'
    for device in living(LearningDevice(tmp_path, hours)):
        device.start()
        time.sleep(0.5)
        assert device.exchange() == b""
        code, took_s = device.end()
        assert (code, took_s < 1) == (0, True)


def test_a_training_that_diverges_is_told_and_waits_for_the_next_round(tmp_path):
    runs_away: dict[str, Any] = dict(learning_rates=(100.0, 0.05), weight_decay=0.9, n_steps=20)
    for device in living(LearningDevice(tmp_path, **runs_away)):
        device.start()
        server = CountingServer(device.run)
        assert device.exchange() == b""
        assert device.exchange(server.close())
        device.end()
        assert device.process is not None
        assert device.process.stderr is not None
        assert "round 0: training diverged" in (told := device.process.stderr.read())
        assert "Warning" not in told


def test_two_processes_never_learn_for_one_device(device):
    device.start()
    second = LearningDevice.__new__(LearningDevice)
    second.node_toml = device.node_toml
    with pytest.raises(AssertionError, match="did not start"):
        second.start()
    assert second.process is not None
    assert second.process.wait() == 1


def test_its_memory_is_small(device):
    device.start()
    device.exchange()
    assert device.process is not None
    status = Path(f"/proc/{device.process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) < 120_000
