"""Circumstances: what a simulated device has to live with: its link, its processor, bad luck, and
whether it lies. Everything is drawn by (seed, device, round).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class ModelledLink:
    """How long bytes take."""

    bytes_per_s: float
    latency_s: float

    def time_s(self, n_bytes: int) -> float:
        return self.latency_s + n_bytes / self.bytes_per_s


LINKS = {
    "nb-iot": ModelledLink(2500.0, 5.0),
    "lte-m": ModelledLink(25_000.0, 0.15),
    "wifi": ModelledLink(1_250_000.0, 0.02),
    "lora": ModelledLink(6.8, 1.0),
}
"""20 kbit/s, 200 kbit/s, 10 Mbit/s; and SF7 at 125 kHz, 5.5 kbit/s within a duty cycle of one per
cent.
"""
Lie = Literal["noise", "sign_flip", "scaled", "replayed", "malformed"]
LIES: tuple[Lie, ...] = ("noise", "sign_flip", "scaled", "replayed", "malformed")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """All devices'; shares are of devices, or of a device's rounds."""

    link: str = "wifi"
    image_s: float = 0.003
    "Training on one image, forward and backward: `plain-5` on a Raspberry Pi 4."
    slow_share: float = 0.0
    slow_factor: float = 10.0
    "How much longer slow devices take, for everything."
    lost: float = 0.0
    "Share of the updates that never come."
    away: float = 0.0
    "Share of the rounds that a device does not hear of."
    extra_latency_s: float = 0.0
    lie: Lie | None = None
    liar_share: float = 0.0

    def is_slow(self, seed: int, device: int, n_devices: int) -> bool:
        return device in _some(seed, n_devices, self.slow_share, 1)

    def is_liar(self, seed: int, device: int, n_devices: int) -> bool:
        return self.lie is not None and device in _some(seed, n_devices, self.liar_share, 2)

    def is_lost(self, seed: int, device: int, round_: int) -> bool:
        return _draw(seed, device, round_, 3) < self.lost

    def is_away(self, seed: int, device: int, round_: int) -> bool:
        return _draw(seed, device, round_, 4) < self.away

    def transfer_s(self, n_bytes: int, is_slow: bool) -> float:
        link = LINKS[self.link]
        return self.extra_latency_s + link.time_s(n_bytes) * (self.slow_factor if is_slow else 1)

    def training_s(self, n_images: int, is_slow: bool) -> float:
        return n_images * self.image_s * (self.slow_factor if is_slow else 1)


@lru_cache(maxsize=8)
def _some(seed: int, n_devices: int, share: float, kind: int) -> frozenset[int]:
    """As many devices as the share says, to the next whole one."""
    order = np.random.default_rng((seed, n_devices, kind)).permutation(n_devices)
    return frozenset(order[: round(share * n_devices)].tolist())


def _draw(seed: int, device: int, round_: int, kind: int) -> float:
    """0 to below 1."""
    return float(np.random.default_rng((seed, device, round_, kind)).random())
