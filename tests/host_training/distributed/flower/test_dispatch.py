"""Dispatch between a real server and real devices' ends; what lies between is the test's."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from host_training.distributed.flower.dispatch import Dispatch
from host_training.distributed.flower.wire import Errand
from host_training.distributed.server.rules import Rules
from link.update import message
from tests.worlds.small_global import Device, World

GATEWAYS = {0: (0, 1), 1: (2, 3)}
CODED = dict(n_rounds=4, up_bytes=(300,), down_bytes=(400,))


def world(folder: Path | None = None, **rules: float) -> World:
    return World(n_devices=4, folder=folder, rules=Rules(is_filtered=False, **rules), **CODED)  # type: ignore[arg-type]


def answer(device: Device, told: bytes) -> bytes:
    """As `latentlink learn` does."""
    if told:
        device.end.take(told)
    return device.update()


class Field:
    """Gateways and devices; time passes ten seconds an errand."""

    def __init__(self, world: World) -> None:
        self.world, self.now_s = world, 0.0
        self.dispatch = Dispatch(world.server, GATEWAYS)
        self.answer: Callable[[Device, bytes], bytes] = answer
        self.refused: list[str] = []
        self.dead: set[int] = set()
        "Gateways from which nothing comes back."
        self.silent: set[int] = set()
        "Devices."
        self.sent: list[tuple[float, Errand]] = []

    def tour(self) -> None:
        """An errand for every gateway that is due, then the round if it is over."""
        for errand in self.dispatch.errands(self.now_s):
            self.sent.append((self.now_s, errand))
            if errand.gateway in self.dead:
                self.dispatch.failed(errand.gateway, self.now_s)
                continue
            answers = {
                number: self.answer(self.world.devices[number], told)
                for number, told in errand.messages.items()
                if number not in self.silent
            }
            back = {number: said for number, said in answers.items() if said}
            self.refused += self.dispatch.came_back(errand.gateway, back, self.now_s)
        self.now_s += 10.0
        self.world.server.close(self.now_s)

    def to_the_end(self) -> None:
        for _ in range(60):
            if not self.world.server.is_finished:
                self.tour()
        assert self.world.server.is_finished


def by_hand() -> bytes:
    """The hash of the same run whose server and devices talk directly."""
    one = world()
    for _ in range(4):
        one.round_trip()
    return one.server.hash


def test_a_run_over_gateways_is_the_run_itself():
    field = Field(world())
    field.to_the_end()
    assert field.world.server.hash == by_hand()
    assert field.refused == []
    assert len(field.sent) == 4 * len(GATEWAYS), "one errand a gateway and round"


def test_after_the_end_every_device_can_have_the_last_weights():
    field = Field(world())
    field.to_the_end()
    for errand in field.dispatch.last_errands():
        for number, told in errand.messages.items():
            assert answer(field.world.devices[number], told) == b""
            assert field.world.devices[number].end.round_ == 4
    weights = field.world.server.weights.tobytes()
    assert all(each.end.weights.tobytes() == weights for each in field.world.devices)


def test_a_gateway_that_is_dead_or_a_device_that_is_silent_stops_no_round():
    for hurt in ("dead", "silent"):
        field = Field(world(quorum=0.5, longest_s=100))
        getattr(field, hurt).update({1} if hurt == "dead" else {3})
        field.to_the_end()
        missing = {2, 3} if hurt == "dead" else {3}
        assert {device for counted in field.world.server.accepted for device, _ in counted} == {
            0,
            1,
            2,
            3,
        } - missing


def test_who_is_silent_is_asked_less_and_less_often():
    field = Field(world(longest_s=1e9, quorum=1.0))
    field.silent = {2, 3}
    for _ in range(40):
        field.tour()
    times = [now_s for now_s, errand in field.sent if errand.gateway == 1]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 60.0
    assert [set(errand.messages) for _, errand in field.sent[2:]] == [{2, 3}] * (len(times) - 1)


def test_who_was_away_for_some_rounds_asks_and_gets_what_it_missed():
    field = Field(world(quorum=0.5, longest_s=100))
    field.silent = {3}
    while field.world.server.round_ < 2:
        field.tour()
    field.silent.clear()

    def answer_or_ask(device: Device, told: bytes) -> bytes:
        if told and device.end.take(told).value == "missed":
            return device.end.ask()
        return device.update()

    field.answer = answer_or_ask
    field.to_the_end()
    counted = [device for round_ in field.world.server.accepted for device, _ in round_]
    assert counted.count(3) >= 1
    assert field.world.devices[3].end.round_ >= 3


def test_a_server_that_was_killed_in_a_round_goes_on_to_the_same_hash(tmp_path):
    field = Field(world(tmp_path))
    for _ in range(2):
        field.tour()
    [first, *_] = field.dispatch.errands(field.now_s)
    answers = {
        number: answer(field.world.devices[number], told) for number, told in first.messages.items()
    }
    field.dispatch.came_back(
        first.gateway, answers, field.now_s
    )  # and nothing of it is on the disk
    field.world.server = field.world.new_server()
    field.dispatch = Dispatch(field.world.server, GATEWAYS)
    assert field.world.server.round_ == 2
    field.to_the_end()
    assert field.world.server.hash == by_hand()


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (lambda device, update: b"\xff" * 80, "begins with|kind"),
        (lambda device, update: update[:-1] + bytes([update[-1] ^ 1]), "signature is wrong"),
        (lambda device, update: device.end.ask()[:-70], "bytes"),
    ],
)
def test_a_device_that_says_nonsense_is_told_of_and_asked_again_only_in_the_next_round(lie, why):
    field = Field(world(quorum=0.5, longest_s=100))

    def lying(device: Device, told: bytes) -> bytes:
        said = answer(device, told)
        return lie(device, said) if device.number == 3 else said

    field.answer = lying
    field.to_the_end()
    assert 1 <= len(field.refused) <= 4 * 3
    assert all(re.search(why, sentence) for sentence in field.refused)


def test_an_ask_that_was_recorded_and_is_played_again_buys_one_answer_an_hour():
    rules = Rules(is_filtered=False, quorum=0.5, longest_s=100)
    field = Field(World(n_devices=4, rules=rules, **{**CODED, "n_rounds": 10}))  # type: ignore[arg-type]
    recorded = field.world.devices[3].end.ask()
    said: list[int] = []

    def playing(device: Device, told: bytes) -> bytes:
        if device.number != 3:
            return answer(device, told)
        said.append(len(message.read_several(told)) if told else 0)
        return answer(device, told) if len(said) % 2 else recorded

    field.answer = playing
    field.to_the_end()
    assert sum(n > 2 for n in said) == 1, "it was sent once again what it had"
    assert all("somebody plays what it said before" in sentence for sentence in field.refused)
    assert field.refused


def test_an_ask_that_nobody_signed_moves_nothing():
    field = Field(world(quorum=0.5, longest_s=100))
    field.tour()
    field.tour()
    forged = bytearray(field.world.devices[3].end.ask())
    forged[-1] ^= 1
    field.answer = lambda device, told: (
        bytes(forged) if device.number == 3 else answer(device, told)
    )
    before = field.dispatch._devices[3].round_
    field.tour()
    assert field.dispatch._devices[3].round_ == before
    assert field.refused
    assert "signature is wrong" in field.refused[0]


def test_an_update_at_another_devices_place_is_refused():
    field = Field(world(quorum=0.5, longest_s=100))
    own = field.world.devices[0]
    field.answer = lambda device, told: answer(own if device.number == 1 else device, told)
    field.tour()
    assert field.refused == [
        "where device 1 is expected device 0 answers; give each its own socket"
    ]


def test_a_device_behind_two_gateways_is_refused():
    with pytest.raises(ValueError, match="behind two gateways"):
        Dispatch(world().server, {0: (0, 1), 1: (1, 2)})
