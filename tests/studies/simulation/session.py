"""Session: one simulated run of both ends over a channel that loses frames, in virtual time."""

import heapq
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random

import numpy as np

from device.outbox.outbox import Outbox
from link.emulator.channel import GilbertElliott, LossModel, NoLoss
from link.host.interface import NodeEntry, NodeState, Update
from link.host.receiver import Receiver
from link.medium.governor import Governor
from link.medium.profiles import get_profile
from link.medium.regions import governor_for
from link.medium.timing import LinkTiming
from link.node.interface import Equipment, Identity
from link.node.packing import FIRST_CHUNK_OVERHEAD_BYTES
from link.node.sender import Sender
from link.security.keys import CounterStore, provision
from tests.worlds.small_bundle import make_bundle

NODE, HOST = 1, 0
HOUR_S = 3600.0
FREQUENCY_HZ = 869_525_000
TURNAROUND_S = 0.02
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"Where files cost no time."
EDGE = GilbertElliott.with_burst(loss=0.20, mean_burst=4)


@dataclass(frozen=True)
class Scenario:
    """What is simulated."""

    n_images: int = 10_000
    interval_s: float = 1.2
    "Mean time between two images; exponentially distributed."
    chunk_bytes: tuple[int, ...] = (20,)
    "Sizes of each image's base chunk and refinements."
    enough_after: tuple[float, ...] = ()
    """Probability that the host finds an image good enough with so many chunks; none: it never says
    so.
    """
    profile: str = "lora-sf7-eu868-10pct"
    is_limited: bool = True
    "By the rules of EU868 at 869.525 MHz."
    loss: LossModel = EDGE
    images_per_kill: float = 200.0
    "Mean, for each end; 0: nobody is killed."
    seed: int = 1


@dataclass
class Frame:
    """Something on the air."""

    sender: int
    start_s: float
    end_s: float
    packet: bytes
    is_lost: bool
    is_cut: bool = False
    "Its sender was killed meanwhile."


@dataclass
class HostStore:
    """What a host has on its disk."""

    state: NodeState | None = None
    chunks: dict[int, set[int]] = field(default_factory=dict)
    "By image."
    n_twice: int = 0
    "Updates that told nothing new."


class Simulation:
    """One run."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self._folder = folder
        self._random = Random(scenario.seed)
        self._timing = LinkTiming(get_profile(scenario.profile), TURNAROUND_S)
        self._key = provision(folder / "keys", NODE).key
        self._bundle = make_bundle(folder / "bundle")
        self._losses = {
            end: scenario.loss.losses(Random(scenario.seed * 10 + end)) for end in (NODE, HOST)
        }
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.now_s = 0.0
        self.frames: list[Frame] = []
        self.captured: list[int] = []
        self.first_heard_s: dict[int, float] = {}
        self.captured_s: dict[int, float] = {}
        self.n_kills = {NODE: 0, HOST: 0}
        self.sender_statistics: list = []
        self.cpu_s = 0.0
        self._on_air: dict[int, Frame | None] = {NODE: None, HOST: None}
        self.store = HostStore()
        self._counters: CounterStore | None = None
        self._outbox: Outbox | None = None
        self._start_node()
        self._start_host()

    def run(self) -> None:
        self._at(0.0, self._capture)
        if self.scenario.images_per_kill:
            for kill in (self._kill_node, self._kill_host):
                self._at(self._until_kill_s(), kill)
        while not self._is_done:
            self._step()

    @property
    def _is_done(self) -> bool:
        assert self._outbox is not None
        return (
            len(self.captured) == self.scenario.n_images
            and self._outbox.n_images == 0
            and not any(self._on_air.values())
        )

    def _step(self) -> None:
        self._poll_node()
        self._poll_host()
        due = [due_s for due_s in (self._sender_due_s(), self._host_due_s()) if due_s is not None]
        event_s = self._events[0][0] if self._events else None
        if event_s is not None and (not due or event_s <= min(due)):
            self.now_s = max(self.now_s, event_s)
            heapq.heappop(self._events)[2]()
        else:
            assert due, "nothing will ever happen again"
            self.now_s = max(self.now_s, min(due))

    def _sender_due_s(self) -> float | None:
        return None if self._on_air[NODE] else self._clocked(self._sender.next_due_s, self.now_s)

    def _host_due_s(self) -> float | None:
        return None if self._on_air[HOST] else self._clocked(self._receiver.next_due_s, self.now_s)

    def _clocked(self, call, *arguments):
        began = time.process_time()
        try:
            return call(*arguments)
        finally:
            self.cpu_s += time.process_time() - began

    def _governor(self, end: str) -> Governor:
        if not self.scenario.is_limited:
            return Governor()
        ledger = self._folder / f"{end}-airtime.json"
        return governor_for(
            "eu868", FREQUENCY_HZ, self._timing.profile, ledger, now_s=self.now_s, boot="boot"
        )

    # The node

    def _start_node(self) -> None:
        if self._outbox is not None and self._counters is not None:
            self._outbox.close()
            self._counters.close()
        governor = self._governor("node")
        self._counters = CounterStore(self._folder / "keys")
        self._outbox = Outbox(self._folder / "outbox.sqlite", boot_id="boot")
        equipment = Equipment(
            self._counters, self._outbox, governor, self._timing, Random(self._random.random())
        )
        self._sender = Sender(Identity(NODE, self._bundle.id, self._key), equipment)
        self.sender_statistics.append(self._sender.statistics)

    def _kill_node(self) -> None:
        self.n_kills[NODE] += 1
        self._cut(NODE)
        self._start_node()
        self._at(self.now_s + self._until_kill_s(), self._kill_node)

    def _capture(self) -> None:
        assert self._counters is not None
        assert self._outbox is not None
        image = self._counters.next()
        self.captured.append(image)
        self.captured_s[image] = self.now_s
        pieces = [self._random.randbytes(n_bytes) for n_bytes in self.scenario.chunk_bytes]
        self._outbox.put(image, pieces, self.now_s)
        if len(self.captured) < self.scenario.n_images:
            self._at(
                self.now_s + self._random.expovariate(1 / self.scenario.interval_s), self._capture
            )

    def _poll_node(self) -> None:
        if self._on_air[NODE] is None and (
            outgoing := self._clocked(self._sender.next_packet, self.now_s)
        ):
            sender = self._sender
            self._transmit(
                NODE,
                outgoing,
                lambda frame: None if frame.is_cut else sender.transmitted(frame.end_s),
            )

    # The host

    def _start_host(self) -> None:
        governor = self._governor("host")
        entry = NodeEntry(self._key, self._bundle, state=self.store.state)
        self._receiver = Receiver({NODE: entry}, self._timing, governors=[governor])

    def _kill_host(self) -> None:
        self.n_kills[HOST] += 1
        self._cut(HOST)
        self._start_host()
        self._at(self.now_s + self._until_kill_s(), self._kill_host)

    def _host_hears(self, packet: bytes) -> None:
        """Heard, stored in one transaction, confirmed; the host may die before the store has it, or
        just after.
        """
        outcomes = self._clocked(self._receiver.receive, packet, self.now_s)
        is_killed = self.scenario.images_per_kill > 0 and self._random.random() < 0.002
        if is_killed and self._random.random() < 0.5:
            self._start_host()
            return
        for outcome in outcomes:
            if outcome.counter is not None:
                self.store.state = self._receiver.state(NODE)
                enough = self._store(outcome) if isinstance(outcome, Update) else []
                if not is_killed:
                    self._clocked(self._receiver.confirm, NODE, outcome.counter, enough)
        if is_killed:
            self.n_kills[HOST] += 1
            self._start_host()

    def _store(self, update: Update) -> list[int]:
        chunks = self.store.chunks.setdefault(update.image, set())
        self.store.n_twice += update.chunk.index in chunks
        chunks.add(update.chunk.index)
        self.first_heard_s.setdefault(update.image, self.now_s)
        chances = self.scenario.enough_after
        chance = chances[min(update.n_chunks, len(chances)) - 1] if chances else 0.0
        return [update.image] if self._random.random() < chance else []

    def _poll_host(self) -> None:
        if self._on_air[HOST] is None and (
            downlink := self._clocked(self._receiver.next_packet, self.now_s)
        ):
            receiver = self._receiver
            self._transmit(HOST, downlink, lambda frame: receiver.transmitted(frame.end_s))

    # The air

    def _transmit(self, end: int, sent, then: Callable[[Frame], None]) -> None:
        """A host answers after the turnaround of a modem."""
        pause_s = TURNAROUND_S / 2 if end == HOST else 0.0
        start_s = self.now_s + pause_s
        frame = Frame(end, start_s, start_s + sent.airtime_s, sent.packet, next(self._losses[end]))
        self.frames.append(frame)
        self._on_air[end] = frame
        self._at(frame.end_s, lambda: self._land(frame, then))

    def _land(self, frame: Frame, then: Callable[[Frame], None]) -> None:
        if self._on_air[frame.sender] is frame:
            self._on_air[frame.sender] = None
        then(frame)
        other = HOST if frame.sender == NODE else NODE
        if frame.is_lost or frame.is_cut or self._was_speaking(other, frame):
            return
        if other == HOST:
            self._host_hears(frame.packet)
        else:
            self._clocked(self._sender.receive, frame.packet, self.now_s)

    def _was_speaking(self, end: int, frame: Frame) -> bool:
        """A radio that speaks hears nothing."""
        return any(one.sender == end and one.end_s > frame.start_s for one in self.frames[-6:])

    def _cut(self, end: int) -> None:
        """A killed process leaves its frame unfinished; the modem still counts it."""
        if frame := self._on_air[end]:
            frame.is_cut = True
            self._on_air[end] = None

    def _until_kill_s(self) -> float:
        return self._random.expovariate(
            1 / (self.scenario.images_per_kill * self.scenario.interval_s)
        )

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), action))

    # What came of it

    def airtime_s(self, end: int) -> float:
        return sum(frame.end_s - frame.start_s for frame in self.frames if frame.sender == end)

    def busiest_hour_s(self, end: int) -> float:
        """The most airtime in any hour: the busiest one ends with a frame or begins with one."""
        frames = [frame for frame in self.frames if frame.sender == end]
        ends = np.array([frame.end_s for frame in frames])
        used = np.concatenate([[0.0], np.cumsum([frame.end_s - frame.start_s for frame in frames])])
        busiest = 0.0
        for place, frame in enumerate(frames):
            since_s = frame.end_s - HOUR_S
            first = int(np.searchsorted(ends, since_s, side="right"))
            cut_s = max(0.0, since_s - frames[first].start_s)
            busiest = max(busiest, used[place + 1] - used[first] - cut_s)
        return busiest

    @property
    def n_delivered(self) -> int:
        return sum(0 in self.store.chunks.get(image, ()) for image in self.captured)

    @property
    def duty_cycle(self) -> float:
        return self._timing.profile.duty_cycle if self.scenario.is_limited else 1.0

    @property
    def floor_s(self) -> float:
        packet_bytes = FIRST_CHUNK_OVERHEAD_BYTES + self.scenario.chunk_bytes[0]
        return len(self.captured) * self._timing.airtime_s(packet_bytes)


def simulate(scenario: Scenario) -> Simulation:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        simulation = Simulation(scenario, Path(folder))
        simulation.run()
        return simulation


def perfect(scenario: Scenario) -> Scenario:
    """The same without losses and kills."""
    return replace(scenario, loss=NoLoss(), images_per_kill=0)
