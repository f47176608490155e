"""Rule: what a person wants to be told of. [[alert]] of host.toml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from link.settings import setting

LABEL, ANOMALY = "label", "anomaly"
LIMITS = {
    "silent": 3.0,
    "budget": 1.0,
    "queue": 100.0,
    "loss": 0.3,
    "bad-tags": 10.0,
    LABEL: 0.8,
    "drift": 0.5,
}
KINDS = (*LIMITS, "fault")


@dataclass(frozen=True)
class Rule:
    """One [[alert]]."""

    kind: str = setting.key(
        setting.text(KINDS).explained(
            "`silent`: a node says nothing; `budget`: its airtime is used up; `queue`: images wait "
            "in it; `fault`: it captures nothing; `loss`: packets are lost; `bad-tags`: somebody "
            "speaks in its name with another key; `label`: it sees something; `drift`: it sees "
            "other things than it used to"
        )
    )
    name: str = setting.key(
        setting.text().explained("as alerts call it", usual="its kind, and label"), ""
    )
    nodes: tuple[int, ...] = setting.key(
        setting.WHOLES.explained("which it is about", usual="all of this host's"), ()
    )
    label: str | None = setting.key(
        setting.text().explained("of kind `label`: the class; `anomaly` is none of them"), None
    )
    limit: float | None = setting.key(
        setting.number(0, 1_000_000_000).explained(
            "from where on: of `silent` own periods, `budget` seconds left, `queue` images, `loss` "
            "the share lost of an hour's packets, `bad-tags` packets an hour, `label` the least "
            "confidence, `drift` the distance from 0 to 1",
            usual="3, 1, 100, 0.3, 10, 0.8, 0.5",
        ),
        None,
    )
    hold_s: float = setting.key(
        setting.number(0, 31_536_000).explained("how long it must be so before it is said"), 0.0
    )
    cooldown_s: float = setting.key(
        setting.number(0, 31_536_000).explained(
            "how long after its end it is not said again of the same node"
        ),
        300.0,
    )

    @property
    def title(self) -> str:
        return self.name or (f"{self.kind} {self.label}" if self.label else self.kind)

    @property
    def bound(self) -> float:
        return LIMITS.get(self.kind, 0.0) if self.limit is None else self.limit

    def is_about(self, node: int) -> bool:
        return not self.nodes or node in self.nodes


def read_rule(table: Mapping[str, Any]) -> Rule:
    """Raises ValueError with a sentence."""
    rule = setting.read(Rule, table)
    if (rule.kind == LABEL) != (rule.label is not None):
        raise ValueError(f"label belongs to kind {LABEL}, and to no other")
    if not rule.title.isprintable():
        raise ValueError(f"name is {rule.title!r}; write what can be printed")
    return rule
