"""Advances: what a host says to sessions whose counters are behind, and how seldom.

A node that lost its counters asks, and so does whoever plays a recording: both have a salt and a
good tag. A live node obeys the first COMMAND ADVANCE that it hears, so each salt is answered once,
and then after pauses that double; salts that had fewer answers go first. Whoever asks from above
the counter that it was told has obeyed, as no recording can, and is answered as if for the first
time: of two live copies of a card each is overtaken again and again. All of it together takes at
most a tenth of the airtime that the rules allow, or one frame a second where they allow any, and
waits behind every REPORT that a node has asked for.
"""

from dataclasses import dataclass
from math import inf

from link.base.recent import Recent
from link.medium.governor import AirtimeLimit, Governor

MAX_SALTS = 512
"That were answered and are remembered."
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 86_400.0
SHARE = 0.1
PERIOD_S = 1.0
"The period of one frame, where airtime is not limited."


@dataclass
class Asking:
    """A session that is behind, listens now, and hopes for an answer."""

    node: int
    salt: bytes
    gateway: int
    until_s: float
    n_answers: int
    not_before_s: float


class Advances:
    """The advances of one host."""

    def __init__(self, airtime_s: float, wait_s: float) -> None:
        """An answer takes airtime_s; whoever asks waits for wait_s."""
        self.airtime_s = airtime_s
        self._wait_s = wait_s
        self._answered: Recent[tuple[int, bytes], tuple[int, float, int]] = Recent(MAX_SALTS)
        "How often, before when not again, and above which counter they were told to go on."
        self._asking: dict[tuple[int, bytes], Asking] = {}
        self._budgets: dict[int, Governor] = {}
        "By gateway."

    def ask(self, node: int, salt: bytes, counter: int, gateway: int, now_s: float) -> None:
        """A packet of such a session came under this counter, and its sender listens."""
        n_answers, not_before_s, told = self._answered.get((node, salt), (0, -inf, counter))
        if counter > told:
            n_answers, not_before_s = 0, -inf
        until_s = now_s + self._wait_s
        if not_before_s <= until_s:
            self._asking[node, salt] = Asking(node, salt, gateway, until_s, n_answers, not_before_s)

    def next(self, now_s: float) -> Asking | None:
        """Whom to answer first."""
        self._asking = {name: one for name, one in self._asking.items() if one.until_s >= now_s}
        return min(
            self._asking.values(), key=lambda one: (one.n_answers, -one.until_s), default=None
        )

    def start_s(self, asking: Asking, governor: Governor | None, now_s: float) -> float:
        """When the answer may start; inf: not while it is awaited."""
        start_s = self._budget(asking.gateway, governor).start_s(
            self.airtime_s, max(now_s, asking.not_before_s)
        )
        if governor is not None:
            start_s = governor.start_s(self.airtime_s, start_s)
        return start_s if start_s <= asking.until_s else inf

    def answered(
        self, asking: Asking, counter: int, governor: Governor | None, now_s: float
    ) -> None:
        """The answer leaves now: to go on above this counter."""
        budget = self._budget(asking.gateway, governor)
        budget.occupy(self.airtime_s, now_s)
        if not budget.is_limited:
            budget.pause(now_s + PERIOD_S)
        name = asking.node, asking.salt
        del self._asking[name]
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(asking.n_answers, 60), LONGEST_PAUSE_S)
        self._answered[name] = asking.n_answers + 1, now_s + pause_s, counter

    def _budget(self, gateway: int, governor: Governor | None) -> Governor:
        if gateway not in self._budgets:
            limits = [
                AirtimeLimit(limit.window_s, max(SHARE * limit.airtime_s, self.airtime_s))
                for limit in (governor.limits if governor else ())
            ]
            self._budgets[gateway] = Governor(limits)
        return self._budgets[gateway]
