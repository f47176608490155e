"""The host's work: packets in, answers out, everything stored on the way, and what is to be said
back.

    for event in host.receive(packet, now_s): ...       stored when it returns, and only then
                                                        acknowledged
    downlink = host.next_packet(now_s)                  reports, verdicts, time, slots: send it now

`Host` knows neither port nor clock; host_decoder.receive.gateways brings it both.
"""

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from host_decoder.config import KnownNode
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import STORED, Answer, Event, Heard, Notice, Onlooker
from host_decoder.receive.answers import Answers, stopped
from host_decoder.receive.arrivals import Arrivals
from host_decoder.receive.clock import WallClock
from host_decoder.receive.ends import Ends, GatewayEntry
from host_decoder.store.file import StoreError
from host_decoder.store.receipt import Receipt, RejectedCount, Totals
from host_decoder.store.shelf import Held, Reception, Shelf, received_packet
from host_decoder.store.store import Store
from link.bundle import Bundle
from link.host import (
    Downlink,
    Gap,
    HostEnd,
    NotUsed,
    Outcome,
    Rejected,
    StatusHeard,
    Update,
)
from link.medium import Governor, LinkTiming
from link.wire import NO_QUALITY, Hello, Quality

COUNT_PERIOD_S = 1.0
"How often counts are stored that no packet takes along."
PACKETS_PER_TURN = 16
"Packets of those that waited for the store; gateways are listened to in between."
LAST_TRY_S = 0.5
"At the end of the host, for what still waits."


class Host:
    """Open, decode, classify, store, answer. Whatever arrives, the result is events and never an
    exception.

    When the store takes nothing, what comes waits in order, nothing is answered, and
    `count_in_time` tries again.
    """

    def __init__(
        self,
        nodes: Sequence[KnownNode],
        store: Store,
        other_bundles: Sequence[Bundle] = (),
        timing: LinkTiming | None = None,
        verdict: VerdictConfig | None = None,
        gateways: Sequence[GatewayEntry] = (),
        clock: WallClock | None = None,
        onlooker: Onlooker | None = None,
    ) -> None:
        """Without timing nothing is ever sent; without verdict every image is awaited whole.

        `gateways`: none given, there is one, which sends one packet after the other and else as it
        likes. `clock`: None: its time is right. `onlooker`: told of each packet, once it
        is stored.
        """
        self._store = store
        self._gateways = tuple(gateways) or (GatewayEntry(),)
        self._keys = {node.number: node.key for node in nodes}
        self._clock = clock or WallClock(is_trusted=True)
        self._onlooker = onlooker
        self._has_told_clock = False
        self._started_s = self._clock.unix_s()
        self._rejected: dict[str, RejectedCount] = {}
        self._counted_s = float("-inf")
        self._shelf = Shelf()
        self._arrivals = Arrivals(nodes, store)
        self._answers = Answers(nodes, verdict, timing)
        self._ends = Ends(nodes, store, other_bundles, timing, self._gateways)

    @property
    def notices(self) -> list[str]:
        """Sentences for the person, to be said once."""
        return self._answers.notices

    @property
    def governors(self) -> list[Governor]:
        """By gateway."""
        return [gateway.governor for gateway in self._gateways]

    @property
    def trouble(self) -> str | None:
        """Why the store takes nothing at present; None: it does."""
        return self._shelf.trouble

    @property
    def is_behind(self) -> bool:
        """Whether something that came is not stored yet."""
        return self._shelf.is_in_use

    # What comes

    def receive(
        self,
        packet: bytes,
        now_s: float,
        quality: Quality = NO_QUALITY,
        gateway: int = 0,
        origin: Hashable = None,
    ) -> list[Event | Notice]:
        """What a packet leads to, stored before it is acknowledged; now_s is any clock that only
        goes forward.

        `origin` is where an answer would go, if the packet proves to be its node's own; see
        `origin_of`.
        """
        self._shelf.put(Held(Reception(packet, self._clock.unix_s(), gateway, quality, origin)))
        return self._store_waiting(now_s)

    def _store_waiting(self, now_s: float) -> list[Event | Notice]:
        """Usually the one packet that has just come."""
        events: list[Event | Notice] = []
        try:
            for _ in range(PACKETS_PER_TURN):
                if (held := self._shelf.next(now_s)) is None:
                    break
                if held.outcomes is None:
                    offset_s = self._clock.unix_s() - now_s if self._clock.is_right else None
                    held.outcomes = self._ends.open(held.reception, now_s, offset_s)
                events += self._kept(held.outcomes, held.reception, now_s)
                self._shelf.take()
            return events + (self._shelf.recover() if not len(self._shelf) else [])
        except StoreError as error:
            return events + self._shelf.fail(error, now_s)

    def _kept(
        self, heard: Sequence[Outcome], reception: Reception, now_s: float
    ) -> list[Event | Notice]:
        """Raises StoreError when the store takes it not; nothing has then been counted or
        confirmed.
        """
        end = self._ends.at(reception.gateway)
        outcomes = [end.compared(outcome, self._arrivals.chunks) for outcome in heard]
        events: list[Event] = []
        faults: list[Notice] = []
        for outcome in outcomes:
            if isinstance(outcome, Update | Rejected):
                events.append(self._event(outcome, reception.unix_s))
            elif isinstance(outcome, StatusHeard):
                faults += _fault(outcome)
            else:
                faults += self._obey(outcome.node, outcome.hello, now_s)
        counted, begun_s = dict(self._rejected), time.monotonic()
        try:
            for event in events:
                if isinstance(event, Rejected):
                    self._count(event, reception.unix_s, reception.packet)
            self._keep(end, outcomes, events, reception)
        except StoreError:
            self._rejected = counted
            raise
        if self._onlooker is not None and outcomes:
            self._onlooker(self._heard(outcomes, reception, time.monotonic() - begun_s))
        return [*(Notice(sentence) for sentence in end.take_notices()), *faults, *events]

    def _heard(self, outcomes: Sequence[Outcome], reception: Reception, took_s: float) -> Heard:
        """What an onlooker learns of a packet."""
        first = outcomes[0]
        stored = [outcome for outcome in outcomes if not isinstance(outcome, NotUsed)]
        told = [outcome for outcome in stored if isinstance(outcome, StatusHeard)]
        return Heard(
            self._gateways[reception.gateway].name,
            STORED if stored else str(first.reason) if isinstance(first, NotUsed) else "",
            first.node,
            len(reception.packet),
            reception.unix_s,
            reception.quality,
            told[-1] if told else None,
            self.figures(stored[0].node) if stored else {},
            took_s if stored else None,
        )

    def _event(self, outcome: Update | Rejected, unix_s: float) -> Event:
        """An answer, where an image can be read now."""
        if isinstance(outcome, Update | Gap):
            arrived = self._arrivals.of(outcome)
            if arrived is not None:
                return self._answers.answer(outcome, arrived, unix_s)
        assert not isinstance(outcome, Update)
        return outcome

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

    def _keep(
        self,
        end: HostEnd,
        outcomes: Sequence[Outcome],
        events: Sequence[Event],
        reception: Reception,
    ) -> None:
        """Everything that is new, in one transaction; then the node may be told that it is here."""
        by_counter: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            if not isinstance(outcome, NotUsed):
                node = outcome.node
                by_counter.setdefault(outcome.counter, []).append(outcome)
        if not by_counter:
            return
        state = end.state(node)
        assert state is not None
        answers = [event for event in events if isinstance(event, Answer)]
        gateway = self._gateways[reception.gateway].name
        packets = [
            received_packet(reception, gateway, counter, heard)
            for counter, heard in by_counter.items()
        ]
        receipt = Receipt(
            node, self._keys[node], state, reception.unix_s, tuple(packets), tuple(answers)
        )
        self._store.add(receipt, self._totals([node]))
        self._rejected = {}
        for counter in by_counter:
            end.confirm(node, counter, stopped(answers, counter))
        self._answers.note(node, answers)
        chunks = [outcome.chunk for outcome in outcomes if isinstance(outcome, Update)]
        if chunks and self._ends.takes_advice(node):
            self._ends.advise(node, self._answers.advice(node, chunks[-1]))

    def noise(self, n_pieces: int) -> list[Event]:
        """A gateway found so many pieces of input that were no packet."""
        if not n_pieces:
            return []
        noise = NotUsed.noise(n_pieces)
        self._count(noise, self._clock.unix_s(), n=n_pieces)
        return [noise]

    # What is said

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to send now, and through which gateway; charged to its governor. Call `transmitted`
        when it has left.
        """
        return None if self.is_behind else self._ends.next_packet(now_s)

    def origin_of(self, downlink: Downlink) -> Hashable:
        """Where at its gateway the packet is to go; None: there is one way only, or nothing is
        known.
        """
        return self._ends.origin_of(downlink)

    def transmitted(self, end_s: float) -> None:
        """The packet's last bit left then."""
        self._ends.transmitted(end_s)

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something to send; None: not before something comes."""
        return None if self.is_behind else self._ends.next_due_s(now_s)

    # What is counted

    def figures(self, node: int) -> dict[str, Any]:
        """link.host.statistics.NodeStatistics.to_json of a node, without times on the clock of
        now_s.
        """
        figures = self._ends.of(node).statistics(node).to_json()
        return {name: value for name, value in figures.items() if name not in ("first_s", "last_s")}

    def count_in_time(self, now_s: float) -> list[Event | Notice]:
        """To be called often: what waited for the store, and once in a while the counts that no
        packet takes along.
        """
        events = self._store_waiting(now_s) if self.is_behind else []
        if not self.is_behind and self._rejected and now_s > self._counted_s + COUNT_PERIOD_S:
            self._counted_s = now_s
            try:
                self._store_counts()
            except StoreError as error:
                events += self._shelf.fail(error, now_s)
        return [*self._ends.take_notices(), *events]

    def settle(self, now_s: float) -> list[Event | Notice]:
        """Before the end: the store is tried once more with all that waits for it."""
        events: list[Event | Notice] = []
        deadline_s = time.monotonic() + LAST_TRY_S
        self._shelf.hurry()
        while self.is_behind and self._shelf.is_due(now_s) and time.monotonic() < deadline_s:
            events += self._store_waiting(now_s)
        return events

    def close(self) -> None:
        """Stores what is counted; the store stays open. Raises StoreError when something is not
        stored.
        """
        self._shelf.check_empty()
        self._store_counts()

    def _store_counts(self) -> None:
        self._store.count(self._totals(self._keys))
        self._rejected = {}

    def _count(
        self, rejected: Rejected, unix_s: float, packet: bytes | None = None, n: int = 1
    ) -> None:
        """Stored with the next transaction."""
        before = self._rejected.get(rejected.reason)
        self._rejected[rejected.reason] = RejectedCount(
            n + (before.n if before else 0), rejected, unix_s, packet
        )

    def _totals(self, nodes: Iterable[int]) -> Totals:
        """What is counted since the last transaction, and the figures of these nodes.

        A node has figures once something of it came: a start that heard nothing takes no earlier
        one's place.
        """
        figures = {
            node: self.figures(node)
            for node in nodes
            if not self._ends.of(node).statistics(node).is_blank
        }
        return Totals(self._started_s, tuple(self._rejected.values()), figures)


def _fault(heard: StatusHeard) -> list[Notice]:
    """What a node complains of."""
    sentence = f"node {heard.node} captures nothing: {heard.status.fault}"
    return [Notice(sentence, is_problem=True)] if heard.status.fault else []
