"""Watch: which alerts are raised. Each is said once when it begins and once when it is over, also
when the host was started anew in between.

    for alert in watch.check(now_s): tell(alert)      about once a second
    watch.settled("webhook", alert)                    whoever was to be told knows

What was raised, and who has not been told yet, stands in a file; it is written before anybody is
told. Whoever was told just before a power cut may be told again, under the same id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.question import asks, sentence
from host_decoder.alerts.rule import Rule
from link.base import durable

FILE = "alerts.json"
FORMAT = 1
MAX_OWED = 200
"Alerts that one addressee has not been told; the oldest is given up first."
KEEP_S = 60.0
"How often it is written down when nodes were heard, without any news."


@dataclass(frozen=True)
class Alert:
    """The beginning of something, or its end."""

    rule: str
    kind: str
    node: int
    is_raised: bool
    at_s: float
    "Unix time."
    sentence: str

    @property
    def id(self) -> str:
        """The same whenever it is told."""
        return f"{self.rule}/{self.node}/{self.state}/{self.at_s:.3f}"

    @property
    def state(self) -> str:
        return "raised" if self.is_raised else "cleared"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self)}

    @classmethod
    def from_json(cls, kept: Any) -> "Alert":
        """Raises TypeError, KeyError or ValueError for what to_json did not say."""
        return cls(
            str(kept["rule"]),
            str(kept["kind"]),
            int(kept["node"]),
            bool(kept["is_raised"]),
            float(kept["at_s"]),
            str(kept["sentence"]),
        )


class Watch:
    """The rules of a host, asked again and again."""

    def __init__(
        self,
        rules: Sequence[Rule],
        observation: Observation,
        path: Path,
        addressees: Sequence[str] = (),
    ) -> None:
        """`addressees`: who is to be told, by name. A damaged file is set aside: `notices` says
        so.
        """
        self._rules = {rule.title: rule for rule in rules}
        self._observation = observation
        self._path = path
        self.raised: dict[tuple[str, int], Alert] = {}
        self.owed: dict[str, list[Alert]] = {name: [] for name in addressees}
        self.muted_s: dict[int, float] = {}
        "Until when nothing begins, by node."
        self.notices: list[str] = []
        self._since_s: dict[tuple[str, int], float] = {}
        self._cleared_s: dict[tuple[str, int], float] = {}
        self._kept_s, self._fault = float("-inf"), ""
        self._recall()

    def check(self, now_s: float) -> list[Alert]:
        """What has begun or ended since the last time; written down already."""
        alerts = [
            alert
            for rule in self._rules.values()
            for node in self._observation.nodes
            if rule.is_about(node)
            for alert in self._ask(rule, node, now_s)
        ]
        gone = [key for key in self.raised if not self._is_watched(*key)]
        alerts += [self._clear(key, now_s, "is no longer watched") for key in gone]
        self._owe(alerts)
        if alerts or now_s >= self._kept_s + KEEP_S:
            self.keep(now_s)
        return alerts

    def settled(self, addressee: str, alert: Alert, now_s: float) -> None:
        """That one knows, or will not be told any more."""
        owed = self.owed[addressee]
        if alert in owed:
            owed.remove(alert)
            self.keep(now_s)

    def mute(self, node: int, until_s: float, now_s: float) -> None:
        """Nothing begins of that node until then; what is raised already ends as ever."""
        self.muted_s[node] = until_s
        self.keep(now_s)

    def clock_moved(self, by_s: float) -> None:
        """Somebody set the clock: what holds or rests does so for as long as it should."""
        for times in (self._since_s, self._cleared_s):
            times.update({key: at_s + by_s for key, at_s in times.items()})

    def raised_of(self, node: int) -> list[str]:
        """Titles of the rules."""
        return sorted(rule for rule, number in self.raised if number == node)

    def keep(self, now_s: float) -> None:
        """Writes it down; where that fails, `notices` says so once."""
        self._kept_s = now_s
        self.muted_s = {node: until_s for node, until_s in self.muted_s.items() if until_s > now_s}
        state = {
            "format": FORMAT,
            "raised": [alert.to_json() for alert in self.raised.values()],
            "cleared": [[*key, at_s] for key, at_s in self._cleared_s.items()],
            "owed": {name: [alert.to_json() for alert in owed] for name, owed in self.owed.items()},
            "presence": self._observation.presence.to_json(),
            "muted": [*self.muted_s.items()],
        }
        try:
            durable.write_state(self._path, state)
        except OSError as error:
            fault = f"alerts cannot be written down: {error}"
            if fault != self._fault:
                self._fault = fault
                self.notices.append(fault)

    def _ask(self, rule: Rule, node: int, now_s: float) -> list[Alert]:
        key = rule.title, node
        observed, presence = self._observation.nodes[node], self._observation.presence
        is_so = asks(rule, observed, presence, now_s)
        if is_so is None:
            return []
        if not is_so:
            self._since_s.pop(key, None)
            return [self._clear(key, now_s, "is over")] if key in self.raised else []
        since_s = self._since_s.setdefault(key, now_s)
        rests = 0 <= now_s - self._cleared_s.get(key, float("-inf")) < rule.cooldown_s
        is_muted = now_s < self.muted_s.get(node, float("-inf"))
        if key in self.raised or rests or is_muted or now_s < since_s + rule.hold_s:
            return []
        said = sentence(rule, observed, presence, now_s)
        alert = Alert(rule.title, rule.kind, node, True, now_s, said)
        self.raised[key] = alert
        return [alert]

    def _clear(self, key: tuple[str, int], now_s: float, what: str) -> Alert:
        before = self.raised.pop(key)
        self._cleared_s[key] = now_s
        return Alert(
            before.rule, before.kind, before.node, False, now_s, f"{before.sentence}: {what}"
        )

    def _owe(self, alerts: Sequence[Alert]) -> None:
        for owed in self.owed.values():
            owed += alerts
            del owed[:-MAX_OWED]

    def _is_watched(self, rule: str, node: int) -> bool:
        known = self._rules.get(rule)
        return known is not None and node in self._observation.nodes and known.is_about(node)

    def _recall(self) -> None:
        try:
            state = read_alerts(self._path)
            self.raised = {
                (one.rule, one.node): one for one in map(Alert.from_json, state["raised"])
            }
            self._cleared_s = {
                (str(rule), int(node)): float(at_s)
                for rule, node, at_s in state["cleared"]
                if self._is_watched(str(rule), int(node))
            }
            for name in self.owed.keys() & state["owed"].keys():
                self.owed[name] = [Alert.from_json(one) for one in state["owed"][name]]
            self.muted_s = muted(state)
            self._observation.presence.recall(state["presence"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError) as error:
            aside = durable.set_aside(self._path)
            self.notices.append(
                f"{self._path} is damaged ({error}) and is now {aside}: what was raised before is "
                "said again"
            )


def muted(state: Mapping[str, Any]) -> dict[int, float]:
    """Until when, by node; files of earlier versions have none. Raises TypeError, ValueError."""
    return {int(node): float(until_s) for node, until_s in state.get("muted", ())}


def read_alerts(path: Path) -> dict[str, Any]:
    """What `keep` wrote; FileNotFoundError, or ValueError for anything else."""
    return durable.read_state(path, FORMAT)
