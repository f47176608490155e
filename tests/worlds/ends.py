"""Two ends in one process with a fake wire between them: what each is made of, and a small world
that moves time.
"""

import heapq
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

from device.outbox.outbox import Outbox
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.coder.latent_coder import Latent
from link.host.interface import Downlink, NodeEntry, Outcome, Update
from link.host.receiver import Receiver
from link.medium.governor import Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import Acknowledged, Equipment, Identity, Outgoing, SenderOptions
from link.node.sender import Sender
from link.wire.packet import Header, PacketType

KEY = bytes(range(16))
NODE = 7
SF7 = LinkTiming(get_profile("lora-sf7"), turnaround_s=0.02)


class Counting:
    """Counters of a node whose disk is not of interest."""

    def __init__(self, start: int = 0) -> None:
        self.next_counter = start

    def next(self) -> int:
        self.next_counter += 1
        return self.next_counter - 1

    def advance_to(self, counter: int) -> None:
        self.next_counter = max(self.next_counter, counter)


class OutboxNode:
    """A sender with its outbox and counters."""

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        options: SenderOptions | None = None,
        *,
        timing: LinkTiming = SF7,
        governor: Governor | None = None,
        counters: Counting | None = None,
        salt: bytes | None = None,
        node: int = NODE,
        key: bytes = KEY,
        seed: int = 0,
    ) -> None:
        self.folder = folder
        self.bundle = bundle
        self.options = options
        self.timing = timing
        self.governor = governor or Governor()
        self.node = node
        self.key = key
        self.seed = seed
        self.counters = counters or Counting()
        self.start(salt)

    def start(self, salt: bytes | None = None) -> None:
        self.outbox = Outbox(self.folder / "outbox.sqlite", boot_id="boot")
        identity = Identity(self.node, self.bundle.id, self.key)
        equipment = Equipment(
            self.counters, self.outbox, self.governor, self.timing, Random(self.seed)
        )
        self.sender = Sender(identity, equipment, self.options, salt)

    def put(self, *pieces: bytes, now_s: float = 0.0) -> int:
        """Queue an image; returns its id."""
        image = self.counters.next()
        self.outbox.put(image, pieces, now_s)
        return image


def latent_of(update: Update) -> Latent:
    """What a host makes of it; ValueError where the bitstream is none."""
    return latent_coder.decode(update.bitstream, update.bundle.tables, update.is_complete)


def host_end(bundle: Bundle, timing: LinkTiming | None = SF7, **arguments) -> Receiver:
    entry = {
        name: arguments.pop(name)
        for name in ("other_bundles", "state", "has_downlink")
        if name in arguments
    }
    return Receiver({NODE: NodeEntry(KEY, bundle, **entry)}, timing, **arguments)


class World:
    """Moves time from one event to the next; `passes(header)` says which packets arrive."""

    def __init__(
        self,
        node: OutboxNode,
        host: Receiver,
        enough: Callable[[Update], bool] = lambda update: False,
    ) -> None:
        self.node = node
        self.host = host
        self.now_s = 0.0
        self.enough = enough
        self.passes: Callable[[Header], bool] = lambda header: True
        self.updates: list[Update] = []
        self.outcomes: list[Outcome] = []
        self.sent: list[tuple[float, Outgoing | Downlink, bool]] = []
        "When it began, what it was, whether it arrived."
        self.acknowledged: list[Acknowledged] = []
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()

    def at(self, time_s: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), action))

    def run(self, until_s: float) -> None:
        """Both ends speak when they may."""
        while True:
            self._poll()
            due = [self.node.sender.next_due_s(self.now_s), self.host.next_due_s(self.now_s)]
            times = [time_s for time_s in due if time_s is not None] + [
                self._events[0][0] if self._events else until_s
            ]
            self.now_s = max(self.now_s, min(times))
            if self.now_s >= until_s:
                self.now_s = until_s
                return
            while self._events and self._events[0][0] <= self.now_s:
                heapq.heappop(self._events)[2]()

    def hear(self, packet: bytes) -> list[Outcome]:
        """The host hears a packet, stores what it brings, confirms it."""
        outcomes = self.host.receive(packet, self.now_s)
        for outcome in outcomes:
            self.outcomes.append(outcome)
            if isinstance(outcome, Update):
                self.updates.append(outcome)
            if outcome.counter is not None and outcome.node is not None:
                enough = (
                    [outcome.image] if isinstance(outcome, Update) and self.enough(outcome) else []
                )
                self.host.confirm(outcome.node, outcome.counter, enough)
        return outcomes

    def _poll(self) -> None:
        outgoing = self.node.sender.next_packet(self.now_s)
        if outgoing is not None:
            end_s = self.now_s + outgoing.airtime_s
            arrives = self.passes(Header.unpack(outgoing.packet))
            self.sent.append((self.now_s, outgoing, arrives))
            self.at(end_s, lambda: self.node.sender.transmitted(end_s))
            if arrives:
                self.at(end_s, lambda: self.hear(outgoing.packet))
        downlink = self.host.next_packet(self.now_s)
        if downlink is not None:
            host_end_s = self.now_s + downlink.airtime_s
            arrives = self.passes(Header.unpack(downlink.packet))
            self.sent.append((self.now_s, downlink, arrives))
            self.at(host_end_s, lambda: self.host.transmitted(host_end_s))
            if arrives:
                self.at(host_end_s, lambda: self.node_hears(downlink.packet))

    def node_hears(self, packet: bytes) -> None:
        heard = self.node.sender.receive(packet, self.now_s)
        if isinstance(heard, Acknowledged):
            self.acknowledged.append(heard)

    @property
    def uplink(self) -> list[Outgoing]:
        return [packet for _, packet, _ in self.sent if isinstance(packet, Outgoing)]

    @property
    def downlink(self) -> list[Downlink]:
        return [packet for _, packet, _ in self.sent if isinstance(packet, Downlink)]


def type_of(packet: bytes) -> PacketType:
    return PacketType(Header.unpack(packet).packet_type)
