"""A whole node in this process, on a clock that a test moves: hours of it take seconds."""

from contextlib import ExitStack, closing, suppress
from typing import Any

from device.config import load_config
from device.console import Console
from device.encoder.loading import load
from device.link_end import LinkEnd
from device.node import Node
from device.outbox.queues import open_queues
from link.carriers.carrier import Received
from link.host.interface import NodeEntry, StatusHeard, Update
from link.host.receiver import Receiver
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.security.keys import CounterStore, read_master_key


class Told(Console):
    """Keeps what the node says."""

    def __init__(self):
        self.images = []
        self.packets = []
        self.notices = []

    def image(self, captured):
        self.images.append(captured.image)

    def packet(self, outgoing, wire_bytes):
        self.packets.append(outgoing)

    def notice(self, sentence):
        self.notices.append(sentence)


class VirtualNode:
    """Port, watchdog and host of a node; `is_host_there(now_s)` says whether the host hears and
    answers.
    """

    is_open = True

    def __init__(
        self,
        monkeypatch,
        home,
        config,
        profile="serial-115200",
        is_host_there=lambda now_s: True,
        earlier_bundles=(),
    ):
        self.now_s = 1000.0
        self.fed_s = []
        self.is_host_there = is_host_there
        self.console = Told()
        self.statuses = []
        self.updates = {}
        self._home = home
        self._config = load_config(config)
        self._waiting = []
        self._until_s = 0.0
        entry = NodeEntry(home.key, home.bundle, earlier_bundles)
        self._host = Receiver({home.node: entry}, LinkTiming(get_profile(profile)))
        self._at = []
        for module in ("node", "capture.intake", "link_end", "transmission"):
            monkeypatch.setattr(f"device.{module}.boot_s", lambda: self.now_s)

    def at(self, after_s, action):
        """Do something, so long after the start."""
        self._at.append((1000.0 + after_s, action))

    def run(self, duration_s):
        """The node from its start to a signal that ends it."""
        self._until_s = self.now_s + duration_s
        config = self._config
        with ExitStack() as stack:
            counters = stack.enter_context(CounterStore(config.key_dir, config.node))
            loaded = load(config.bundle, None)
            queues = [
                stack.enter_context(closing(one)) for one in open_queues(config, loaded.bundle.id)
            ]
            key = read_master_key(config.key_dir)
            port: Any = self
            self.link = LinkEnd(config, key, counters, queues, port, self.console)
            node = Node(config, self.link, loaded, None, self.console)
            with suppress(KeyboardInterrupt):
                node.run(self)  # type: ignore[arg-type]
            self.n_waiting = sum(queue.outbox.n_images for queue in queues)

    # Of the watchdog

    def ready(self):
        pass

    def worked(self):
        self.fed_s.append(self.now_s)

    # Of the port

    def send(self, packet):
        if self.is_host_there(self.now_s):
            for outcome in self._host.receive(packet, self.now_s):
                if isinstance(outcome, StatusHeard):
                    self.statuses.append(outcome.status)
                if isinstance(outcome, Update):
                    self.updates[outcome.image] = outcome
                if outcome.counter is not None:
                    self._host.confirm(self._home.node, outcome.counter)
        return True

    def receive(self, timeout_s):
        """Time passes here and nowhere else."""
        due_s = self._host.next_due_s(self.now_s)
        until_s = self.now_s + max(timeout_s, 0.001)
        self.now_s = until_s if due_s is None else min(until_s, max(self.now_s + 0.001, due_s))
        if self.now_s >= self._until_s:
            raise KeyboardInterrupt
        while self._at and self._at[0][0] <= self.now_s:
            self._at.pop(0)[1]()
        heard = []
        while (downlink := self._host.next_packet(self.now_s)) is not None:
            self._host.transmitted(self.now_s)
            if self.is_host_there(self.now_s):
                heard.append(Received(downlink.packet))
        return heard
