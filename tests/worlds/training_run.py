"""A run of global training in small: its layout, its settings, its keys, and values as training
makes them.
"""

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from link.update import message
from link.update.device_end import DeviceEnd, Learned
from link.update.layout import Layout
from link.update.message import Form, Round
from link.update.outer_step import Held, with_statistics
from link.update.quantised import apply
from link.update.quantiser import quantise_within
from link.update.settings import RunSettings

LAYOUT = Layout(
    ("first.kernel", "first.scale", "second.kernel", "second.shift", "classes"),
    ((16, 3, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, 32)),
)
SETTINGS = RunSettings(
    network="00112233445566aa", n_devices=3, n_rounds=50, up_bytes=(300,), down_bytes=(500,)
)
SERVER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def device_key(device: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([device + 1]) * 32)


def values(seed: int, layout: Layout = LAYOUT, size: float = 1.0) -> np.ndarray:
    """float32 (P,), a few large among many small, a size of its own in every tensor."""
    draw = np.random.default_rng(seed)
    sizes = size * np.exp(draw.normal(size=len(layout.names)))[layout.tensor_of]
    return (draw.laplace(size=layout.size) * sizes).astype(np.float32)


def learned(weights: np.ndarray) -> Learned:
    """From 32 images."""
    return Learned(weights, 32, 1.5)


def train(weights: np.ndarray, round_: int, device: int) -> Learned:
    """Steps that depend on all that training depends on."""
    pull = np.float32(0.01) * (weights - values(1))
    step = values(1000 * device + round_, size=0.02) + pull
    return learned(weights - step.astype(np.float32))


class SmallServer:
    """Averages what it is told to count, as simply as possible."""

    def __init__(self, settings: RunSettings = SETTINGS) -> None:
        self.settings, self.held, self.round_ = settings, Held.first(values(2), settings), 0
        self.memory = np.zeros(LAYOUT.size, np.float32)

    @property
    def weights(self) -> np.ndarray:
        return self.held.weights

    def close(self, accepted: list[tuple[int, int]], total: np.ndarray) -> bytes:
        """The round's message, where the updates counted sum up to `total`, float32 (P,)."""
        listed = tuple(sorted(accepted))
        before = self.held.hash
        summed = self.memory + total / np.float32(max(len(listed), 1))
        room = self.settings.down(self.round_) - message.round_overhead_bytes(listed, self.round_)
        quantised, payload = quantise_within(summed, LAYOUT, room)
        self.memory = apply(summed, quantised, LAYOUT)
        self.held = self.held.stepped(quantised, LAYOUT, self.settings, self.round_)
        round_ = Round(self.round_, listed, Form.CODED, payload, self.held.hash)
        self.round_ += 1
        return message.pack_round(round_, self.settings.run_id, before, SERVER)

    def freeze(self, statistics: np.ndarray) -> bytes:
        """The message of the round behind which they are frozen."""
        before = self.held.hash
        nothing = np.zeros(LAYOUT.size, np.float32)
        stepped = self.held.stepped_by(nothing, self.settings, self.round_)
        self.held = stepped.frozen(statistics)
        payload = with_statistics(b"", statistics)
        round_ = Round(self.round_, (), Form.CODED, payload, self.held.hash)
        self.round_ += 1
        return message.pack_round(round_, self.settings.run_id, before, SERVER)

    def snapshot(self, device: int, accepted: list[tuple[int, int]]) -> bytes:
        """Where the run stands, for one device."""
        payload, after = self.held.pack(), self.held.hash
        listed = tuple(sorted(accepted))
        round_ = Round(self.round_ - 1, listed, Form.WHOLE, payload, after, is_snapshot=True)
        before = message.addressee(device)
        return message.pack_round(round_, self.settings.run_id, before, SERVER)


def device_end(device: int, folder=None, settings: RunSettings = SETTINGS) -> DeviceEnd:
    key = device_key(device)
    return DeviceEnd(settings, LAYOUT, device, key, SERVER.public_key(), values(2), folder)
