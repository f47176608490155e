"""Device end: one device's side of a run, a server in the same process."""

import errno
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.base import durable
from link.update import code, message
from link.update.device_end import DeviceEnd, Standing
from link.update.layout import Layout, weights_hash
from link.update.memory import Int8Memory
from link.update.message import MessageError
from link.update.settings import RunSettings
from tests.worlds.training_run import (
    LAYOUT,
    SETTINGS,
    SmallServer,
    device_end,
    device_key,
    learned,
    train,
    values,
)


def sent_by(end: DeviceEnd, chosen: RunSettings = SETTINGS) -> np.ndarray:
    """The values of its last update, float32 (P,)."""
    update, _ = message.read_update(end.update, chosen.run_id, 1 << 20)
    return code.decode(update.payload, LAYOUT).dense(LAYOUT)


def learn(end: DeviceEnd, device: int) -> bytes:
    work = end.work()
    assert work is not None
    return end.give(train(work.weights, work.round_, device))


@pytest.mark.parametrize("outer_momentum", [0.0, 0.9])
def test_all_ends_hold_the_same_weights_after_every_round(outer_momentum):
    chosen = replace(SETTINGS, outer_momentum=outer_momentum, outer_rates=(0.1, 0.05, 1.0))
    server = SmallServer(chosen)
    ends = [device_end(device, settings=chosen) for device in range(3)]
    for round_ in range(6):
        for device, end in enumerate(ends):
            learn(end, device)
        total = np.sum([sent_by(end, chosen) for end in ends], axis=0)
        told = server.close([(device, round_) for device in range(3)], total)
        assert len(told) <= SETTINGS.down(round_)
        for end in ends:
            assert end.take(told) == Standing.CURRENT
            assert end.weights.tobytes() == server.weights.tobytes()
            assert end.round_ == server.round_


def test_ends_in_one_process_hold_one_copy():
    server, ends = SmallServer(), [device_end(device) for device in range(3)]
    assert len({id(end.weights) for end in ends}) == 1
    told = server.close([], np.ones(LAYOUT.size, np.float32))
    for end in ends:
        end.take(told)
    assert len({id(end.weights) for end in ends}) == 1


def test_an_update_has_the_bytes_of_its_round_and_is_signed_for_its_weights():
    end = device_end(1)
    packed = learn(end, 1)
    assert 0.97 * 300 <= len(packed) <= 300
    base = weights_hash(end.weights)
    message.check_update(packed, SETTINGS.run_id, base, device_key(1).public_key())
    assert end.work() is None
    assert end.update == packed


def test_memory_loses_only_what_the_server_counted():
    server, end = SmallServer(), device_end(0)
    learned = train(end.weights, 0, 0)
    end.give(learned)
    before, sent = end.memory, sent_by(end)
    assert np.array_equal(before, server.weights - learned.weights)
    end.take(server.close([(1, 0)], np.zeros(LAYOUT.size, np.float32)))
    assert np.array_equal(end.memory, before)
    end.take(server.close([(0, 0)], sent))
    assert np.array_equal(end.memory, before - sent)
    end.take(server.close([(0, 0)], sent))
    assert np.array_equal(end.memory, before - sent)


def test_what_may_still_be_counted_is_not_sent_again_and_what_is_lost_is():
    server, end = SmallServer(replace(SETTINGS, max_lateness=1)), None
    end = device_end(0, settings=server.settings)
    nothing = np.zeros(LAYOUT.size, np.float32)
    first = end.give(learned(end.weights - nothing_but(3, 5.0)))
    assert places_of(first, server) == [3]
    end.take(server.close([], nothing))
    second = end.give(learned(end.weights))
    assert places_of(second, server) == []
    end.take(server.close([], nothing))
    third = end.give(learned(end.weights))
    assert places_of(third, server) == [3]


def nothing_but(place: int, value: float) -> np.ndarray:
    array = np.zeros(LAYOUT.size, np.float32)
    array[place] = value
    return array


def places_of(packed: bytes, server: SmallServer) -> list[int]:
    update, _ = message.read_update(packed, server.settings.run_id, 1 << 20)
    return code.decode(update.payload, LAYOUT).positions.tolist()


def test_who_missed_rounds_asks_and_takes_all_at_once():
    server, end, away = SmallServer(), device_end(0), device_end(1)
    learn(away, 1)
    total = np.zeros(LAYOUT.size, np.float32)
    told = []
    for round_ in range(3):
        learn(end, 0)
        told.append(server.close([(0, round_)], total + sent_by(end)))
        end.take(told[-1])
    before = away.weights
    assert away.take(told[2]) == Standing.MISSED
    assert away.weights is before
    asked = message.read_ask(away.ask(), SETTINGS.run_id)
    assert (asked.device, asked.round_) == (1, 0)
    assert away.take(message.pack_several(told)) == Standing.CURRENT
    assert away.weights.tobytes() == server.weights.tobytes()
    assert away.take(told[1]) == Standing.KNOWN


def test_devices_take_turns():
    chosen = replace(SETTINGS, n_groups=3)
    server, end = SmallServer(chosen), device_end(1, settings=chosen)
    turns = []
    for _ in range(7):
        turns.append(end.work() is not None)
        end.take(server.close([], np.zeros(LAYOUT.size, np.float32)))
    assert turns == [False, True, False, False, True, False, False]


@pytest.mark.parametrize("outer_momentum", [0.0, 0.9])
def test_a_snapshot_tells_what_was_counted_of_a_device_that_was_away(outer_momentum):
    chosen = replace(SETTINGS, outer_momentum=outer_momentum)
    server, away = SmallServer(chosen), device_end(1, settings=chosen)
    learn(away, 1)
    before, sent = away.memory, sent_by(away, chosen)
    for _ in range(5):
        server.close([], sent)
    assert away.take(server.snapshot(1, [(1, 0)])) == Standing.CURRENT
    assert away.weights.tobytes() == server.weights.tobytes()
    assert np.array_equal(away.memory, before - sent)
    assert away.round_ == 5
    assert away.take(server.close([], sent)) == Standing.CURRENT


def test_a_snapshot_for_another_device_is_refused():
    """It would make this one believe that nothing of its own was counted."""
    server, end = SmallServer(), device_end(1)
    learn(end, 1)
    server.close([(1, 0)], sent_by(end))
    with pytest.raises(MessageError, match="signature is wrong"):
        end.take(server.snapshot(2, [(2, 0)]))
    assert end.round_ == 0


def test_of_several_messages_all_are_taken_or_none():
    server, end = SmallServer(), device_end(1)
    nothing = np.zeros(LAYOUT.size, np.float32)
    told = [server.close([], nothing + 1) for _ in range(3)]
    before = end.weights.tobytes()
    spoilt = told[2][:-1] + bytes([told[2][-1] ^ 1])
    with pytest.raises(MessageError, match="signature is wrong"):
        end.take(message.pack_several([*told[:2], spoilt]))
    assert (end.round_, end.weights.tobytes()) == (0, before)


def test_an_update_tells_in_which_turns_the_device_trained():
    chosen = replace(SETTINGS, n_groups=2)
    server, end = SmallServer(chosen), device_end(0, settings=chosen)
    told = {}
    for round_ in range(42):
        if round_ in (0, 2, 8, 10, 40):
            update, _ = message.read_update(learn(end, 0), chosen.run_id, 1 << 20)
            told[round_] = update.trained
        end.take(server.close([], np.zeros(LAYOUT.size, np.float32)))
    assert told == {0: 0, 2: 0b1, 8: 0b1100, 10: 0b11001, 40: 0b11 << 14}


def test_statistics_are_told_once_and_kept(tmp_path):
    chosen = replace(SETTINGS, n_statistics=4, frozen_from_round=2, outer_momentum=0.9)
    server, end = SmallServer(chosen), device_end(0, tmp_path, chosen)
    away = device_end(1, settings=chosen)
    nothing = np.zeros(LAYOUT.size, np.float32)
    statistics = np.array([1.5, -2.0, 0.1, 3.0], np.float32)
    end.take(server.close([], nothing + 1))
    work = end.work()
    assert work is not None
    assert work.statistics is None
    end.take(server.freeze(statistics))
    end = device_end(0, tmp_path, chosen)
    end.take(server.close([], nothing + 1))
    away.take(server.snapshot(1, []))
    for one in (end, away):
        work = one.work()
        assert work is not None
        assert work.statistics is not None
        assert work.statistics.tobytes() == statistics.tobytes()
        assert one.held.hash == server.held.hash


def test_statistics_that_are_missing_or_not_finite_are_refused():
    chosen = replace(SETTINGS, n_statistics=4, frozen_from_round=1)
    end = device_end(0, settings=chosen)
    with pytest.raises(MessageError, match="not finite"):
        end.take(SmallServer(chosen).freeze(np.full(4, np.nan, np.float32)))
    with pytest.raises(MessageError, match="round 0 tells 4 statistics, and has 8 bytes"):
        end.take(SmallServer(chosen).freeze(np.zeros(2, np.float32)))


@pytest.mark.parametrize(("memory", "momentum"), [("float32", 0.0), ("int8", 0.9)])
def test_whenever_it_is_killed_the_same_bytes_follow(tmp_path, memory, momentum):
    chosen = replace(SETTINGS, memory=memory, outer_momentum=momentum)
    undisturbed, server = device_end(0, settings=chosen), SmallServer(chosen)
    for round_ in range(4):
        killed = device_end(0, tmp_path, chosen)  # before training
        wanted = learn(undisturbed, 0)
        train(killed.weights, round_, 0)
        killed = device_end(0, tmp_path, chosen)  # within training
        assert learn(killed, 0) == wanted
        killed = device_end(0, tmp_path, chosen)  # before it was sent
        assert killed.update == wanted
        assert killed.work() is None
        told = server.close([(0, round_)] if round_ != 1 else [], sent_of(wanted, chosen))
        undisturbed.take(told)
        killed.take(told)
        killed = device_end(0, tmp_path, chosen)  # after the round
        assert killed.take(told) == Standing.KNOWN
        assert killed.weights.tobytes() == server.weights.tobytes()
        assert killed.memory.tobytes() == undisturbed.memory.tobytes()
    assert killed.damage is None


def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path):
    server, undisturbed = SmallServer(), device_end(0)
    told = []
    for round_ in range(30):
        learn(undisturbed, 0)
        accepted = [(0, round_ - 1)] if round_ % 3 == 1 else [(0, round_)] if round_ % 3 else []
        told.append(server.close(accepted, sent_by(undisturbed)))
        undisturbed.take(told[-1])
    moments = np.random.default_rng(0)
    n_kills, has_ended = 0, False
    while not has_ended:
        child = os.fork()
        if not child:
            go_on(device_end(0, tmp_path), told)
            os._exit(0)
        time.sleep(moments.uniform(0, 0.006 * (5 + n_kills)))
        os.kill(child, signal.SIGKILL)
        has_ended = os.WIFEXITED(os.waitpid(child, 0)[1])
        n_kills += not has_ended
    end = device_end(0, tmp_path)
    assert end.damage is None
    assert end.held.hash == server.held.hash
    assert end.memory.tobytes() == undisturbed.memory.tobytes()
    assert n_kills >= 3


def go_on(end: DeviceEnd, told: list[bytes]) -> None:
    for message_ in told[end.round_ :]:
        if end.work():
            learn(end, 0)
        end.take(message_)


def test_a_full_disk_changes_nothing_and_the_same_bytes_follow(tmp_path, monkeypatch):
    end = device_end(0, tmp_path)
    learned = train(end.weights, 0, 0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable.StagedFile, "commit", full)
        with pytest.raises(OSError, match="no space left"):
            end.give(learned)
    assert end.update == b""
    assert not end.memory.any()
    assert end.give(learned) == device_end(0).give(learned)


def sent_of(packed: bytes, chosen) -> np.ndarray:
    update, _ = message.read_update(packed, chosen.run_id, 1 << 20)
    return code.decode(update.payload, LAYOUT).dense(LAYOUT)


def test_scales_are_told_where_the_run_has_them():
    chosen = replace(SETTINGS, has_scales=True)
    packed = learn(device_end(0, settings=chosen), 0)
    update, _ = message.read_update(packed, chosen.run_id, 1 << 20)
    assert any(code.decode(update.payload, LAYOUT).scales)


def test_int8_memory_is_off_by_less_than_a_unit():
    chosen = replace(SETTINGS, memory="int8")
    end, exact = device_end(0, settings=chosen), device_end(0)
    learn(end, 0)
    learn(exact, 0)
    units = np.repeat(
        Int8Memory.store(exact.memory, LAYOUT, (0, 0, 1)).units, np.diff(LAYOUT.starts)
    )
    assert (np.abs(end.memory - exact.memory) < 1.001 * units).all()


def test_a_damaged_state_is_set_aside_and_a_snapshot_mends_it(tmp_path: Path):
    server, end = SmallServer(), device_end(0, tmp_path)
    learn(end, 0)
    end.take(server.close([(0, 0)], sent_of(learn_bytes := end.update, SETTINGS)))
    assert learn_bytes
    state = tmp_path / "state"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    end = device_end(0, tmp_path)
    assert end.damage == (
        "the state of the training is damaged: its checksum is wrong; it is kept as state.damaged-1"
    )
    assert end.take(server.close([], np.ones(LAYOUT.size, np.float32))) == Standing.MISSED
    assert end.take(server.snapshot(0, [(0, 0)])) == Standing.CURRENT
    assert end.weights.tobytes() == server.weights.tobytes()


def test_a_state_that_is_far_too_long_is_not_read(tmp_path):
    (tmp_path / "state").write_bytes(bytes(2 << 20))
    end = device_end(0, tmp_path)
    assert end.damage is not None
    assert "has 2097152 bytes, 1394688 at most" in end.damage
    assert learn(end, 0) == learn(device_end(0), 0)


def test_the_state_of_a_network_of_many_parameters_is_read_again(tmp_path):
    layout = Layout(("wide",), ((3000, 500),))
    key, server = device_key(0), device_key(1).public_key()
    weights = values(0, layout)

    def many() -> DeviceEnd:
        return DeviceEnd(SETTINGS, layout, 0, key, server, weights, tmp_path)

    packed = many().give(learned(weights + 1))
    assert many().update == packed
    assert many().damage is None


def test_the_state_of_another_run_is_set_aside(tmp_path):
    learn(device_end(0, tmp_path), 0)
    other = device_end(0, tmp_path, replace(SETTINGS, seed=5))
    assert other.damage is not None
    assert other.damage.startswith("the state of the training is of run")


def test_dense_rounds_carry_the_weights_themselves():
    chosen = replace(SETTINGS, up_bytes=(0,), down_bytes=(0,))
    end = device_end(0, settings=chosen)
    learned = train(end.weights, 0, 0)
    update, _ = message.read_update(end.give(learned), chosen.run_id, 1 << 20)
    sent = message.read_whole(update.payload, LAYOUT.size)
    assert sent.tobytes() == learned.weights.tobytes()
    assert not end.memory.any()


def test_training_that_diverged_is_told_and_changes_nothing():
    end = device_end(0)
    with pytest.raises(ValueError, match="diverged"):
        end.give(learned(end.weights * np.float32(np.inf)))
    assert end.update == b""


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_garbage_changes_nothing(data):
    server, end = SmallServer(), device_end(0)
    told = server.close([(0, 0)], np.ones(LAYOUT.size, np.float32))
    at = data.draw(st.integers(0, len(told) - 1))
    spoilt = told[:at] + data.draw(st.binary(max_size=8)) + told[at + 1 :]
    before = end.weights.tobytes()
    if spoilt != told:
        try:
            assert end.take(spoilt) in (Standing.MISSED, Standing.KNOWN)
        except MessageError as refusal:
            sentence = str(refusal)
            assert len(sentence) > 20
        assert end.weights.tobytes() == before
    assert end.take(told) == Standing.CURRENT
