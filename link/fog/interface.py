"""The session's two sides: what it is given, and what it tells who runs it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import TeamEntry
from link.fog.tensors import TensorCoder

MAX_WAITING = 64
"Finished images, receipts and closings that nobody has taken."
One = TypeVar("One")


@dataclass(frozen=True)
class Member:
    """Which one this is."""

    number: int
    "From 0."
    key: bytes = field(repr=False)
    "The master key, 16 bytes, that all cards of the team hold."
    has_modem: bool = False
    has_camera: bool = False


@dataclass(frozen=True)
class Model:
    """What of the bundle all members must have in common."""

    bundle_id: bytes
    image: ImageSpec
    team: TeamEntry
    coder: TensorCoder

    @classmethod
    def of(cls, bundle: Bundle, is_coded: bool = False) -> "Model":
        """`is_coded`: tensors travel range-coded. ValueError where the bundle is for one node."""
        coder = TensorCoder.load(bundle, is_coded)
        assert bundle.team is not None
        return cls(bundle.id, bundle.image, bundle.team, coder)


@dataclass(frozen=True)
class TeamOptions:
    """The same on every member."""

    patience_s: float = 0.05
    """How long the first exchange waits, from the latest sign of work, for what lives and is
    missing; each further one, and the latents, half as long again.
    """
    heartbeat_s: float = 0.5
    "A leader says so at least that often; silent for three, it is followed by another."
    give_up_s: float = 5.0
    "No image takes longer."
    orphan_s: float = 30.0
    "An image that a receipt passes over for so long is taken over by a member that keeps it."
    silent_s: float | None = None
    """So it is where no receipt comes at all for so long: its modem may speak and not be heard.
    None: ten times as long.
    """
    is_camera_shared: bool = False
    "The leader sends the pixels; else each member captures its own."
    is_medium_shared: bool = False
    "A bus or a multicast group, where all hear every frame; else each frame goes to its readers."


@dataclass(frozen=True, eq=False)
class Run:
    """A part to be computed."""

    image: int
    segment: int
    group: int
    inputs: np.ndarray
    "int8 (1, h, w, channels)."


@dataclass(frozen=True)
class Wanted:
    """An image to be captured, at once."""

    image: int
    sequence: int


@dataclass(frozen=True)
class Outgoing:
    """A frame, and which members it is for."""

    frame: bytes
    to: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Finished:
    """An image as a member with a modem has it."""

    image: int
    sequence: int | None
    "Number of the image among all that the team took; None where nobody told it."
    symbols: np.ndarray
    "int8 (groups + D,): flags, then latents in transmitted order."
    flags: tuple[int, ...]
    "1 for each group whose latents came."
    is_mine: bool
    "This member is the aggregator; else it keeps the image until a receipt."


@dataclass(frozen=True)
class Closed:
    """An image with which a member is done."""

    image: int
    sequence: int | None
    alive: tuple[bool, ...]
    "By member, itself included; nobody before it was heard."
    published_bytes: int
    "With header and tag, each frame once for each that it is sent to."
    n_frames: int
    leader: int | None
    aggregator: int | None
    elapsed_s: float
    busy_s: float
    "As long of it was a part computed."


@dataclass(frozen=True)
class Receipt:
    """What the host has, as the aggregator says."""

    member: int
    images: Sequence[int]
    counter: int
    "Its newest packet counter: who takes over goes on above it."


class Told:
    """What nobody has taken yet; of much only the newest."""

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self.finished: deque[Finished] = deque(maxlen=MAX_WAITING)
        self.closed: deque[Closed] = deque(maxlen=MAX_WAITING)
        self.receipts: deque[Receipt] = deque(maxlen=MAX_WAITING)

    def take_wanted(self) -> Wanted | None:
        wanted, self.wanted = self.wanted, None
        return wanted


def taken(waiting: "deque[One]") -> "list[One]":
    """All of it; nothing is left."""
    found = list(waiting)
    waiting.clear()
    return found
