"""Wire: what carries errands between a run's server and its gateways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

RELAY_S = 120.0
"How long a gateway waits for its devices."
MARGIN_S = 30.0
"What an errand may take besides, on its way and in queues."


@dataclass(frozen=True)
class Errand:
    """What a gateway is sent."""

    gateway: int
    messages: dict[int, bytes]
    "By device; empty bytes ask what it has to say."


@dataclass(frozen=True)
class Reply:
    """What came of an errand."""

    errand: str
    answers: dict[int, bytes] | None
    "By device; None where the gateway failed."


class Wire(Protocol):
    """Flower's grid, or, in tests, this process."""

    def push(self, errand: Errand) -> str | None:
        """Begin an errand; what it is called from now on, None where it could not begin."""

    def pull(self, names: Sequence[str]) -> list[Reply]:
        """What came of those that are under way."""
