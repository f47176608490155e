"""Judging: what packets that came together lead to, before any of it is stored.

They are opened one by one, in the order in which they came, and each finds those before it. Then
all their images are decoded and classified in one go (host_decoder.receive.answers), with those of
other hosts of the same process where there are any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from host_decoder.events import Answer, Event, Notice
from host_decoder.receive.answers import Answers, Asked, Question
from host_decoder.receive.arrivals import Arrivals
from host_decoder.receive.clock import WallClock
from host_decoder.receive.counts import Counts
from host_decoder.receive.ends import Ends
from host_decoder.store.receipt import Receipt
from host_decoder.store.shelf import Held, received_packet
from link.host import Gap, HostEnd, NotUsed, Outcome, Rejected, StatusHeard, Update
from link.wire import Hello


@dataclass(frozen=True)
class Judged:
    """What a packet led to."""

    end: HostEnd
    outcomes: Sequence[Outcome]
    events: Sequence[Event]
    faults: Sequence[Notice]
    receipt: Receipt | None
    "What is to be stored of it; None: nothing."


@dataclass(frozen=True)
class OpenedPacket:
    """A packet, and where among the questions those of its outcomes are that ask any."""

    held: Held
    outcomes: list[Outcome]
    questions: dict[int, int]


@dataclass(frozen=True)
class Opened:
    """Packets of one batch, and what they ask."""

    packets: Sequence[OpenedPacket]
    asked: Sequence[Asked]


class Judge:
    """One host's; it neither stores nor answers."""

    def __init__(
        self,
        keys: Mapping[int, bytes],
        gateway_names: Sequence[str],
        ends: Ends,
        arrivals: Arrivals,
        answers: Answers,
        counts: Counts,
        clock: WallClock,
    ) -> None:
        """`keys` by node, as they are known by then."""
        self._keys, self._gateway_names = keys, gateway_names
        self._ends, self._arrivals, self._answers = ends, arrivals, answers
        self._counts, self._clock = counts, clock
        self._has_told_clock = False

    def open_all(self, batch: Sequence[Held], now_s: float) -> Opened:
        """What came, and what it asks; to be followed by `Arrivals.forget_underway`."""
        questions: list[Question] = []
        packets = [self._opened(held, now_s, questions) for held in batch]
        return Opened(packets, [(self._answers, question) for question in questions])

    def judge_all(
        self, opened: Opened, answers: Sequence[Answer | None], now_s: float
    ) -> list[Judged]:
        """What each packet leads to; `answers` in the order of what was asked."""
        return [self._judged(one, answers, now_s) for one in opened.packets]

    def _opened(self, held: Held, now_s: float, questions: list[Question]) -> OpenedPacket:
        """It is opened once. What it asks is put behind the other questions."""
        reception = held.reception
        end = self._ends.at(reception.gateway)
        if held.outcomes is None:
            offset_s = self._clock.unix_s() - now_s if self._clock.is_right else None
            held.outcomes = self._ends.open(reception, now_s, offset_s)
        outcomes = [end.compared(outcome, self._arrivals.chunks) for outcome in held.outcomes]
        if held.state is None:  # later packets of this batch go beyond it
            nodes = [one.node for one in outcomes if not isinstance(one, NotUsed)]
            held.state = end.state(nodes[0]) if nodes else None
        asks: dict[int, int] = {}
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Update | Gap):
                asks[place] = len(questions)
                arrived = self._arrivals.of(outcome)
                questions.append(Question(outcome, arrived, reception.unix_s))
        self._arrivals.note(outcomes)
        return OpenedPacket(held, outcomes, asks)

    def _judged(
        self, opened: OpenedPacket, answers: Sequence[Answer | None], now_s: float
    ) -> Judged:
        held, outcomes = opened.held, opened.outcomes
        events: list[Event] = []
        faults: list[Notice] = []
        for place, outcome in enumerate(outcomes):
            answer = answers[opened.questions[place]] if place in opened.questions else None
            if answer is not None:
                events.append(answer)
            elif isinstance(outcome, Update):
                events.append(self._counted(self._refused(opened, place, outcome), held))
            elif isinstance(outcome, Rejected):
                events.append(self._counted(outcome, held))
            elif isinstance(outcome, StatusHeard):
                faults += _fault(outcome)
            else:
                faults += self._obey(outcome.node, outcome.hello, now_s)
        end, receipt = self._ends.at(held.reception.gateway), self._receipt(held, outcomes, events)
        return Judged(end, outcomes, events, faults, receipt)

    def _refused(self, opened: OpenedPacket, place: int, update: Update) -> Rejected:
        """Its bitstream is none, also when it is tried again to store the packet."""
        refused = self._ends.at(opened.held.reception.gateway).undecodable(update)
        opened.outcomes[place] = refused
        assert opened.held.outcomes is not None
        opened.held.outcomes[place] = refused
        return refused

    def _counted(self, rejected: Rejected, held: Held) -> Rejected:
        reception = held.reception
        self._counts.add(rejected, reception.unix_s, reception.packet)
        if isinstance(rejected, NotUsed):
            gateway = self._gateway_names[reception.gateway]
            self._counts.heard_again(rejected, reception, gateway)
        return rejected

    def _obey(self, node: int, hello: Hello, now_s: float) -> list[Notice]:
        """What a node asks for; once: why one that asks for the time is told none."""
        if hello.wants_slot:
            self._ends.grant_slot(node, now_s)
        if not hello.wants_time or self._clock.is_right or self._has_told_clock:
            return []
        self._has_told_clock = True
        return [
            Notice(
                f"node {node} asks for the time, and is told none before this computer's "
                "clock is synchronised (NTP); "
                'if it is right all the same, say clock = "trusted" in host.toml'
            )
        ]

    def _receipt(
        self, held: Held, outcomes: Sequence[Outcome], events: Sequence[Event]
    ) -> Receipt | None:
        """Everything that is new; None: nothing is."""
        by_counter: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            if not isinstance(outcome, NotUsed):
                node = outcome.node
                by_counter.setdefault(outcome.counter, []).append(outcome)
        if not by_counter:
            return None
        assert held.state is not None
        reception = held.reception
        gateway = self._gateway_names[reception.gateway]
        statuses = [outcome for outcome in outcomes if isinstance(outcome, StatusHeard)]
        return Receipt(
            node,
            self._keys[node],
            held.state,
            reception.unix_s,
            tuple(
                received_packet(reception, gateway, counter, heard)
                for counter, heard in by_counter.items()
            ),
            tuple(event for event in events if isinstance(event, Answer)),
            statuses[-1] if statuses else None,
        )


def _fault(heard: StatusHeard) -> list[Notice]:
    """What a node complains of."""
    sentence = f"node {heard.node} captures nothing: {heard.status.fault}"
    return [Notice(sentence, is_problem=True)] if heard.status.fault else []
