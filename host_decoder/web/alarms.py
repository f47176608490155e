"""Alarms: what is raised and which nodes are muted, as the page shows it. A host writes it down,
beside its store, where it is only read; of a fleet the page is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from host_decoder.alerts.raised import raised_alerts
from host_decoder.alerts.watch import Alert


class Alarms:
    """What one host keeps."""

    def __init__(self, folder: str | Path, site: str, rules: Sequence[str]) -> None:
        """`rules`: titles of [[alert]]; none: nothing is watched."""
        self._folder, self._site, self._rules = Path(folder), site, list(rules)

    def to_json(self, now_s: float) -> dict[str, Any]:
        """`alerts`, the longest first, `muted` nodes, and `rules`. HostError for a damaged file."""
        raised, muted_s = raised_alerts(self._folder)
        return {
            "rules": self._rules,
            "alerts": shown_alerts(self._site, raised),
            "muted": shown_muted(self._site, muted_s, now_s),
        }

    def has(self, site: str) -> bool:
        """Whether its nodes can be muted here."""
        return site == self._site and bool(self._rules)


class ToldAlarms:
    """What the leader of a fleet keeps of each site."""

    def __init__(self) -> None:
        self._sites: dict[str, Mapping[str, Any]] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """`site`, its `rules`, what is `raised`, and when `muted` nodes are heard of again."""
        self._sites[event["site"]] = event

    def to_json(self, now_s: float) -> dict[str, Any]:
        """As Alarms does, of all sites."""
        alerts = [
            alert
            for site, told in self._sites.items()
            for alert in shown_alerts(site, map(Alert.from_json, told["raised"]))
        ]
        muted = [
            one
            for site, told in sorted(self._sites.items())
            for one in shown_muted(site, dict(told["muted"]), now_s)
        ]
        return {
            "rules": sorted({rule for told in self._sites.values() for rule in told["rules"]}),
            "alerts": sorted(alerts, key=lambda one: one["since_s"]),
            "muted": muted,
        }

    def has(self, site: str) -> bool:
        """Whether its nodes can be muted here."""
        return site in self._sites and bool(self._sites[site]["rules"])


def shown_alerts(site: str, raised: Iterable[Alert]) -> list[dict[str, Any]]:
    return [
        {
            "site": site,
            "node": one.node,
            "rule": one.rule,
            "kind": one.kind,
            "since_s": one.at_s,
            "sentence": one.sentence,
        }
        for one in raised
    ]


def shown_muted(site: str, muted_s: Mapping[int, float], now_s: float) -> list[dict[str, Any]]:
    return [
        {"site": site, "node": node, "until_s": until_s}
        for node, until_s in sorted(muted_s.items())
        if until_s > now_s
    ]
