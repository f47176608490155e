"""Question: what a rule asks of a node, whether something is so: yes, no, or None. What cannot be
told neither raises nor clears anything.
"""

from collections.abc import Callable
from typing import Any

from host_decoder.alerts.observed import Observed
from host_decoder.alerts.presence import Presence
from host_decoder.alerts.rule import ANOMALY, LABEL, Rule
from host_decoder.alerts.words import in_words


def asks(rule: Rule, observed: Observed, presence: Presence, now_s: float) -> bool | None:
    """Whether it is so of a node; None: nobody can tell."""
    return ASKED[rule.kind](rule, observed, presence, now_s)


def sentence(rule: Rule, observed: Observed, presence: Presence, now_s: float) -> str:
    """What is so, for a person."""
    title, status, answer = observed.node.title, observed.status, observed.answer
    if rule.kind == "silent":
        heard_s = presence.heard_s(observed.node.number)
        since = f"for {in_words(now_s - heard_s)}" if heard_s else "since this host began"
        period_s = presence.period_s(observed.node.number)
        usual = f"; it speaks each {in_words(period_s)}" if period_s else ""
        return f"{title} has not been heard {since}{usual}"
    if rule.kind == "budget" and status:
        return f"{title} has {status.budget_s:g} s of airtime left"
    if rule.kind == "queue" and status:
        return f"{title} has {status.queue_images} images waiting"
    if rule.kind == "fault" and status:
        return f"{title} captures nothing: {status.fault}"
    if rule.kind == "loss":
        return f"{observed.loss_ratio() or 0:.0%} of the packets of {title} are lost"
    if rule.kind == "bad-tags":
        n = observed.n_bad_tags(now_s)
        return f"{n} packets in the name of {title} within an hour that its key does not open"
    if rule.kind == LABEL and answer:
        what = rule.label if rule.label == ANOMALY else answer.label
        return f"{title} sees {what} (image {answer.image})"
    return f"{title} sees other things than it used to (distance {observed.drift.distance:.2f})"


def _status(ask: Callable[[Rule, Any], bool]) -> Callable[..., bool | None]:
    def asked(rule: Rule, observed: Observed, _presence: Presence, _now_s: float) -> bool | None:
        return None if observed.status is None else ask(rule, observed.status)

    return asked


def _share(value: float | None, bound: float) -> bool | None:
    return None if value is None else value > bound


def _sees(rule: Rule, observed: Observed, _presence: Presence, _now_s: float) -> bool | None:
    answer = observed.answer
    if answer is None:
        return None
    if rule.label == ANOMALY:
        return None if answer.strangeness is None else answer.is_strange
    sure = answer.confidence
    if sure is None:
        sure = float(answer.probabilities.max())
    return answer.label == rule.label and sure >= rule.bound


ASKED: dict[str, Callable[[Rule, Observed, Presence, float], bool | None]] = {
    "silent": lambda rule, one, presence, now_s: presence.is_silent(
        one.node.number, now_s, rule.bound
    ),
    "budget": _status(lambda rule, told: told.budget_s is not None and told.budget_s < rule.bound),
    "queue": _status(lambda rule, told: told.queue_images > rule.bound),
    "fault": _status(lambda rule, told: told.fault is not None),
    "loss": lambda rule, one, _, now_s: _share(one.loss_ratio(), rule.bound),
    "bad-tags": lambda rule, one, _, now_s: one.n_bad_tags(now_s) > rule.bound,
    LABEL: _sees,
    "drift": lambda rule, one, _, now_s: _share(one.drift.distance, rule.bound),
}
