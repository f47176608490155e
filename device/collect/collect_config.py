"""[collect] of node.toml: pictures are kept on the node's card, from which `latentlink collect`
fetches them. Without this section none is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from device.capture.schedule import DAY_S
from link.settings import setting

MEGABYTE = 1_000_000
DEFAULT_MB = 100
"Some thousand pictures of the default size."


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """What is kept."""

    max_bytes: int = setting.key(
        setting.whole(1, 100_000).explained(
            "what the pictures may take on the card; beyond it the oldest go", usual=str(DEFAULT_MB)
        ),
        DEFAULT_MB * MEGABYTE,
        name="max_mb",
    )
    size: int = setting.key(
        setting.whole(16, 2160).explained(
            "pixels of a picture's shorter side, if the camera gives so many: more than the "
            "encoder takes, for one that is trained on more later"
        ),
        320,
    )
    interval_s: float = setting.key(
        setting.number(0, DAY_S).explained("at least so long from one kept picture to the next"),
        10.0,
    )
    gate: bool = setting.key(
        setting.YES_OR_NO.explained(
            "leave out pictures that show nothing new, as [source] gate does; false where the "
            "camera does not stand still"
        ),
        True,
    )


def read_collect(table: Mapping[str, Any]) -> CollectConfig:
    """ValueError with a sentence when it says something that cannot be."""
    return setting.read(CollectConfig, table, "[collect] ", max_mb=MEGABYTE.__mul__)
