"""What an onlooker hears of a node, made up: packets, and how the node says it is."""

from typing import Any

from host_decoder.events import STORED, Heard
from link.host import StatusHeard
from link.wire.control import Quality, Status
from tests.worlds.small_host import NODE


def heard(
    at_s: float = 1000.0, node: int | None = NODE, outcome: str = STORED, **figures: Any
) -> Heard:
    """A packet of 15 bytes at the gateway roof, with these figures of the node's."""
    return Heard("roof", outcome, node, 15, at_s, Quality(7.5, -97), None, figures, 0.004)


def told(at_s: float = 1000.0, node: int = NODE, **status: Any) -> Heard:
    """The same with a STATUS: nothing waits, and its airtime is not limited, unless said."""
    usual: dict[str, Any] = {"queue_images": 0, "oldest_age_s": None, "budget_s": None}
    said = StatusHeard(node, 1, Status(**usual | status))
    return Heard("roof", STORED, node, 15, at_s, Quality(7.5, -97), said, {}, 0.004)
