"""Device end: one device's side of a run, without sockets and clocks.

    end.take(message)                  # the server's, as it came
    while (work := end.work()):        # weights to begin with, and the round
        update = end.give(learner.train(work.weights, work.round_))
        ...                            # send it; end.update is the same bytes until the round ends

What was learned goes into the memory e, and what is sent stays there until the server says that it
counted it. What was sent and may still be counted is not sent again. All that is known is in one
file, replaced as a whole: whenever the device is killed, the same bytes follow.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from link.base import durable
from link.update import code, message
from link.update.layout import Layout
from link.update.memory import Int8Memory, settle
from link.update.message import Ask, Form, MessageError, Round, Update
from link.update.outer_step import Held, shared, without_statistics
from link.update.quantised import Quantised
from link.update.quantiser import quantise_within, scales_of
from link.update.settings import INT8, WHOLE, RunSettings

STATE = "state"
FORMAT = 1
CHECKSUM_BYTES = 8
TRAINED_BITS = 16
MAX_STATE_BYTES, MAX_STATE_BYTES_EACH = 1 << 20, 64
"The longest state that is read: so much, and so much for each parameter."


@dataclass(frozen=True, eq=False)
class Learned:
    """What a round of training gave, on whatever it was done."""

    weights: np.ndarray
    "float32 (P,)"
    n_images: int
    "That were learned from, each as often as it was seen."
    loss: float
    "Mean over the steps, nats."


class Standing(Enum):
    """How a device stands after a message."""

    CURRENT = "current"
    "It has the weights of the next round."
    KNOWN = "known"
    "It had them before."
    MISSED = "missed"
    "Messages before it never came: ask()."


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be trained."""

    round_: int
    weights: np.ndarray
    "float32 (P,)."
    sent: np.ndarray
    "int64 (K,): entries of the last update, whose momentum is masked where settings say so."
    statistics: np.ndarray | None
    "float32 (S,): batch norm's, once they are frozen."
    last_round: int = -1
    "Whose update was made last: what was learned of another one since is nothing; -1: none was."


@dataclass(frozen=True, eq=False)
class _Sent:
    """What an update moved, as its payload and decoded."""

    payload: bytes
    quantised: Quantised


@dataclass(frozen=True, eq=False)
class _State:
    round_: int
    held: Held
    memory: np.ndarray | Int8Memory
    pending: Mapping[int, _Sent]
    "Coded updates that the server may still count, by their round."
    last: _Sent
    "The last update; empty if it was not coded."
    last_round: int = 0
    trained: int = 0
    "Bit i: trained i turns before last_round."
    update: bytes = b""
    "The message of this round, when it was made."


class DeviceEnd:
    """Device number `device`, whose run began with the weights `initial`, float32 (P,)."""

    def __init__(
        self,
        settings: RunSettings,
        layout: Layout,
        device: int,
        key: Ed25519PrivateKey,
        server: Ed25519PublicKey,
        initial: np.ndarray,
        folder: Path | None = None,
    ) -> None:
        """`folder`: where its state is kept; None: nowhere (simulations)."""
        self._settings, self._layout, self._device = settings, layout, device
        self._key, self._server = key, server
        self._path = None if folder is None else folder / STATE
        self._run = settings.run_id
        self._max_bytes = max_message_bytes(layout)
        self._nothing = _Sent(b"", Quantised.nothing(layout))
        self.damage: str | None = None
        "Why the state on disk was set aside; the device then begins anew, and asks for the rest."
        self._state = self._load() or _State(
            0,
            Held.first(layout.fit(initial).copy(), settings).shared(),
            self._stored(np.zeros(layout.size, np.float32), 0),
            {},
            self._nothing,
        )

    @property
    def round_(self) -> int:
        """The round whose weights are held."""
        return self._state.round_

    @property
    def weights(self) -> np.ndarray:
        """float32 (P,), the same at all ends that are in this round."""
        return self._state.held.weights

    @property
    def held(self) -> Held:
        """The same with what else all ends hold alike."""
        return self._state.held

    @property
    def memory(self) -> np.ndarray:
        """What was learned and not counted yet, float32 (P,)."""
        return self._loaded(self._state.memory)

    @property
    def update(self) -> bytes:
        """The message of this round; empty until it was made."""
        return self._state.update

    def work(self) -> Work | None:
        """What is to be trained; None where this round's update was made, another group has its
        turn, or the run is over.
        """
        state, settings = self._state, self._settings
        is_over = state.round_ >= settings.n_rounds
        if state.update or is_over or not settings.is_turn(self._device, state.round_):
            return None
        held, sent = state.held, state.last.quantised.positions
        statistics = held.statistics if len(held.statistics) else None
        last_round = state.last_round if state.trained else -1
        return Work(state.round_, held.weights, sent, statistics, last_round)

    def give(self, learned: Learned) -> bytes:
        """What was learned from work(); the message to send."""
        state, layout = self._state, self._layout
        weights = layout.fit(learned.weights)
        if not np.isfinite(weights).all():
            raise ValueError("training diverged: weights are not finite; lower the learning rate")
        memory, pending, last = state.memory, dict(state.pending), self._nothing
        budget = self._settings.up(state.round_)
        if budget == WHOLE:
            form, payload = Form.WHOLE, message.pack_whole(weights)
        else:
            summed = self.memory + (state.held.weights - weights)
            room = budget - message.UPDATE_OVERHEAD_BYTES
            free = self._without(summed, state.pending.values())
            scales = scales_of(free, layout) if self._settings.has_scales else None
            quantised, payload = quantise_within(free, layout, room, scales)
            memory = self._stored(summed, 2 * state.round_ + 1)
            form, last = Form.CODED, _Sent(payload, quantised)
            pending[state.round_] = last
        n_turns = (state.round_ - state.last_round) // self._settings.n_groups
        trained = (state.trained << n_turns >> 1) % (1 << TRAINED_BITS) if n_turns < 64 else 0
        update = Update(
            state.round_, self._device, learned.n_images, learned.loss, form, payload, trained
        )
        packed = message.pack_update(update, self._run, state.held.hash, self._key)
        self._keep(
            replace(
                state,
                memory=memory,
                pending=pending,
                last=last,
                last_round=state.round_,
                trained=trained << 1 | 1,
                update=packed,
            )
        )
        return packed

    def take(self, received: bytes) -> Standing:
        """A message of the server, or several in one; MessageError where it is not to be taken, and
        then nothing has changed.
        """
        state, standing = self._state, Standing.KNOWN
        for one in message.read_several(received):
            number, is_snapshot = message.round_of(one), message.is_snapshot(one)
            if number < state.round_:
                continue
            if number > state.round_ and not is_snapshot:
                standing = Standing.MISSED
                break
            before = message.addressee(self._device) if is_snapshot else state.held.hash
            told = message.read_round(one, self._run, before, self._server, self._max_bytes)
            state, standing = self._after(state, told), Standing.CURRENT
        if state is not self._state:
            self._keep(state)
        return standing

    def ask(self) -> bytes:
        """A message that asks for what was missed."""
        return message.pack_ask(Ask(self._state.round_, self._device), self._run, self._key)

    def _after(self, state: _State, told: Round) -> _State:
        """The state after a round, or a snapshot, that the server told."""
        held = moved(state.held, told, self._layout, self._settings)
        pending = dict(state.pending)
        counted = [made_in for device, made_in in told.accepted if device == self._device]
        sent = [pending.pop(made_in) for made_in in counted if made_in in pending]
        oldest = told.round_ + 1 - self._settings.max_lateness
        memory = state.memory
        if sent:
            settled = self._without(self._loaded(memory), sent)
            memory = self._stored(settled, 2 * told.round_ + 2)
        return replace(
            state,
            round_=told.round_ + 1,
            held=held,
            memory=memory,
            pending={made_in: one for made_in, one in pending.items() if made_in >= oldest},
            update=b"",
        )

    def _without(self, memory: np.ndarray, sent: Iterable[_Sent]) -> np.ndarray:
        for one in sent:
            memory = settle(memory, one.quantised, self._layout)
        return memory

    def _loaded(self, memory: np.ndarray | Int8Memory) -> np.ndarray:
        return memory.load(self._layout) if isinstance(memory, Int8Memory) else memory

    def _stored(self, memory: np.ndarray, draw: int) -> np.ndarray | Int8Memory:
        if self._settings.memory != INT8:
            return memory
        return Int8Memory.store(memory, self._layout, (self._settings.seed, self._device, draw))

    def _keep(self, state: _State) -> None:
        if self._path is not None:
            durable.write(self._path, _packed(state, self._run))
        self._state = state

    def _load(self) -> _State | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            most = MAX_STATE_BYTES + MAX_STATE_BYTES_EACH * self._layout.size
            if (size := self._path.stat().st_size) > most:
                raise ValueError(f"the state of the training has {size} bytes, {most} at most")
            return _unpacked(self._path.read_bytes(), self._run, self._layout, self._settings)
        except ValueError as error:
            self.damage = f"{error}; it is kept as {durable.set_aside(self._path).name}"
            return None


def moved(held: Held, told: Round, layout: Layout, settings: RunSettings) -> Held:
    """What is held after a round that the server told; MessageError where it is not what the server
    holds.
    """
    if (known := shared(told.after)) is not None:
        return known
    if told.form == Form.WHOLE:
        after = Held.read(told.payload, layout, settings, told.round_ + 1)
    else:
        try:
            coded, statistics = without_statistics(told.payload, settings, told.round_)
            quantised = code.decode(coded, layout)
        except code.CodeError as error:
            raise MessageError(str(error)) from None
        after = held.stepped(quantised, layout, settings, told.round_)
        if statistics is not None:
            after = after.frozen(statistics)
    if after.hash != told.after:
        raise MessageError(
            f"the weights after round {told.round_} are {after.hash.hex()} here and "
            f"{told.after.hex()} at the server; ask for a snapshot"
        )
    return after.shared()


def max_message_bytes(layout: Layout) -> int:
    """The longest message of a run: all that is held, if it does not deflate (there are fewer
    statistics than weights).
    """
    return 12 * layout.size + layout.size // 20 + 6 * message.MAX_ACCEPTED + 1024


def _packed(state: _State, run: bytes) -> bytes:
    arrays = [state.held.weights, state.held.velocity, state.held.statistics]
    if isinstance(state.memory, Int8Memory):
        arrays += [state.memory.entries, state.memory.units]
    else:
        arrays += [state.memory]
    head: dict[str, Any] = {
        "format": FORMAT,
        "run": run.hex(),
        "round": state.round_,
        "pending": {str(made_in): one.payload.hex() for made_in, one in state.pending.items()},
        "last": state.last.payload.hex(),
        "last_round": state.last_round,
        "trained": state.trained,
        "update": state.update.hex(),
    }
    text = json.dumps(head).encode() + b"\n"
    content = text + b"".join(array.tobytes() for array in arrays)
    return content + hashlib.sha256(content).digest()[:CHECKSUM_BYTES]


def _unpacked(content: bytes, run: bytes, layout: Layout, settings: RunSettings) -> _State:
    content, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
    if hashlib.sha256(content).digest()[:CHECKSUM_BYTES] != checksum:
        raise ValueError("the state of the training is damaged: its checksum is wrong")
    text, _, rest = content.partition(b"\n")
    head: dict[str, Any] = json.loads(text)
    if head["format"] != FORMAT or head["run"] != run.hex():
        raise ValueError(f"the state of the training is of run {head['run']}, not of {run.hex()}")
    arrays = io.BytesIO(rest)

    def array(n: int, kind: type = np.float32) -> np.ndarray:
        return np.frombuffer(arrays.read(n * np.dtype(kind).itemsize), kind)

    def sent(text: str) -> _Sent:
        payload = bytes.fromhex(text)
        return _Sent(payload, code.decode(payload, layout))

    size, round_ = layout.size, head["round"]
    n_statistics = settings.n_statistics if round_ >= settings.frozen_from_round else 0
    held = Held(array(size), array(size if settings.outer_momentum else 0), array(n_statistics))
    memory: np.ndarray | Int8Memory
    if settings.memory == INT8:
        memory = Int8Memory(array(size, np.int8), array(len(layout.names)))
    else:
        memory = array(size)
    return _State(
        round_,
        held,
        memory,
        {int(made_in): sent(one) for made_in, one in head["pending"].items()},
        sent(head["last"]),
        head["last_round"],
        head["trained"],
        bytes.fromhex(head["update"]),
    )
