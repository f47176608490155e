"""Arms: the encoders that the study holds against each other, of equal MACs a node, each trained by
the same recipe from the same teacher.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from host_training.models.architecture import Team

Change = Callable[[Team], Team]
Widths = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Arm:
    """One way to share an encoder out to nodes."""

    change: Change
    "What it makes of the preset's team."
    n_seeds: int = 1
    about: str = ""


def wired(wiring: str, dropout: bool = True, widths: Widths | None = None, **more: float) -> Change:
    def change(team: Team) -> Team:
        changed = replace(team, wiring=wiring, widths=widths or team.widths, **more)  # type: ignore[arg-type]
        return changed if dropout else replace(changed, dropout=0.0)

    return change


ALONE: Widths = ((12, 14, 22), (36, 52), (56,))
"Without an exchange a node reads a third of the channels, and so is wider at as many MACs."
OF_ALL: Widths = ((12, 10, 16), (20, 28), (28,))
"Channels of a node that reads everybody's."
ARMS = {
    "exchange": Arm(wired("design"), 3, "block design and its dual"),
    "none_dropout": Arm(wired("none", widths=ALONE), 3, "no exchange"),
    "random": Arm(wired("random"), 3, "random 3-regular, another draw each seed"),
    "exchange_no_dropout": Arm(wired("design", False), 3, "block design, trained whole"),
    "none": Arm(wired("none", False, ALONE), 3, "no exchange, trained whole"),
    "random_no_dropout": Arm(wired("random", False), 3, "random, trained whole"),
    "ensemble": Arm(
        wired("none", False, ALONE, joint_weight=0.0, own_weight=1.0),
        about="seven nodes trained each by itself, scores averaged",
    ),
    "nonn": Arm(
        wired("none", False, ALONE), about="each imitates its share of the teacher, one decoder"
    ),
    "ring": Arm(wired("ring"), about="a node and its two neighbours"),
    "ring_no_dropout": Arm(wired("ring", False), about="the same, trained whole"),
    "shuffle": Arm(wired("shuffle", widths=ALONE), about="a seventh of everybody's channels"),
    "shuffle_no_dropout": Arm(wired("shuffle", False, ALONE), about="the same, trained whole"),
    "all": Arm(wired("all", widths=OF_ALL), about="all to all"),
    "all_no_dropout": Arm(wired("all", False, OF_ALL), about="the same, trained whole"),
}
"""By name, most wanted first. Beside them stand `whole`, one network on one node, and `replica`,
the exchange's on three nodes each, which is trained already.
"""


def team_of(arm: str, team: Team, seed: int) -> Team:
    changed = ARMS[arm].change(team)
    return replace(changed, draw=seed) if changed.wiring == "random" else changed
