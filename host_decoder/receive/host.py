"""The host's work: packets in, answers out, everything stored on the way, and what is to be said
back.

    for event in host.receive_all(heard, now_s): ...    stored when it returns, and only then
                                                        acknowledged
    downlink = host.next_packet(now_s)                  reports, verdicts, time, slots: send it now

What has come meanwhile, through all gateways, is stored in one transaction: one flush to the disk
for all of it, and no wait for more. `Host` knows neither port nor clock;
host_decoder.receive.gateways brings it both.
"""

import time
from collections.abc import Collection, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from host_decoder.config import KnownNode
from host_decoder.decode.readers import Readers
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import STORED, Answer, Event, Heard, Notice, Onlooker
from host_decoder.receive.answers import Answers, answer_all, stopped
from host_decoder.receive.arrivals import Arrivals
from host_decoder.receive.clock import WallClock
from host_decoder.receive.counts import Counts
from host_decoder.receive.ends import Ends, GatewayEntry
from host_decoder.receive.judging import Judge, Judged, Opened
from host_decoder.store.database.access import UnstorableError
from host_decoder.store.database.file import StoreError
from host_decoder.store.shelf import Held, Reception, Shelf
from host_decoder.store.store import Store
from link.bundle import Bundle
from link.carriers import Received
from link.host import (
    Downlink,
    NotUsed,
    Outcome,
    StatusHeard,
    Update,
)
from link.medium import Governor, LinkTiming
from link.wire import NO_QUALITY, Quality

COUNT_PERIOD_S = 1.0
"How often counts are stored that no packet takes along."
TIDY_PERIOD_S = 1.0
"How often a little of what is old is let go of."
PACKETS_PER_BATCH = 64
"""Packets of one transaction. A node awaits its answer for a tenth of a second, and so many are
decoded and stored in half of that.
"""
LAST_TRY_S = 0.5
"At the end of the host, for what still waits."


@dataclass(frozen=True)
class _Kept:
    """What packets led to, and how long the store took over it."""

    packets: Sequence[tuple[Judged, Reception]]
    took_s: float


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
        grants_slots: bool = True,
        readers: Readers | None = None,
    ) -> None:
        """Without timing nothing is ever sent; without verdict every image is awaited whole.

        `gateways`: none given, there is one, which sends one packet after the other and else as it
        likes. `clock`: None: its time is right. `onlooker`: told of each packet, once it
        is stored. `grants_slots`: all nodes of a channel are its own. `readers`: of the process.
        """
        self._store = store
        self._gateways = tuple(gateways) or (GatewayEntry(),)
        self._keys = {node.number: node.key for node in nodes}
        self._clock = clock or WallClock(is_trusted=True)
        self._onlooker = onlooker
        self._started_s = self._clock.unix_s()
        self._counts = Counts(self._started_s)
        self._counted_s = self._tidied_s = float("-inf")
        self._shelf = Shelf()
        self._arrivals = Arrivals(nodes, store)
        self._answers = Answers(nodes, verdict, timing, readers)
        self._ends = Ends(nodes, store, other_bundles, timing, self._gateways, grants_slots)
        self._judge = Judge(
            self._keys,
            [gateway.name for gateway in self._gateways],
            self._ends,
            self._arrivals,
            self._answers,
            self._counts,
            self._clock,
        )

    def add_nodes(self, nodes: Sequence[KnownNode]) -> None:
        """Nodes that are heard from now on; StoreError where it is not known what came of them."""
        self._store.introduce(nodes)
        self._ends.add(nodes)
        self._answers.add(nodes)
        self._arrivals.add(nodes)
        self._keys |= {node.number: node.key for node in nodes}

    @property
    def notices(self) -> list[str]:
        """Sentences for the person, to be said once."""
        return self._answers.notices

    @property
    def nodes(self) -> Collection[int]:
        """Numbers of those that are heard."""
        return self._keys.keys()

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
        return self.receive_all([(gateway, Received(packet, quality, origin))], now_s)

    def receive_all(
        self, heard: Sequence[tuple[int, Received]], now_s: float
    ) -> list[Event | Notice]:
        """The same of all that gateways heard meanwhile, each with its gateway's number."""
        for one in heard:
            self._shelf.put(self._held(*one))
        return self._store_waiting(now_s)

    def _store_waiting(self, now_s: float) -> list[Event | Notice]:
        """A batch after the other; one alone while the store has to catch up, so that gateways are
        listened to in between.
        """
        events: list[Event | Notice] = []
        is_behind = self.is_behind
        try:
            while batch := self._shelf.next(now_s, PACKETS_PER_BATCH):
                events += self._kept(batch, now_s)
                self._shelf.take(len(batch))
                if is_behind:
                    break
            return events + (self._shelf.recover() if not len(self._shelf) else [])
        except StoreError as error:
            return events + self._shelf.fail(error, now_s)

    def _kept(self, batch: Sequence[Held], now_s: float) -> list[Event | Notice]:
        """Raises StoreError when the store takes it not; nothing has then been counted or
        confirmed. A packet that no store could hold costs the others nothing.
        """
        counted = self._counts.copy()
        try:
            opened = self._judge.open_all(batch, now_s)
            kept = self._keep(opened, answer_all(opened.asked), now_s)
        except UnstorableError as error:
            self._counts.restore(counted)
            if len(batch) == 1:
                return [Notice(str(error), is_problem=True)]
            return [event for held in batch for event in self._kept([held], now_s)]
        except StoreError:
            self._counts.restore(counted)
            raise
        finally:
            self._arrivals.forget_underway()
        return self._confirmed(kept)

    def _keep(self, opened: Opened, answers: Sequence[Answer | None], now_s: float) -> _Kept:
        """It is given to the store."""
        judged = self._judge.judge_all(opened, answers, now_s)
        receipts = [one.receipt for one in judged if one.receipt is not None]
        begun_s = time.monotonic()
        if receipts:
            nodes = dict.fromkeys(receipt.node for receipt in receipts)
            self._store.add_all(receipts, self._counts.totals(self._figures_of(nodes)))
            self._counts.clear()
        receptions = [one.held.reception for one in opened.packets]
        return _Kept(list(zip(judged, receptions, strict=True)), time.monotonic() - begun_s)

    # The same for several hosts at once, whose stores take everything

    def open_all(self, heard: Sequence[tuple[int, Received]], now_s: float) -> Opened:
        """What gateways heard meanwhile, and what it asks; `keep` goes on with the answers."""
        return self._judge.open_all([self._held(*one) for one in heard], now_s)

    def keep(
        self, opened: Opened, answers: Sequence[Answer | None], now_s: float
    ) -> list[Event | Notice]:
        """What it leads to, given to the store."""
        try:
            kept = self._keep(opened, answers, now_s)
        finally:
            self._arrivals.forget_underway()
        return self._confirmed(kept)

    def _held(self, gateway: int, one: Received) -> Held:
        unix_s = self._clock.unix_s()
        heard_s = unix_s if one.heard_unix_s is None else min(unix_s, one.heard_unix_s)
        return Held(Reception(one.packet, heard_s, gateway, one.quality, one.origin))

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

    def _confirmed(self, kept: _Kept) -> list[Event | Notice]:
        return [
            event
            for judged, reception in kept.packets
            for event in self._confirm(judged, reception, kept.took_s)
        ]

    def _confirm(self, judged: Judged, reception: Reception, took_s: float) -> list[Event | Notice]:
        """It is stored: its node may be told that it is here."""
        if (receipt := judged.receipt) is not None:
            for packet in receipt.packets:
                enough = stopped(receipt.answers, packet.counter)
                judged.end.confirm(receipt.node, packet.counter, enough)
            self._answers.note(receipt.node, receipt.answers)
            chunks = [one.chunk for one in judged.outcomes if isinstance(one, Update)]
            if chunks and self._ends.takes_advice(receipt.node):
                self._ends.advise(receipt.node, self._answers.advice(receipt.node, chunks[-1]))
        if self._onlooker is not None and judged.outcomes:
            self._onlooker(self._heard(judged.outcomes, reception, took_s))
        notices = [Notice(sentence) for sentence in judged.end.take_notices()]
        return [*notices, *judged.faults, *judged.events]

    def noise(self, n_pieces: int) -> list[Event]:
        """A gateway found so many pieces of input that were no packet."""
        if not n_pieces:
            return []
        noise = NotUsed.noise(n_pieces)
        self._counts.add(noise, self._clock.unix_s(), n=n_pieces)
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

    def order(self, node: int, word: str) -> None:
        """One of host_decoder.receive.orders.ORDERS, which its node is told when it listens next;
        nothing, where it is not known.
        """
        if node in self._keys:
            self._ends.of(node).ask(node, word)

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

    def n_lost(self, node: int) -> int:
        """Packets of a node that did not come."""
        return self._ends.of(node).statistics(node).losses.n

    def count_in_time(self, now_s: float) -> list[Event | Notice]:
        """To be called often: what waited for the store, and once in a while the counts that no
        packet takes along.
        """
        events = self._store_waiting(now_s) if self.is_behind else []
        if not self.is_behind and self._counts and now_s > self._counted_s + COUNT_PERIOD_S:
            self._counted_s = now_s
            try:
                self._store_counts()
            except StoreError as error:
                events += self._shelf.fail(error, now_s)
        if not self.is_behind and now_s > self._tidied_s + TIDY_PERIOD_S and self._clock.is_right:
            self._tidied_s = now_s
            with suppress(StoreError):  # the next packet tells, if it lasts
                self._store.tidy(self._clock.unix_s())
        return [*self._ends.take_notices(), *events]

    def settle(self, now_s: float) -> list[Event | Notice]:
        """Before the end: the store is tried once more with all that waits for it."""
        events: list[Event | Notice] = []
        deadline_s = time.monotonic() + LAST_TRY_S
        self._shelf.hurry()
        while self.is_behind and self._shelf.is_due(now_s) and time.monotonic() < deadline_s:
            events += self._store_waiting(now_s)
        return events

    def check_stored(self) -> None:
        """StoreError when something that came is not stored."""
        self._shelf.check_empty()

    def close(self) -> None:
        """Stores what is counted; the store stays open. Raises StoreError when something is not
        stored.
        """
        self.check_stored()
        self._store_counts()

    def _store_counts(self) -> None:
        self._store.count(self._counts.totals(self._figures_of(self._keys)))
        self._counts.clear()

    def _figures_of(self, nodes: Iterable[int]) -> dict[int, dict[str, Any]]:
        """A node has figures once something of it came: a start that heard nothing takes no earlier
        one's place.
        """
        return {
            node: self.figures(node)
            for node in nodes
            if not self._ends.of(node).statistics(node).is_blank
        }
