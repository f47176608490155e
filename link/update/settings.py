"""Settings of a run: what server and devices must agree on, word for word; they never travel.

What is said by round is a tuple of one entry a round, whose last one holds from there on. Eight
bytes of the SHA-256 over the settings' JSON name the run, and every signature is over them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, TypeVar, get_args

import numpy as np

from link.update.layout import HASH_BYTES, MAX_PARAMETERS

T = TypeVar("T")
MAX_ROUNDS = 1 << 20
MAX_DEVICES = 1 << 20
MAX_STEPS = 1 << 16
"Steps of a round, and images of a batch."
WHOLE = 0
"As a number of bytes: whole weights are sent, as they are."
SMALLEST_SHARE = 1e-3
"A class that a device has no image of counts as that rare."
FRESH, CARRIED, MASKED = MOMENTA = "fresh", "carried", "masked"
FLOAT32, INT8 = MEMORIES = "float32", "int8"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run, from its initial weights on."""

    network: str
    "16 hex digits that name what is trained: its layers, their constants and its layout."
    seed: int = 0
    n_devices: int = 1
    n_rounds: int = 1
    n_steps: int = 1
    "Local steps of a round, H."
    batch_images: int = 128
    "In one step of one device."
    learning_rates: tuple[float, ...] = (0.05,)
    "By round."
    momentum: float = 0.9
    "Nesterov's, within a device."
    momentum_kind: str = FRESH
    """What a round begins with: none; what the last one left; that, but none where an entry was
    sent (Deep Gradient Compression, arXiv:1712.01887, 3.2).
    """
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    prior_weight: float = 0.0
    "How much of its own classes' shares a device takes off what it learns: see score_bias."
    crop_pixels: int = 0
    "An image is moved by up to so many pixels each way."
    has_flips: bool = False
    frozen_from_round: int = MAX_ROUNDS
    "From there on batch norm uses statistics that the server took and tells, not the batch's."
    n_statistics: int = 0
    "How many those are."
    n_groups: int = 1
    "Devices take turns: device d trains in the rounds r with r = d modulo that."
    outer_rates: tuple[float, ...] = (1.0,)
    "By round: see link.update.outer_step, as for the next two."
    outer_momentum: float = 0.0
    "Nesterov's, over rounds."
    outer_decay: float = 0.0
    up_bytes: tuple[int, ...] = (WHOLE,)
    "By round: what an update message may take, header and signature included; 0: whole weights."
    down_bytes: tuple[int, ...] = (WHOLE,)
    "By round: the same of the server's message."
    has_scales: bool = False
    "Whether what is sent is chosen relative to each tensor's root mean square."
    memory: str = FLOAT32
    "How a device keeps what it has not sent yet."
    max_lateness: int = 4
    "An update that comes more rounds late is refused."

    def __post_init__(self) -> None:
        _require(_is_hash(self.network), "network", self.network, "16 hex digits")
        _require(0 <= self.seed < 1 << 32, "seed", self.seed, "from 0 to 2**32 - 1")
        for name, most in (
            ("n_devices", MAX_DEVICES),
            ("n_rounds", MAX_ROUNDS),
            ("n_steps", MAX_STEPS),
            ("batch_images", MAX_STEPS),
            ("n_groups", self.n_devices),
        ):
            value = getattr(self, name)
            _require(1 <= value <= most, name, value, f"from 1 to {most}")
        for name, lowest, below in (
            ("momentum", 0, 1),
            ("weight_decay", 0, 1),
            ("label_smoothing", 0, 1),
            ("prior_weight", 0, 100),
            ("outer_momentum", 0, 1),
            ("outer_decay", 0, 1),
            ("crop_pixels", 0, 1 << 10),
            ("frozen_from_round", 1, MAX_ROUNDS + 1),
            ("n_statistics", 0, MAX_PARAMETERS),
            ("max_lateness", 0, 8),
        ):
            value = getattr(self, name)
            is_within = isfinite(value) and lowest <= value < below
            _require(is_within, name, value, f"at least {lowest} and below {below}")
        for name, most in (
            ("learning_rates", 100),
            ("outer_rates", 100),
            ("up_bytes", 1 << 30),
            ("down_bytes", 1 << 30),
        ):
            values = getattr(self, name)
            is_list = 1 <= len(values) <= MAX_ROUNDS and all(0 <= one <= most for one in values)
            _require(is_list, name, values, f"at least one entry, each from 0 to {most}")
        _require(self.momentum_kind in MOMENTA, "momentum_kind", self.momentum_kind, str(MOMENTA))
        _require(self.memory in MEMORIES, "memory", self.memory, str(MEMORIES))

    def to_json(self) -> str:
        """The text that the run's name is made of."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "RunSettings":
        """What to_json wrote; ValueError with a sentence for anything else."""
        try:
            table = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the settings of the run are no JSON: {error}") from None
        if not isinstance(table, dict):
            raise ValueError("the settings of the run are no JSON object")
        types = {one.name: one.type for one in fields(cls)}
        for name, value in table.items():
            if name not in types:
                raise ValueError(f"the settings of the run have no {name!r}; they are {[*types]}")
            if not _is_of(value, types[name]):
                raise ValueError(f"{name} of the run's settings is {value!r}, not a {types[name]}")
        if "network" not in table:
            raise ValueError("the settings of the run name no network")
        return cls(**{name: _value(one, types[name]) for name, one in table.items()})

    @property
    def run_id(self) -> bytes:
        """8 bytes that name the run."""
        return hashlib.sha256(self.to_json().encode()).digest()[:HASH_BYTES]

    def learning_rate(self, round_: int) -> float:
        return by_round(self.learning_rates, round_)

    def outer_rate(self, round_: int) -> float:
        return by_round(self.outer_rates, round_)

    def is_turn(self, device: int, round_: int) -> bool:
        """Whether that device trains in that round."""
        return round_ % self.n_groups == device % self.n_groups

    def score_bias(self, n_each: np.ndarray) -> np.ndarray | None:
        """What a device adds to its class scores while it learns, float32 (K,), by how many of its
        own images are of each class, int (K,): the logarithms of their shares, so that nobody's
        scores learn which classes its device sees more often (logit adjustment: Menon et al.,
        arXiv:2007.07314; on devices: Zhang et al., arXiv:2209.00189). None where it is nothing.
        """
        if not self.prior_weight:
            return None
        shares = np.maximum(n_each / n_each.sum(), SMALLEST_SHARE)
        return (self.prior_weight * np.log(shares)).astype(np.float32)

    def up(self, round_: int) -> int:
        """Bytes of an update message in that round; WHOLE: as many as whole weights take."""
        return by_round(self.up_bytes, round_)

    def down(self, round_: int) -> int:
        """Bytes of the server's message in that round; WHOLE as above."""
        return by_round(self.down_bytes, round_)


def by_round(values: Sequence[T], round_: int) -> T:
    """The round's entry; the last one where there are fewer."""
    return values[min(round_, len(values) - 1)]


def _is_of(value: Any, kind: Any) -> bool:
    if args := get_args(kind):
        return isinstance(value, list) and all(_is_of(one, args[0]) for one in value)
    return type(value) is kind or (kind is float and type(value) is int)


def _value(value: Any, kind: Any) -> Any:
    if args := get_args(kind):
        return tuple(_value(one, args[0]) for one in value)
    return float(value) if kind is float else value


def _is_hash(text: str) -> bool:
    return len(text) == 2 * HASH_BYTES and set(text) <= set("0123456789abcdef")


def _require(is_right: bool, name: str, value: object, what: str) -> None:
    if not is_right:
        raise ValueError(f"{name} of the run's settings is {value!r}; it must be {what}")
