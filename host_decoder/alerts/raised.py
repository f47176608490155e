"""Raised: which alerts a host has raised, read from beside its store, whether it runs or not."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from host_decoder.alerts.watch import FILE, Alert, muted, read_alerts
from host_decoder.alerts.words import in_words
from host_decoder.errors import HostError


def raised_alerts(folder: Path) -> tuple[list[Alert], dict[int, float]]:
    """Longest first, and until when nodes are muted; none where the host has never kept any."""
    path = folder / FILE
    try:
        state = read_alerts(path)
        raised = sorted(map(Alert.from_json, state["raised"]), key=lambda one: one.at_s)
        return raised, muted(state)
    except FileNotFoundError:
        return [], {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HostError(
            f"{path} cannot be read ({error}); the host sets it aside when it starts"
        ) from None


def alert_lines(
    raised: Sequence[Alert], muted_s: Mapping[int, float], has_rules: bool, now_s: float
) -> Iterator[str]:
    """For a person."""
    for alert in raised:
        yield f"{alert.rule}: {alert.sentence} (since {in_words(max(0.0, now_s - alert.at_s))})"
    if not raised:
        yield (
            "no alert is raised"
            if has_rules
            else "host.toml has no [[alert]], so nothing is watched: docs/integrations.md"
        )
    for node, until_s in sorted(muted_s.items()):
        if until_s > now_s:
            yield f"node {node} is muted for {in_words(until_s - now_s)} more"
