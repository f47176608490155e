"""Raised: which alerts a host has raised, read from beside its store, whether it runs or not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from host_decoder.alerts.watch import FILE, Alert, read_alerts
from host_decoder.alerts.words import in_words
from host_decoder.errors import HostError


def raised_alerts(folder: Path) -> list[Alert]:
    """Longest first; none where the host has never kept any."""
    path = folder / FILE
    try:
        return sorted(map(Alert.from_json, read_alerts(path)["raised"]), key=lambda one: one.at_s)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HostError(
            f"{path} cannot be read ({error}); the host sets it aside when it starts"
        ) from None


def alert_lines(raised: Sequence[Alert], has_rules: bool, now_s: float) -> Iterator[str]:
    """For a person."""
    for alert in raised:
        yield f"{alert.rule}: {alert.sentence} (since {in_words(max(0.0, now_s - alert.at_s))})"
    if not raised:
        yield (
            "no alert is raised"
            if has_rules
            else "host.toml has no [[alert]], so nothing is watched: docs/integrations.md"
        )
