"""Server: one run's side that adds up, without sockets and clocks: bytes and `now_s` come in, bytes
and a deadline go out.

    server.receive(update, now_s)            # from any device, whatever it holds
    if server.close(now_s):                  # the round is over, and on the disk
        for device in server.asked:
            send(device, server.message_for(device, the_round_it_is_in))

What is counted is the mean of what the devices moved, weighted by images and 1/√(1 + rounds late);
what the server's own message has no room for stays in its memory, as at a device. A round is
durable before anybody hears of it: after a kill the server goes on behind the last one, devices
send the same bytes again, and the same updates make the same weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from host_training.distributed.server import filters
from host_training.distributed.server.admission import Admission, Course
from host_training.distributed.server.filters import Trust
from host_training.distributed.server.rules import Patience, Rules
from host_training.distributed.server.store import Stand, Store
from host_training.distributed.server.telling import Telling
from link.update import (
    Layout,
    RunSettings,
    device_end,
    message,
    outer_step,
    quantise_within,
    settle,
)
from link.update.message import Accepted, Ask, Form, Round, Update

TRAINED_BITS = 16


@dataclass(frozen=True, eq=False)
class Waiting:
    """An update that was checked, and waits for the round to end."""

    update: Update
    moved: np.ndarray
    "(P,): what it takes from the weights."


@dataclass(frozen=True)
class Closed:
    """What became of a round."""

    round_: int
    accepted: tuple[Accepted, ...]
    left_out: tuple[Accepted, ...]
    "Updates that the filters left out."
    loss: float
    "Mean of what the counted devices said, nats; 0 where none was counted."
    up_bytes: int
    "Updates of this round that were checked and kept, as long as they came."
    down_bytes: int
    "The message that tells of it."


class Server:
    """The run's weights, and what devices may still be told of it."""

    def __init__(
        self,
        settings: RunSettings,
        layout: Layout,
        initial: np.ndarray,
        key: Ed25519PrivateKey,
        devices: Mapping[int, Ed25519PublicKey],
        folder: Path | None = None,
        rules: Rules | None = None,
        held_out_loss: Callable[[np.ndarray], float] | None = None,
        statistics: Callable[[np.ndarray], np.ndarray] | None = None,
        now_s: float = 0.0,
    ) -> None:
        """`devices`: public keys by number; `folder`: where the run is kept, None: nowhere
        (simulations); `held_out_loss`: of weights float32 (P,), updates that raise it are left out;
        `statistics`: batch norms', float32 (S,), at weights (P,), where a run freezes them.
        ValueError where rules and settings do not fit.
        """
        self.settings, self.layout, self.rules = settings, layout, rules or Rules()
        if self.rules.delay > settings.max_lateness:
            raise ValueError(
                f"updates are counted {self.rules.delay} rounds later, and refused when they are "
                f"{settings.max_lateness} late; let fewer rounds lie between"
            )
        self._key, self._devices = key, dict(devices)
        self._held_out_loss, self._statistics = held_out_loss, statistics
        self.held = outer_step.Held.first(layout.fit(initial).copy(), settings)
        "What all ends hold when the round begins."
        self._memory = np.zeros(layout.size, np.float32)
        self._course = Course([self.held.hash])
        self._admission = Admission(settings, layout, devices, self._course)
        self._telling = Telling(settings.run_id, layout, key)
        self.trained: set[Accepted] = set()
        """Devices and rounds in which they trained, as far as they said, also where the update was
        lost: it went into a memory.
        """
        self._trust = Trust()
        self._store = None if folder is None else Store(folder, settings, layout)
        self._resume()
        self._waiting: dict[Accepted, Waiting] = {}
        self._came_bytes = 0
        self._began: dict[int, float] = {}
        self._since = self.round_
        "What was asked for in earlier rounds, and not counted, is not awaited any more."
        self._begin(now_s)
        self._patience = Patience(self.rules, len(self.asked))

    @property
    def weights(self) -> np.ndarray:
        """float32 (P,)"""
        return self.held.weights

    @property
    def round_(self) -> int:
        """The round that devices are in; the run is over when it is `settings.n_rounds`."""
        return self._course.round_

    @property
    def is_finished(self) -> bool:
        return self.round_ >= self.settings.n_rounds

    @property
    def hash(self) -> bytes:
        """8 bytes that name what all ends hold."""
        return self._course.hashes[-1]

    def hash_after(self, round_: int) -> bytes:
        """The same, as that round left it."""
        return self._course.hashes[round_ + 1]

    @property
    def deadline_s(self) -> float:
        """When the round ends at the latest, if one update has come by then."""
        return self._began[max(self._awaited, self._since)] + self._patience.limit_s

    @property
    def accepted(self) -> list[tuple[Accepted, ...]]:
        """Which updates each round counted."""
        return self._telling.accepted

    def authentic(self, received: bytes) -> Update | Ask:
        """As Admission.authentic."""
        return self._admission.authentic(received)

    def moved(self, update: Update) -> np.ndarray:
        """As Admission.moved."""
        return self._admission.moved(update)

    def receive(self, received: bytes, now_s: float) -> None:
        """An update, from whoever; MessageError with a sentence where it is not taken. One that
        came before changes nothing.
        """
        update = self._admission.timely(received)
        which = update.device, update.round_
        if which in self._waiting or self._telling.is_counted(which):
            return
        self._admission.check_bounds(update, len(received))
        self._waiting[which] = Waiting(update, self._admission.moved(update))
        self.trained |= self._said(update)
        self._came_bytes += len(received)
        self._patience.note(now_s - self._began.get(update.round_, now_s))

    def _said(self, update: Update) -> set[Accepted]:
        """In which rounds its device trained."""
        turns = [0, *(i + 1 for i in range(TRAINED_BITS) if update.trained >> i & 1)]
        rounds = [update.round_ - turn * self.settings.n_groups for turn in turns]
        return {(update.device, round_) for round_ in rounds if round_ >= 0}

    def close(self, now_s: float) -> Closed | None:
        """End the round if it is time; None where it is not. What comes back is on the disk."""
        if self.is_finished:
            return None
        if self._awaited >= self._since and not (self._due and self._is_over(now_s)):
            return None
        kept, trust = self._kept() if self._due else ([], self._trust)
        return self._close(kept, trust, now_s)

    def close_with(self, accepted: Sequence[Accepted], now_s: float = 0.0) -> Closed:
        """End the round with these very updates, as another run did; KeyError where one of them has
        not come.
        """
        return self._close(sorted(accepted), self._trust, now_s)

    @property
    def _awaited(self) -> int:
        """The round whose updates this one waits for; one before this process began has none."""
        return self.round_ - self.rules.delay

    @property
    def _due(self) -> list[Accepted]:
        """What is here and has its turn to be counted, sorted."""
        return sorted(which for which in self._waiting if which[1] <= self._awaited)

    def _is_over(self, now_s: float) -> bool:
        awaited = self._awaited
        is_all_here = all((one, awaited) in self._waiting for one in self._course.asked[awaited])
        return is_all_here or now_s >= self.deadline_s

    def _kept(self) -> tuple[list[Accepted], Trust]:
        """What the filters leave of what is here, and what is known of the devices then."""
        which = self._due
        moved = [self._waiting[each].moved for each in which]
        is_kept = np.ones(len(which), bool)
        trust = self._trust
        if self.rules.is_filtered:
            course = self.held.velocity if self.settings.outer_momentum else None
            trust, is_kept = trust.judged([device for device, _ in which], moved, course)
        if self._held_out_loss is not None:
            is_kept &= filters.is_harmless(self.weights, moved, self._held_out_loss)
        if not is_kept.any():
            is_kept[:] = True  # one that is alone, or a tie: the loss will tell
        return [each for each, kept in zip(which, is_kept, strict=True) if kept], trust

    def _close(self, accepted: list[Accepted], trust: Trust, now_s: float) -> Closed:
        held = [self._waiting[each] for each in accepted]
        told, after, memory = self._told(self._mean(held), tuple(accepted))
        packed = message.pack_round(told, self.settings.run_id, self.hash, self._key)
        if self._store is not None:
            stand = Stand([*self._course.hashes, told.after], memory, after, self.trained, trust)
            self._store.keep(stand, packed)
        left_out = tuple(sorted(set(self._due) - set(accepted)))
        closed = Closed(
            self.round_,
            tuple(accepted),
            left_out,
            float(np.mean([each.update.loss for each in held])) if held else 0.0,
            self._came_bytes,
            len(packed),
        )
        self.held, self._memory, self._trust = after, memory, trust
        self._telling.add(packed, told.accepted)
        self._course.hashes.append(told.after)
        for which in [which for which in self._waiting if which in {*accepted, *left_out}]:
            del self._waiting[which]
        self._came_bytes = 0
        self._begin(now_s)
        return closed

    def _mean(self, held: Sequence[Waiting]) -> np.ndarray:
        """float64 (P,): by images and lateness, none longer than the median."""
        if not held:
            return np.zeros(self.layout.size)
        moved = [each.moved for each in held]
        shares = np.array(
            [each.update.n_images / np.sqrt(1 + self.round_ - each.update.round_) for each in held]
        )
        factors = filters.clip_factors(moved) if self.rules.is_clipped else np.ones(len(held))
        mean = np.zeros(self.layout.size)
        for share, factor, each in zip(shares / shares.sum(), factors, moved, strict=True):
            mean += (share * factor) * each
        return mean

    def _told(
        self, mean: np.ndarray, accepted: tuple[Accepted, ...]
    ) -> tuple[Round, outer_step.Held, np.ndarray]:
        """What devices are told, what all hold after it, and the memory: what it has no room
        for.
        """
        settings = self.settings
        budget = settings.down(self.round_)
        if not budget:
            held = self._frozen(self.held.stepped_by(self._memory + mean, settings, self.round_))
            form, payload = Form.WHOLE, held.pack()
            memory = np.zeros_like(self._memory)
        else:
            room = budget - message.round_overhead_bytes(accepted, self.round_)
            is_freezing = self._is_freezing
            room -= 4 * settings.n_statistics * is_freezing
            summed = self._memory + mean.astype(np.float32)
            quantised, payload = quantise_within(summed, self.layout, room)
            held = self.held.stepped(quantised, self.layout, settings, self.round_)
            form, memory = Form.CODED, settle(summed, quantised, self.layout)
            if is_freezing:
                held = self._frozen(held)
                payload = outer_step.with_statistics(payload, held.statistics)
        return Round(self.round_, accepted, form, payload, held.hash), held, memory

    @property
    def _is_freezing(self) -> bool:
        """Whether devices have frozen statistics from the next round on."""
        settings = self.settings
        return bool(settings.n_statistics) and self.round_ + 1 == settings.frozen_from_round

    def _frozen(self, held: outer_step.Held) -> outer_step.Held:
        if not self._is_freezing:
            return held
        if self._statistics is None:
            raise ValueError("a run that freezes batch norm needs a server that estimates it")
        return held.frozen(self._statistics(held.weights))

    def _begin(self, now_s: float) -> None:
        oldest = max(0, self.round_ - self.settings.max_lateness)
        self._began[self.round_] = now_s
        self._began = {each: at_s for each, at_s in self._began.items() if each >= oldest}
        course = self._course
        course.weights[self.round_] = self.weights
        course.weights = {each: held for each, held in course.weights.items() if each >= oldest}
        course.asked = {
            each: frozenset(self._asked_in(each)) for each in range(oldest, self.round_ + 1)
        }
        self.asked = self._asked_in(self.round_)
        "Devices that this round is for, sorted."

    def _asked_in(self, round_: int) -> list[int]:
        turn = [each for each in sorted(self._devices) if self.settings.is_turn(each, round_)]
        return self.rules.asked(self.settings.seed, round_, turn)

    def message_for(self, device: int, last_round: int) -> bytes:
        """What a device needs that is in `last_round`: the rounds since, or a snapshot where that
        is shorter; empty where it misses nothing.
        """
        return self._telling.message_for(device, last_round, self.held)

    def _resume(self) -> None:
        """Behind the last round that is on the disk."""
        if self._store is None or (stand := self._store.stand()) is None:
            return
        self._course.hashes[:], self.trained = stand.hashes, set(stand.trained)
        self._memory, self.held, self._trust = stand.memory, stand.held, stand.trust
        own, most = self._key.public_key(), device_end.max_message_bytes(self.layout)
        for number, before in enumerate(stand.hashes[:-1]):
            packed = self._store.told(number)
            told = message.read_round(packed, self.settings.run_id, before, own, most)
            self._telling.add(packed, told.accepted)
