"""Settings: what host.toml says of the store: where it lies, and how long it keeps what."""

from dataclasses import dataclass
from pathlib import Path

from link.settings import setting

SERVER = ("postgresql://", "postgres://")
MANY_DAYS = 36_500
Place = Path | str
"A file, or a server's DSN such as postgresql://host@db.example/latentlink."


def is_server(place: Place) -> bool:
    return str(place).startswith(SERVER)


@dataclass(frozen=True)
class Keep:
    """[keep] of host.toml."""

    packets_days: int = setting.key(
        setting.whole(1, MANY_DAYS).explained("packets as they came, and who heard them"), 30
    )
    results_days: int = setting.key(
        setting.whole(1, MANY_DAYS).explained(
            "what images were taken for, and what nodes told of themselves; the bitstreams stay"
        ),
        400,
    )
    hours_days: int = setting.key(
        setting.whole(1, MANY_DAYS).explained("figures by hour, which charts are drawn of"), 1095
    )
