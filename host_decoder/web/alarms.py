"""Alarms: what a host has raised and which nodes are muted, as the page shows it. The host writes
it down, beside its store; here it is only read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from host_decoder.alerts.raised import raised_alerts


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
            "alerts": [
                {
                    "site": self._site,
                    "node": one.node,
                    "rule": one.rule,
                    "kind": one.kind,
                    "since_s": one.at_s,
                    "sentence": one.sentence,
                }
                for one in raised
            ],
            "muted": [
                {"site": self._site, "node": node, "until_s": until_s}
                for node, until_s in sorted(muted_s.items())
                if until_s > now_s
            ],
        }

    def has(self, site: str) -> bool:
        """Whether its nodes can be muted here."""
        return site == self._site and bool(self._rules)
