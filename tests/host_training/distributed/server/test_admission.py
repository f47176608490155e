"""Admission: what a stranger or a liar sends is refused in a sentence, and costs nobody else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from link.update import message
from link.update.message import MessageError
from tests.worlds.small_global import World, key

CODED: dict[str, Any] = dict(up_bytes=(300,), down_bytes=(400,))


def test_what_a_stranger_or_a_liar_sends_is_refused_in_a_sentence_and_changes_nothing():
    world = World(n_devices=2, **CODED)
    run_server, [one, other] = world.server, world.devices
    good = one.update()
    run, base = world.settings.run_id, run_server.hash

    def refused(update: bytes, words: str) -> None:
        with pytest.raises(MessageError, match=words):
            run_server.receive(update, now_s=1.0)

    def signed(number: int, **changes) -> bytes:
        told, _ = message.read_update(good, run, 1000)
        return message.pack_update(replace(told, **changes), run, base, key(number))

    refused(b"", "without a byte|of 0 bytes")
    refused(good[:-1], "signature|bytes")
    refused(signed(1, device=0), "signature")
    refused(signed(7, device=7), "device 7 is not of this run")
    refused(signed(0, round_=3), "is in round 3, the server in 0")
    refused(signed(0, n_images=60_000), "60000 images")
    refused(signed(0, payload=bytes(280)), "device 0")
    refused(signed(0, payload=bytes(300)), "has room for 300")
    run_server.receive(good, now_s=1.0)
    run_server.receive(good, now_s=2.0)
    run_server.receive(other.update(), now_s=2.0)
    closed = run_server.close(now_s=2.0)
    assert closed is not None
    assert closed.accepted == ((0, 0), (1, 0))
    refused_late = signed(0)
    run_server.receive(refused_late, now_s=3.0)  # was counted: known, and not again
    assert run_server.close(now_s=1e9) is None


def test_a_device_is_heard_in_its_turns_alone_and_not_once_for_every_round():
    world = World(n_devices=4, n_groups=2, n_rounds=8, **CODED)
    world.round_trip(silent=(1, 3))
    liar, base = world.devices[0], world.server.hash
    world.tell(liar)
    world.tell(world.devices[1])
    honest, _ = message.read_update(world.devices[1].update(), world.settings.run_id, 1000)
    out_of_turn = replace(honest, device=0, round_=1)
    with pytest.raises(MessageError, match="in which it was not asked"):
        world.server.receive(
            message.pack_update(out_of_turn, world.settings.run_id, base, key(0)), now_s=11.0
        )


def test_what_a_device_says_is_authentic_by_its_own_key_alone():
    world = World(n_devices=2, **CODED)
    ask = world.devices[0].end.ask()
    assert world.server.authentic(ask) == message.Ask(0, 0)
    for forged, why in (
        (ask[:-1] + bytes([ask[-1] ^ 1]), "signature is wrong"),
        (message.pack_ask(message.Ask(0, 0), world.settings.run_id, key(1)), "signature is wrong"),
        (message.pack_ask(message.Ask(0, 5), world.settings.run_id, key(5)), "not of this run"),
        (message.pack_ask(message.Ask(9, 0), world.settings.run_id, key(0)), "is in round 9"),
    ):
        with pytest.raises(MessageError, match=why):
            world.server.authentic(forged)


def test_any_bytes_are_refused_or_taken_and_never_a_crash():
    world, rng = World(n_devices=1, **CODED), np.random.default_rng(0)
    good = world.devices[0].update()
    for _ in range(300):
        damaged = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 4)):
            damaged[place] ^= int(rng.integers(1, 256))
        with pytest.raises(MessageError):
            world.server.receive(bytes(damaged[: rng.integers(len(good) + 1)]), now_s=0.0)


def test_too_late_is_refused():
    world = World(n_devices=2, n_rounds=9)
    late = world.devices[1].update()
    for _ in range(5):
        world.round_trip(silent=(1,))
    with pytest.raises(MessageError, match="of round 0, this is round 5"):
        world.server.receive(late, now_s=0.0)
