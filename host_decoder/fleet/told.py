"""Told: what a page of a fleet learns from its leader and its workers, and asks of them, by way of
the store.
"""

import json
import time
from typing import Any

from host_decoder.alerts import watch
from host_decoder.fleet.words import DUTY, RULES, order_name
from host_decoder.store.database.access import Database
from host_decoder.store.database.file import StoreError
from host_decoder.store.history.desk import Desk
from host_decoder.store.leases import all_handed_on, leave

LOOK_S = 1.0


class Told:
    """One page's."""

    def __init__(self) -> None:
        self.database: Database | None = None
        "The one that is open."
        self._said: dict[str, str] = {}
        self._look_s = 0.0

    def news(self) -> list[dict[str, Any]]:
        """Lines for the page on what is not as it was, once in LOOK_S."""
        if self.database is None or time.monotonic() < self._look_s + LOOK_S:
            return []
        self._look_s = time.monotonic()
        try:
            left = all_handed_on(self.database)
        except StoreError:  # whoever follows what is stored says so
            return []
        lines = []
        for name, content in left.items():
            if name.startswith(DUTY):
                line = _duty(name, content)
            elif name.startswith(RULES):
                line = _alarms(name.removeprefix(RULES), content, left)
            else:
                continue
            if self._said.get(name) != (said := json.dumps(line)):
                self._said[name] = said
                lines.append(line)
        return lines

    def mute(self, site: str, node: int, until_s: float) -> None:
        """The leader tells nothing of that node until then."""
        assert self.database is not None
        Desk(self.database).describe_node(site, node, muted_until_s=until_s)

    def order(self, site: str, node: int, word: str) -> None:
        """Whose worker the node's is tells it."""
        assert self.database is not None
        leave(self.database, order_name(site, node, word))


def _duty(name: str, content: str) -> dict[str, Any]:
    site, gateway = name.removeprefix(DUTY).split("/")
    return {"event": "duty", "site": site, "gateway": gateway, **json.loads(content)}


def _alarms(site: str, rules: str, left: dict[str, str]) -> dict[str, Any]:
    kept = json.loads(left.get(f"{site}/{watch.FILE}", "{}"))
    return {
        "event": "alarms",
        "site": site,
        "rules": json.loads(rules),
        "raised": kept.get("raised", []),
        "muted": kept.get("muted", []),
    }
