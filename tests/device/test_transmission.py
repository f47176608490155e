"""A packet is on its way until it has left, whatever its port does, and its airtime is charged for
when it may have been on the air.
"""

import pytest

from device.transmission import LONGEST_OFFER_S, PORT_PATIENCE_S, RECHARGE_S, Transmission
from link.carriers.carrier import DoesNotFit, NotSentError
from link.medium.governor import AirtimeLimit, Governor
from link.node.interface import Outgoing
from link.wire.packet import PacketType

AIRTIME_S = 0.5


class Port:
    """Takes packets, or does what a test says."""

    is_open = True

    def __init__(self):
        self.outcome: bool | Exception = True
        self.offered = 0

    def send(self, packet):
        self.offered += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class World:
    """One transmission on a clock that a test moves."""

    def __init__(self):
        self.now_s = 100.0
        self.port = Port()
        self.governor = Governor([AirtimeLimit(3600.0, 36.0)])
        self.said: list[str] = []
        port = self.port
        self.transmission = Transmission(port, self.governor, self.said.append)  # type: ignore[arg-type]

    def begin(self):
        self.governor.occupy(AIRTIME_S, self.now_s)
        self.transmission.begin(
            Outgoing(b"packet", PacketType.DATA, AIRTIME_S, (), False), self.now_s
        )
        self.transmission.go_on(self.now_s)

    def pass_time(self, duration_s, step_s=0.5):
        for _ in range(round(duration_s / step_s)):
            self.now_s += step_s
            self.transmission.go_on(self.now_s)

    @property
    def used_s(self):
        return self.governor.ledger.used_s(0.0)


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr("device.transmission.boot_s", lambda: world.now_s)
    return world


def test_a_packet_is_on_its_way_for_its_airtime(world):
    world.begin()
    assert world.transmission.end_s == 100.0 + AIRTIME_S
    assert world.transmission.take_end(100.0) is None
    assert not world.transmission.is_over
    assert world.transmission.take_end(101.0) == 100.0 + AIRTIME_S
    assert world.transmission.is_over
    assert world.transmission.take_end(102.0) is None
    assert world.port.offered == 1


def test_a_packet_that_waits_for_its_port_is_charged_for_when_it_leaves(world):
    world.port.is_open = False
    world.port.outcome = False
    world.begin()
    world.pass_time(3 * RECHARGE_S)
    world.port.outcome = True
    world.pass_time(1.0)
    assert world.transmission.end_s == pytest.approx(world.now_s, abs=1.0)
    assert world.used_s >= AIRTIME_S
    assert world.governor.ledger.used_s(world.now_s - RECHARGE_S - 1) >= AIRTIME_S


def test_what_may_have_been_on_the_air_when_its_port_failed_is_charged_twice(world):
    world.port.outcome = False
    world.begin()
    world.port.outcome = True
    world.pass_time(1.0)
    assert world.used_s == pytest.approx(2 * AIRTIME_S)


def test_what_did_not_leave_costs_nothing_and_is_offered_again_ever_more_rarely(world):
    world.port.outcome = NotSentError("no channel is free")
    world.begin()
    assert world.used_s == 0.0
    world.pass_time(60.0)
    assert 60 / LONGEST_OFFER_S <= world.port.offered <= 60 / LONGEST_OFFER_S + 5
    assert world.said == ["no channel is free; what is to be sent is kept"]
    world.port.outcome = True
    world.pass_time(LONGEST_OFFER_S)
    assert world.transmission.end_s is not None
    assert world.used_s == pytest.approx(AIRTIME_S)


def test_what_does_not_fit_is_over(world):
    world.port.outcome = DoesNotFit("too long", 20)
    with pytest.raises(DoesNotFit):
        world.begin()
    assert world.transmission.is_over


def test_a_port_that_takes_nothing_for_long_is_not_well_until_something_leaves(world):
    world.port.outcome = False
    world.begin()
    assert world.transmission.is_well(world.now_s)
    world.pass_time(PORT_PATIENCE_S)
    assert not world.transmission.is_well(world.now_s)
    world.port.outcome = True
    world.pass_time(RECHARGE_S)
    assert world.transmission.is_well(world.now_s)
