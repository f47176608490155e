"""Channel: several nodes and a host with gateways in virtual time; frames that overlap are lost."""

import heapq
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import numpy as np

from host_decoder.receive.ends import slot_period_s
from link.emulator.air import Air, Reception, Tuning
from link.emulator.channel import UNIMPAIRED, Impairments
from link.host.interface import Downlink, HelloHeard, NodeEntry, Reason, Rejected, Update
from link.host.receiver import Receiver
from link.medium.airtime import UartConfig
from link.medium.profiles import get_profile
from link.medium.time_slots import DRIFT
from link.medium.timing import LinkTiming
from link.node.interface import Outgoing, SenderOptions
from link.wire.packet import Header, PacketType
from tests.worlds.ends import OutboxNode
from tests.worlds.small_bundle import make_bundle

TURNAROUND_S = 0.02
ROUNDING_S = 1e-6
"From one clock to another and back."
SETTLED_AFTER = 10
"Mean intervals between images, after which each node should have been told the slot that it keeps."
STEPS_PER_IMAGE = 2000
"More than any run takes: beyond it the ends do not come to an end."
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"Where files cost no time."


@dataclass(frozen=True)
class Scenario:
    """What is simulated."""

    n_nodes: int = 8
    n_images: int = 200
    "Images of each node."
    interval_s: float = 20.0
    "Mean time between two images of a node; exponentially distributed."
    image_bytes: int = 20
    has_slots: bool = False
    n_gateways: int = 1
    impairments: Impairments = UNIMPAIRED
    "What happens on each path by itself; collisions come on top."
    profile: str = "lora-sf7"
    seed: int = 1


class Station:
    """A node on the air, on a clock of its own."""

    def __init__(self, number: int, end: OutboxNode, random: Random) -> None:
        self.number = number
        self.end = end
        self._rate = 1 + random.uniform(-DRIFT, DRIFT)
        self._offset_s = random.uniform(0, 1e5)
        self.due_s: float | None = None
        "When it is to be asked next, on the host's clock."
        self.is_speaking = False

    def own_s(self, now_s: float) -> float:
        return self._offset_s + now_s * self._rate

    def ask(self, now_s: float) -> Outgoing | None:
        return None if self.is_speaking else self.end.sender.next_packet(self.own_s(now_s))

    def look_ahead(self, now_s: float) -> None:
        own_s = None if self.is_speaking else self.end.sender.next_due_s(self.own_s(now_s))
        self.due_s = (
            None
            if own_s is None
            else max(now_s, (own_s - self._offset_s) / self._rate + ROUNDING_S)
        )

    def hear(self, heard: Reception, now_s: float) -> None:
        self.end.sender.receive(heard.packet, self.own_s(now_s))


class Channel:
    """One run: stations 0 … n_nodes - 1 on the air are nodes, those behind them gateways."""

    def __init__(self, scenario: Scenario, folder: Path, files: ExitStack) -> None:
        self.scenario = scenario
        self._random = Random(scenario.seed)
        self._timing = LinkTiming(get_profile(scenario.profile), TURNAROUND_S)
        medium = self._timing.profile.medium
        assert not isinstance(medium, UartConfig)
        self._tuning = Tuning(medium)
        self.air = Air(scenario.n_nodes + scenario.n_gateways, scenario.impairments, scenario.seed)
        bundle = make_bundle(folder / "bundle")
        keys = {node: self._random.randbytes(16) for node in range(1, scenario.n_nodes + 1)}
        self.stations = [self._station(node, key, folder, bundle) for node, key in keys.items()]
        for station in self.stations:
            files.enter_context(closing(station.end.outbox))
        entries = {node: NodeEntry(key, bundle) for node, key in keys.items()}
        self.host = Receiver(entries, self._timing)
        self._slotted: set[int] = set()
        self._host_due_s: float | None = None
        self._is_host_speaking = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._n_left = dict.fromkeys(keys, scenario.n_images)
        self.now_s = 0.0
        self.captured_s: dict[tuple[int, int], float] = {}
        self.first_heard_s: dict[tuple[int, int], float] = {}
        self.chunks: Counter[tuple[int, int, int]] = Counter()
        "How often each was given to the application."
        self.n_frames: Counter[PacketType] = Counter()
        self.rejected: Counter[Reason] = Counter()
        self.best: dict[int, tuple[int, dict[int, float]]] = {}
        "By node: its packet heard last, and how well each gateway heard that."
        self.answered_by: Counter[int] = Counter()
        self.n_worse = 0
        "Answers that went through another gateway than the best."
        self._settled = (0.0, 0)
        "Frames that had collided, and all, when slots should have been settled."

    def _station(self, node: int, key: bytes, folder: Path, bundle) -> Station:
        own = folder / str(node)
        own.mkdir()
        options = SenderOptions(wants_slot=self.scenario.has_slots)
        end = OutboxNode(
            own,
            bundle,
            options,
            timing=self._timing,
            node=node,
            key=key,
            seed=self._random.randrange(1 << 32),
        )
        return Station(node - 1, end, self._random)

    def run(self) -> None:
        for station in self.stations:
            self._await_image(station)
            station.look_ahead(0.0)
        self._at(SETTLED_AFTER * self.scenario.interval_s, self._note_settled)
        for _ in range(STEPS_PER_IMAGE * self.scenario.n_images * self.scenario.n_nodes):
            if self._is_done:
                return
            self._step()
        raise AssertionError("the ends do not come to an end")

    @property
    def _is_done(self) -> bool:
        return not any(self._n_left.values()) and all(
            one.end.outbox.n_images == 0 for one in self.stations
        )

    def _step(self) -> None:
        """To the next moment at which anything happens; what is heard at once is heard before
        anyone answers.
        """
        times = [
            self.air.next_due_s(),
            self._host_due_s,
            self._events[0][0] if self._events else None,
        ]
        times += [station.due_s for station in self.stations]
        self.now_s = max(self.now_s, min(time_s for time_s in times if time_s is not None))
        for receiver, heard in self.air.pop(self.now_s):
            self._arrive(receiver, heard)
        while self._events and self._events[0][0] <= self.now_s:
            heapq.heappop(self._events)[2]()
        for station in self.stations:
            if station.due_s is not None and station.due_s <= self.now_s:
                self._poll(station)
        if self._host_due_s is not None and self._host_due_s <= self.now_s:
            self._poll_host()

    # The nodes

    def _await_image(self, station: Station) -> None:
        self._at(
            self.now_s + self._random.expovariate(1 / self.scenario.interval_s),
            lambda: self._capture(station),
        )

    def _capture(self, station: Station) -> None:
        node = station.end.node
        image = station.end.put(
            self._random.randbytes(self.scenario.image_bytes), now_s=station.own_s(self.now_s)
        )
        self.captured_s[node, image] = self.now_s
        self._n_left[node] -= 1
        if self._n_left[node]:
            self._await_image(station)
        station.look_ahead(self.now_s)

    def _poll(self, station: Station) -> None:
        if (outgoing := station.ask(self.now_s)) is not None:
            station.is_speaking = True
            self._transmit(
                station.number, outgoing, lambda end_s: self._transmitted(station, end_s)
            )
        station.look_ahead(self.now_s)

    def _transmitted(self, station: Station, end_s: float) -> None:
        station.is_speaking = False
        station.end.sender.transmitted(station.own_s(end_s))
        station.look_ahead(end_s)

    # The host

    def _arrive(self, receiver: int, heard: Reception) -> None:
        if receiver < self.scenario.n_nodes:
            self.stations[receiver].hear(heard, self.now_s)
            self.stations[receiver].look_ahead(self.now_s)
        else:
            self._host_hears(heard, receiver - self.scenario.n_nodes)

    def _host_hears(self, heard: Reception, gateway: int) -> None:
        self._note_quality(heard, gateway)
        for outcome in self.host.receive(heard.packet, self.now_s, heard.quality, gateway):
            if isinstance(outcome, Rejected):
                self.rejected[outcome.reason] += 1
            elif isinstance(outcome, HelloHeard) and outcome.hello.wants_slot:
                self._grant_slot(outcome.node)
            elif isinstance(outcome, Update):
                self.chunks[outcome.node, outcome.image, outcome.chunk.index] += 1
                self.first_heard_s.setdefault((outcome.node, outcome.image), self.now_s)
            if outcome.node is not None and outcome.counter is not None:
                self.host.confirm(outcome.node, outcome.counter)
        self._host_due_s = self.host.next_due_s(self.now_s)

    def _note_quality(self, heard: Reception, gateway: int) -> None:
        header = Header.unpack(heard.packet)
        if not PacketType(header.packet_type).is_uplink:
            return
        counter, by_gateway = self.best.get(header.node, (-1, {}))
        if counter != header.counter_low:
            by_gateway = {}
        assert heard.quality.rssi_dbm is not None
        self.best[header.node] = header.counter_low, by_gateway | {gateway: heard.quality.rssi_dbm}

    def _grant_slot(self, node: int) -> None:
        if node not in self._slotted:
            self._slotted.add(node)
            self.host.grant_slots(
                self._slotted, slot_period_s(self._timing, len(self._slotted)), self.now_s
            )

    def _poll_host(self) -> None:
        if not self._is_host_speaking and (downlink := self.host.next_packet(self.now_s)):
            by_gateway = self.best[downlink.node][1]
            self.answered_by[downlink.gateway] += 1
            self.n_worse += by_gateway.get(downlink.gateway) != max(by_gateway.values())
            self._is_host_speaking = True
            station = self.scenario.n_nodes + downlink.gateway
            self._at(
                self.now_s + TURNAROUND_S / 2,
                lambda: self._transmit(station, downlink, self._host_transmitted),
            )
        self._host_due_s = None if self._is_host_speaking else self.host.next_due_s(self.now_s)

    def _host_transmitted(self, end_s: float) -> None:
        self._is_host_speaking = False
        self.host.transmitted(end_s)
        self._host_due_s = self.host.next_due_s(end_s)

    # The air

    def _transmit(
        self, station: int, sent: Outgoing | Downlink, then: Callable[[float], None]
    ) -> None:
        end_s = self.air.transmit(station, sent.packet, self._tuning, self.now_s)
        self.n_frames[PacketType(Header.unpack(sent.packet).packet_type)] += 1
        self._at(end_s, lambda: then(end_s))

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), action))

    # What came of it

    @property
    def n_collided(self) -> float:
        """Frames; a collided one is destroyed at every other station."""
        return sum(one.frames_collided for one in self.air.statistics) / (self.air.n_stations - 1)

    def _note_settled(self) -> None:
        self._settled = self.n_collided, self.n_frames.total()

    @property
    def settled_collided_share(self) -> float:
        """The share of the frames that collided since slots should have been settled."""
        n_collided, n_frames = self._settled
        return (self.n_collided - n_collided) / (self.n_frames.total() - n_frames)

    def figures(self) -> dict[str, float]:
        n_images = len(self.captured_s)
        latency_s = [
            heard_s - self.captured_s[image] for image, heard_s in self.first_heard_s.items()
        ]
        airtime_s = [one.airtime_s for one in self.air.statistics]
        n_nodes = self.scenario.n_nodes
        return {
            "images": n_images,
            "delivered_share": len(self.first_heard_s) / n_images,
            "chunks_given_twice": sum(n > 1 for n in self.chunks.values()),
            "frames_collided_share": self.n_collided / self.n_frames.total(),
            "frames_collided_share_once_settled": self.settled_collided_share,
            "frames_per_image": self.n_frames.total() / n_images,
            "airtime_per_image_s": sum(airtime_s) / n_images,
            "node_airtime_per_image_s": sum(airtime_s[:n_nodes]) / n_images,
            "channel_busy_share": sum(airtime_s) / self.now_s,
            "median_latency_s": float(np.median(latency_s)),
            "p90_latency_s": float(np.percentile(latency_s, 90)),
            "duplicates_per_image": self.rejected[Reason.DUPLICATE] / n_images,
            "answers_through_second_gateway_share": self.answered_by[1]
            / max(1, self.answered_by.total()),
            "answers_through_worse_gateway": self.n_worse,
        }


def simulate(scenario: Scenario) -> Channel:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, ExitStack() as files:
        channel = Channel(scenario, Path(folder), files)
        channel.run()
        return channel
