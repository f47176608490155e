"""Simulator: a run on a virtual clock. Server and devices are the real ones, byte for byte; time,
links, stragglers, losses and liars are modelled, and nobody sleeps.

Devices fetch what they miss when they are free, train, and send. One model serves all of them, one
after the other; what a device keeps is its end's state, in memory or on the disk.
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import numpy as np

from host_training.distributed.server.server import Closed, Server
from host_training.distributed.simulation.circumstances import Circumstances
from host_training.distributed.simulation.fleet import Device
from link.update import message, quantise_within
from link.update.message import Accepted, Form, MessageError, Update

MAX_ASKED = 100
"Times that a round's devices are asked before there must be another reason than loss."
NOISE_NORM = 10.0
"Length of a liar's noise, or scaled update, in lengths of an honest one."


def trained(device: Device) -> tuple[bytes, int]:
    """The update of the round that the device is in, made now if it was not yet, and from how many
    images: none if it was.
    """
    work = device.end.work()
    if work is None:
        return device.end.update, 0
    device.learner.forget(work.sent)
    if work.statistics is not None:
        device.learner.freeze(work.statistics)
    learned = device.learner.train(work.weights, work.round_)
    return device.end.give(learned), learned.n_images


@dataclass(frozen=True)
class Moment:
    """How far a run is, after a round."""

    now_s: float
    closed: Closed
    hash: bytes
    up_bytes: float
    "Simulator's."
    down_bytes: float
    refused: int
    "Messages of this round that the server did not take."


@dataclass
class Simulator:
    """One run. `device` gives the device of a number, loaded from wherever it is kept."""

    server: Server
    device: Callable[[int], Device]
    circumstances: Circumstances = field(default_factory=Circumstances)
    now_s: float = 0.0
    up_bytes: float = 0.0
    "What one device sends that takes part in all its turns, mean, since the run began."
    down_bytes: float = 0.0

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._free_s: dict[int, float] = {}
        self._first: dict[int, Update] = {}
        self._n_refused = 0
        self._refusal = "all are away"
        self._up_round = self._n_up = 0

    @property
    def seed(self) -> int:
        return self.server.settings.seed

    def run(self, on_round: Callable[[Moment], None] = lambda moment: None) -> None:
        """To the end of the run."""
        while not self.server.is_finished:
            on_round(self.round())

    def round(self) -> Moment:
        """To the end of the round."""
        self._n_refused = 0
        self._up_round = self._n_up = 0
        number = self.server.round_
        n_asked = 1
        self._ask()
        while self._events and self._events[0][0] <= self.now_s:
            heapq.heappop(self._events)[2]()  # who is free hears of it before it can end
        while (closed := self.server.close(self.now_s)) is None:
            if not self._events or self._events[0][0] > self.server.deadline_s:
                self.now_s = max(self.now_s, self.server.deadline_s)
                if (closed := self.server.close(self.now_s)) is not None:
                    break
                if not self._events:
                    n_asked += 1
                    self._ask()  # all that was sent is lost: once more
                    if not self._events or n_asked > MAX_ASKED:
                        raise RuntimeError(
                            f"nobody's answer of round {number} is taken ({self._refusal})"
                        )
            self.now_s, _, happen = heapq.heappop(self._events)
            happen()
        n_turns = self.server.settings.n_groups
        self.up_bytes += self._up_round / max(self._n_up, 1) / n_turns
        self.down_bytes += closed.down_bytes
        return Moment(
            self.now_s, closed, self.server.hash, self.up_bytes, self.down_bytes, self._n_refused
        )

    def _ask(self) -> None:
        """Whom this round is for, and who hears of it, fetches what it misses when it is free."""
        for number in self.server.asked:
            if not self.circumstances.is_away(self.seed, number, self.server.round_):
                free_s = max(self.now_s, self._free_s.get(number, 0.0))
                self._at(free_s, partial(self._fetch, number))

    def _at(self, when_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), happen))

    def _fetch(self, number: int) -> None:
        if self._free_s.get(number, 0.0) > self.now_s:  # it was asked twice
            return
        device = self.device(number)
        told = self.server.message_for(number, device.end.round_)
        if told:
            device.end.take(told)
        made_in = device.end.round_
        if made_in >= self.server.settings.n_rounds:
            return
        n_devices = self.server.settings.n_devices
        is_slow = self.circumstances.is_slow(self.seed, number, n_devices)
        update, n_images = trained(device)
        if self.circumstances.is_liar(self.seed, number, n_devices):
            update = self._lie(device, update)
        ready_s = self.now_s + self.circumstances.transfer_s(len(told), is_slow)
        ready_s += self.circumstances.training_s(n_images, is_slow)
        free_s = ready_s + self.circumstances.transfer_s(len(update), is_slow)
        self._free_s[number] = free_s
        self._up_round += len(update)
        self._n_up += 1
        attempt = made_in if n_images else -1 - next(self._order)
        if not self.circumstances.is_lost(self.seed, number, attempt & 0xFFFFFFFF):
            self._at(free_s, lambda: self._receive(update))

    def _receive(self, update: bytes) -> None:
        try:
            self.server.receive(update, self.now_s)
        except MessageError as error:
            self._n_refused += 1
            self._refusal = str(error)

    def _lie(self, device: Device, update: bytes) -> bytes:
        """What a liar sends in place of what it learned, signed with its own key."""
        settings, layout = self.server.settings, self.server.layout
        told, _ = message.read_update(update, settings.run_id, len(update))
        first = self._first.setdefault(device.number, told)
        rng = np.random.default_rng((self.seed, device.number, told.round_, 5))
        lie = self.circumstances.lie
        if lie == "replayed":
            false = replace(first, round_=told.round_)
        elif lie == "malformed":
            false = replace(told, payload=rng.bytes(max(len(told.payload), 1)))
        else:
            moved = self.server.moved(told)
            length = np.float32(np.linalg.norm(moved))
            if lie == "noise":
                noise = rng.standard_normal(layout.size).astype(np.float32)
                wrong = noise * (NOISE_NORM * length / np.linalg.norm(noise))
            else:
                wrong = -moved if lie == "sign_flip" else NOISE_NORM * moved
            false = self._sent(told, wrong, device.end.weights)
        return message.pack_update(false, settings.run_id, device.end.held.hash, device.key)

    def _sent(self, told: Update, moved: np.ndarray, weights: np.ndarray) -> Update:
        """An update that moves the weights so, as a device would send it."""
        budget = self.server.settings.up(told.round_)
        if not budget:
            return replace(told, form=Form.WHOLE, payload=message.pack_whole(weights - moved))
        room = budget - message.UPDATE_OVERHEAD_BYTES
        _, payload = quantise_within(moved, self.server.layout, room)
        return replace(told, form=Form.CODED, payload=payload)


def replay(
    server: Server,
    device: Callable[[int], Device],
    accepted: Sequence[Sequence[Accepted]],
    trained_by: Collection[Accepted],
) -> bytes:
    """A run again from what another server counted in each round, and who trained when, also where
    the update was lost or left out: the hash that it ends with.
    """
    updates: dict[Accepted, bytes] = {}
    for round_, which in enumerate(accepted):
        for number in sorted(number for number, made_in in trained_by if made_in == round_):
            one = device(number)
            if told := server.message_for(number, one.end.round_):
                one.end.take(told)
            updates[number, round_], _ = trained(one)
        for each in which:
            server.receive(updates.pop(each), 0.0)
        server.close_with(which)
    return server.hash
