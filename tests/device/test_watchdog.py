"""The watchdog is fed while packets leave, and no longer when they do not, whatever the reason."""

from itertools import pairwise

from device.transmission import PORT_PATIENCE_S
from link.carriers.carrier import DoesNotFit, NotSentError
from tests.worlds.virtual_node import VirtualNode

SOURCE = "loop = true\ninterval_s = 5"


class World(VirtualNode):
    """A radio to which something happens from 60 s until 360 s after the start."""

    def __init__(self, monkeypatch, home, **arguments):
        super().__init__(
            monkeypatch,
            home,
            home.config(source=SOURCE, **arguments.pop("config", {})),
            **arguments,
        )
        self.offered = []

    def send(self, packet):
        if 1060 <= self.now_s < 1360 and (answer := self.fail(packet)) is not None:
            return answer
        return super().send(packet)

    def fail(self, packet):
        raise NotImplementedError


def test_a_port_that_opens_and_takes_nothing_does_not_feed_it_for_ever(monkeypatch, home):
    class Stuck(World):
        def fail(self, packet):
            return False

    world = Stuck(monkeypatch, home)
    world.run(500.0)
    starved = [earlier for earlier, later in pairwise(world.fed_s) if later - earlier > 200]
    assert len(starved) == 1
    assert 1060 <= starved[0] <= 1060 + 5 + PORT_PATIENCE_S + 2
    assert len(world.updates) >= len(world.console.images) - 1, (
        "what was captured meanwhile is sent"
    )
    assert len(world.console.images) >= 98, "and captures went on"


def test_a_medium_that_is_closed_for_a_while_costs_neither_port_nor_airtime_nor_images(
    monkeypatch, home
):
    class Closed(World):
        def fail(self, packet):
            self.offered.append(self.now_s)
            raise NotSentError("no channel is free")

    link = 'region = "eu868"\nfrequency_hz = 869525000'
    world = Closed(
        monkeypatch,
        home,
        config={"profile": "lora-sf7-eu868", "link": link},
        profile="lora-sf7-eu868",
    )
    world.run(500.0)
    assert world.console.notices.count("no channel is free; what is to be sent is kept") == 1
    assert len(world.offered) <= 300 / 10 + 5, "it is not offered without end"
    assert max(later - earlier for earlier, later in pairwise(world.fed_s)) < 10
    assert len(world.updates) >= len(world.console.images) - 2
    spent_s = sum(outgoing.airtime_s for outgoing in world.console.packets)
    assert world.link.governor.ledger.used_s(0.0) <= spent_s + 1e-6


def test_a_modem_that_takes_short_packets_only_is_given_short_ones(monkeypatch, home):
    class Short(World):
        def fail(self, packet):
            if len(packet) > 28:
                raise DoesNotFit("too long for now", 28)

    world = Short(monkeypatch, home, is_host_there=lambda now_s: now_s > 1050)
    world.run(500.0)
    assert max(later - earlier for earlier, later in pairwise(world.fed_s)) < 10
    assert len(world.updates) >= len(world.console.images) - 1
