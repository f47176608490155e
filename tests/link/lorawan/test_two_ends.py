"""LoRaWAN whole: a node's outbox and module, a network that loses, a real broker, and the host's
end.
"""

import base64
from dataclasses import replace

import pytest

from device.outbox.outbox import Outbox
from link.coder import latent_coder
from link.coder.latent_coder import Latent
from link.emulator.modems import rn2483_mac
from link.emulator.modems.rn2483_mac import HARDWARE_EUI, Downlink
from link.host.interface import NodeEntry, Update
from link.lorawan.host.carrier import LoRaWan, NetworkSettings
from link.lorawan.host.receiver import LoRaWanReceiver
from link.lorawan.node.carrier import MacSettings, Rn2483Mac
from link.lorawan.node.sender import LoRaWanSender
from link.medium.governor import AirtimeLimit, Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import Equipment, Identity
from link.wire.packet import split
from tests.link.lorawan.node.test_sender import Counters
from tests.worlds.broker import (
    PATIENCE_S,
    FakeNetwork,
    broker,
    chirpstack_uplink,
    things_stack_uplink,
)
from tests.worlds.ends import latent_of
from tests.worlds.lorawan_network import APP_KEY, EmulatedNetwork, ModuleLine
from tests.worlds.small_bundle import make_bundle, random_symbols, random_tables
from tests.worlds.virtual import VirtualWorld

NODE = 7
TABLES = random_tables(seed=1, n_latents=40)
PROFILE = get_profile("lora-sf9-eu868")
DEVICES = {"chirpstack": HARDWARE_EUI.lower(), "things-stack": "camera-1"}
APPLICATIONS = {"chirpstack": "a1", "things-stack": "app@ttn"}


class World:
    """Virtual time on the air, the real thing from the network server on."""

    def __init__(self, monkeypatch, folder, port, server, losses, governor):
        self.folder = folder
        self.server = server
        self.port = port
        self.bundle = make_bundle(folder / "bundle", TABLES)
        self.broker_end = FakeNetwork(port)
        self.network = EmulatedNetwork(self.deliver, *losses)
        modem = rn2483_mac.Rn2483Mac(get_profile("rn2483-sf9"), self.network, channel_off=0)
        self.air = VirtualWorld(monkeypatch, "rn2483-sf9", ModuleLine(modem))
        self.outbox = Outbox(folder / "outbox")
        self.governor = governor
        self.counters = Counters(10_000)
        self.symbols: dict[int, list[int]] = {}
        self.received: dict[int, Update] = {}
        self.latents: dict[int, Latent] = {}
        self.state = self.told = None
        self.n_delivered = self.n_queued = 0
        self.heard: set[bytes] = set()
        self.start_node()
        self.start_host()

    def start_node(self):
        self.carrier = Rn2483Mac(MacSettings("a", NODE, APP_KEY, spreading_factor=9))
        timing = LinkTiming(PROFILE)
        self.sender = LoRaWanSender(
            Identity(NODE, self.bundle.id),
            Equipment(self.counters, self.outbox, self.governor, timing),
        )

    def start_host(self):
        device, application = DEVICES[self.server], APPLICATIONS[self.server]
        self.gateway = LoRaWan(
            NetworkSettings(
                server=self.server,
                host="127.0.0.1",
                application=application,
                devices={device: NODE},
                port=self.port,
            )
        )
        told = None if self.told is None else {NODE: self.told}
        entry = NodeEntry(b"", self.bundle, state=self.state)
        self.receiver = LoRaWanReceiver({NODE: entry}, LinkTiming(PROFILE), told)

    def deliver(self, uplink):
        """The network server hands an uplink on, and has it in the broker when this returns."""
        device, arguments = DEVICES[self.server], (uplink.frame_counter, uplink.port, uplink.body)
        if self.server == "chirpstack":
            topic, event = (
                f"application/a1/device/{device}/event/up",
                chirpstack_uplink(device, *arguments),
            )
            self.broker_end.publish(topic, event | {"devAddr": uplink.address.hex()})
        else:
            topic = f"v3/app@ttn/devices/{device}/up"
            self.broker_end.publish(
                topic, things_stack_uplink(device, *arguments, uplink.address.hex().upper())
            )
        self.n_delivered += 1

    def capture(self):
        image = self.counters.next()
        symbols = random_symbols(TABLES, seed=image)
        self.symbols[image] = symbols.tolist()
        pieces = split(latent_coder.encode(symbols, TABLES), 4, 4)
        self.outbox.put(image, pieces, captured_s=self.air.now_s)

    def step(self):
        """One uplink with all that follows; False when the node has nothing to send."""
        due_s = self.sender.next_due_s(self.air.now_s)
        if due_s is None:
            return False
        self.air.now_s = max(self.air.now_s, due_s)
        if outgoing := self.sender.next_packet(self.air.now_s):
            self.carrier.send(outgoing.packet)
            self.sender.transmitted(self.air.now_s)
            for one in self.carrier.receive(0.0):
                self.sender.receive(one.packet, self.air.now_s)
        self.listen()
        return True

    def listen(self):
        """The host takes what the broker has, and its answers reach the network's queue."""
        while len(self.heard) < self.n_delivered:
            received = self.gateway.receive(PATIENCE_S)
            assert received, "the broker kept an uplink back"
            for one in received:
                # what an earlier start of the host did not acknowledge comes again
                self.heard.add(one.packet)
                for outcome in self.receiver.receive(one.packet, self.air.now_s, one.quality):
                    self.take(outcome)
        while (downlink := self.receiver.next_packet(self.air.now_s)) is not None:
            self.gateway.send(downlink.packet)
            self.gateway.receive(0.0)
            self.n_queued += 1
            _, message = self.broker_end.wait_for_downlinks(self.n_queued)[-1]
            command = message if self.server == "chirpstack" else message["downlinks"][0]
            names = ("fPort", "data") if self.server == "chirpstack" else ("f_port", "frm_payload")
            self.network.queue.append(
                Downlink(command[names[0]], base64.b64decode(command[names[1]]))
            )

    def take(self, outcome):
        if outcome.counter is not None:
            self.state = self.receiver.state(NODE)
        if isinstance(outcome, Update):
            self.told = outcome.image
            self.received[outcome.image] = outcome
            self.latents[outcome.image] = latent_of(outcome)
            is_enough = outcome.image % 2 == 0 or outcome.is_complete
            self.receiver.confirm(NODE, outcome.counter, [outcome.image] if is_enough else [])

    def run(self):
        while self.step():
            pass

    def close(self):
        self.gateway.close()
        self.broker_end.close()
        self.outbox.close()


@pytest.fixture
def make_world(monkeypatch, tmp_path):
    made: list[World] = []
    with broker(tmp_path) as mosquitto:

        def make(server="chirpstack", losses=(0.0, 0.0), governor=None):
            made.append(
                World(monkeypatch, tmp_path, mosquitto.port, server, losses, governor or Governor())
            )
            return made[0]

        yield make
        for world in made:
            world.close()


def assert_all_arrived(world, n_images):
    assert set(world.received) == set(world.symbols)
    assert len(world.symbols) == n_images
    assert world.outbox.n_images == 0
    for image, update in world.received.items():
        latent = world.latents[image]
        known = latent.symbols[: latent.n_known].tolist()
        assert known == world.symbols[image][: latent.n_known]
        assert image % 2 == 0 or update.is_complete


@pytest.mark.parametrize("server", ["chirpstack", "things-stack"])
def test_images_arrive_and_verdicts_stop_them(make_world, server):
    world = make_world(server)
    for _ in range(10):
        world.capture()
        world.run()
    assert_all_arrived(world, 10)
    n_even = [update.n_chunks for image, update in world.received.items() if image % 2 == 0]
    n_odd = [update.n_chunks for image, update in world.received.items() if image % 2]
    assert max(n_even) < min(n_odd)
    figures = world.receiver.statistics(NODE)
    assert world.sender.statistics.n_stopped == figures.n_downlink == 5
    # each was on its way when the verdict on the one before it was
    assert figures.n_chunks_unneeded == 5


def test_nothing_is_lost_where_a_third_of_all_frames_and_answers_are(make_world):
    world = make_world(losses=(0.33, 0.33))
    for _ in range(20):
        world.capture()
        world.step()
    world.run()
    assert_all_arrived(replace_lost_refinements(world), 20)
    figures = world.receiver.statistics(NODE)
    n_lost = world.sender.statistics.n_packets - world.network.n_heard
    # before the first and behind the last nobody can tell
    assert n_lost - 5 <= figures.losses.n <= n_lost
    assert figures.n_received == world.network.n_heard


def replace_lost_refinements(world):
    """A refinement that was lost too often is given up: such an image is as good as it became."""
    assert world.sender.statistics.n_refinements_dropped < 15
    for image, update in world.received.items():
        if not update.is_complete:
            world.received[image] = replace(update, is_complete=True)
    return world


def test_both_programs_may_start_again_at_any_time(make_world):
    world = make_world(losses=(0.2, 0.2))
    for n in range(24):
        world.capture()
        world.step()
        if n % 5 == 2:
            world.gateway.close()
            world.start_host()
        if n % 7 == 3:
            world.carrier.close()
            world.start_node()
    world.run()
    assert_all_arrived(replace_lost_refinements(world), 24)
    assert world.network.n_joined == 1


def test_where_airtime_is_short_images_share_frames(make_world):
    limit = AirtimeLimit(3600.0, 36.0)
    world = make_world(governor=Governor([limit]))
    for _ in range(60):
        world.capture()
    world.run()
    assert_all_arrived(world, 60)
    statistics = world.sender.statistics
    # HELLO, and packets with base chunks
    assert statistics.n_packets - (statistics.n_chunks - 60) < 10
