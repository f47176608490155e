"""The host's work: packets in, answers and refusals out, everything stored on the way, and what is
to be said back.

    for event in host.receive(packet, now_s): ...       stored when it returns, and only then
                                                        acknowledged
    downlink = host.next_packet(now_s)                  reports, verdicts, time, slots: send it now

`Host` knows neither port nor clock; host_decoder.receive.gateways brings it both.
"""

import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from host_decoder.config import KnownNode, VerdictConfig
from host_decoder.decode.reader import Reader
from host_decoder.decode.task_reader import task_reader
from host_decoder.events import NOISE, Answer, Event, Notice, Refusal
from host_decoder.receive.advice import Advisor
from host_decoder.receive.clock import WallClock
from host_decoder.store.receipt import Receipt, ReceivedPacket, RefusalCount, Totals, prefix_of
from host_decoder.store.shelf import LONGEST_PAUSE_S, Held, Reception, Shelf
from host_decoder.store.sqlite import Store, StoreError
from link.bundle import Bundle
from link.coder import Latent, latent_coder
from link.host import (
    CollisionError,
    Downlink,
    HelloHeard,
    NodeEntry,
    NodeStatistics,
    Outcome,
    Reason,
    Receiver,
    Rejected,
    StatusHeard,
    Update,
    collision,
    is_same,
)
from link.lorawan.host import LoRaWanReceiver
from link.medium import Governor, LedgerError, LinkTiming
from link.wire import (
    AGE_BYTES,
    CHUNK_HEAD_BYTES,
    NO_QUALITY,
    Chunk,
    Header,
    PacketType,
    Quality,
    overhead_bytes,
)

COUNT_PERIOD_S = 1.0
"How often counts are stored that no packet takes along."
PACKETS_PER_TURN = 16
"Of those that waited for the store; gateways are listened to in between."
LAST_TRY_S = 0.5
"At the end of the host, for what still waits."
OLD_PACKETS = frozenset({Reason.DUPLICATE, Reason.STALE_SESSION})
"Of a node once, whoever sent them now."
SLOT_FRAMES = 2
"Longest frames, each with its answer, that fit a slot."


@dataclass(frozen=True)
class Arrived:
    """An image as far as it has arrived."""

    latent: Latent
    n_chunks: int
    is_complete: bool
    bitstream_bytes: int
    packet_bytes: int
    age_s: float | None


class Host:
    """Open, decode, classify, store, answer. Whatever arrives, the result is events and never an
    exception.

    When the store takes nothing, what comes waits in order, nothing is answered, and `go_on` tries
    again.
    """

    def __init__(
        self,
        nodes: Sequence[KnownNode],
        store: Store,
        other_bundles: Sequence[Bundle] = (),
        timing: LinkTiming | None = None,
        verdict: VerdictConfig | None = None,
        gateways: Sequence[str] = ("",),
        governors: Sequence[Governor] = (),
        are_networks: Sequence[bool] = (),
        clock: WallClock | None = None,
    ) -> None:
        """Without timing nothing is ever sent; without verdict every image is awaited whole.

        `governors` by gateway, on the clock of now_s; one that is silent stands for a gateway that
        only listens. None given: each gateway sends one packet after the other, and else as it
        likes. `are_networks` by gateway: its packets are in clear, since a LoRaWAN network has
        opened them. `clock`: None: its time is right.
        """
        self._store = store
        self._timing = timing
        self._gateways = tuple(gateways)
        self._nodes = {node.number: node for node in nodes}
        own = {
            bundle.path: bundle for node in nodes for bundle in (node.bundle, *node.earlier_bundles)
        }
        self._readers = {path: Reader(bundle, verdict) for path, bundle in own.items()}
        self._tasks = {
            (node.number, bundle.path): {
                name: task_reader(bundle, name) for name in node.tasks if bundle.has_task(name)
            }
            for node in nodes
            for bundle in (node.bundle, *node.earlier_bundles)
        }
        self._origins: dict[tuple[int, int], Hashable] = {}
        "By gateway and node: where the node's packets come from."
        self.notices = [
            sentence for reader in self._readers.values() if (sentence := reader.notice)
        ]
        "Sentences for the person, to be said once."
        self._slotted: set[int] = set()
        self._speakers = [
            number for number, governor in enumerate(governors) if governor.silent_because is None
        ]
        self._clock = clock or WallClock(is_trusted=True)
        self._has_told_clock = False
        self._started_s = self._clock.unix_s()
        self._refusals: dict[str, RefusalCount] = {}
        self._shelf = Shelf()
        self._mute_until_s = float("-inf")
        self._mute_because = ""
        self._notices: list[Notice] = []
        self._counted_s = float("-inf")
        self._networks = {number for number, is_network in enumerate(are_networks) if is_network}
        self._advisors = {
            node.number: Advisor(self._readers[node.bundle.path].gives_verdicts) for node in nodes
        }
        entries = {
            node.number: self._entry(node, other_bundles) for node in nodes if node.device is None
        }
        self.governors = tuple(governors) or tuple(Governor() for _ in self._gateways)
        self._radio = Receiver(entries, timing, governors=self.governors)
        self._radio_nodes = set(entries)
        members = [node for node in nodes if node.device is not None]
        self._network = LoRaWanReceiver(
            {node.number: self._entry(node, other_bundles) for node in members},
            told_images={
                node.number: image
                for node in members
                if (image := self._newest_image(node)) is not None
            },
        )

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
                    held.outcomes = self._opened(held.reception, now_s)
                events += self._kept(held.outcomes, held.reception, now_s)
                self._shelf.take()
            return events + (self._shelf.recover() if not len(self._shelf) else [])
        except StoreError as error:
            return events + self._shelf.fail(error, now_s)

    def _opened(self, reception: Reception, now_s: float) -> list[Outcome]:
        """A packet is opened once; nothing of it is stored yet."""
        self._radio.unix_offset_s = self._clock.unix_s() - now_s if self._clock.is_right else None
        # A packet in clear is believed only where the network has opened it.
        receiver = self._network if reception.gateway in self._networks else self._radio
        speaker = self._speaker(reception.gateway)
        outcomes = receiver.receive(reception.packet, now_s, reception.quality, speaker)
        self._note_origin(outcomes, reception)
        return outcomes

    def _note_origin(self, outcomes: Sequence[Outcome], reception: Reception) -> None:
        """Of a packet that was new. One that may be a recording, by whoever plays it, counts while
        nothing is known.
        """
        if reception.origin is None:
            return
        for one in outcomes:
            is_old = isinstance(one, Rejected) and one.reason in OLD_PACKETS
            if one.node is not None and one.counter is not None:
                self._origins[reception.gateway, one.node] = reception.origin
            elif one.node is not None and is_old:
                self._origins.setdefault((reception.gateway, one.node), reception.origin)

    def _kept(
        self, heard: Sequence[Outcome], reception: Reception, now_s: float
    ) -> list[Event | Notice]:
        """Raises StoreError when the store takes it not; nothing has then been counted or
        confirmed.
        """
        outcomes = [self._checked(outcome) for outcome in heard]
        events: list[Event] = []
        faults: list[Notice] = []
        for outcome in outcomes:
            if isinstance(outcome, Update) or (
                isinstance(outcome, Rejected) and outcome.reason == Reason.GAP
            ):
                events.append(self._answer(outcome, reception.unix_s))
            elif isinstance(outcome, Rejected):
                events.append(Refusal(outcome.reason, outcome.sentence, outcome.node))
            elif isinstance(outcome, HelloHeard) and outcome.hello.wants_slot:
                self._grant_slot(outcome.node, now_s)
            elif isinstance(outcome, StatusHeard) and outcome.status.fault:
                sentence = f"node {outcome.node} captures nothing: {outcome.status.fault}"
                faults.append(Notice(sentence, is_problem=True))
            if isinstance(outcome, HelloHeard) and outcome.hello.wants_time:
                faults += self._explain_clock(outcome.node)
        refusals = dict(self._refusals)
        try:
            for event in events:
                if isinstance(event, Refusal):
                    self._count(event, reception.unix_s, reception.packet)
            self._keep(outcomes, events, reception)
        except StoreError:
            self._refusals = refusals
            raise
        receiver = self._network if reception.gateway in self._networks else self._radio
        return [*(Notice(sentence) for sentence in receiver.take_notices()), *faults, *events]

    def _explain_clock(self, node: int) -> list[Notice]:
        """Once: why a node that asks for the time is told none."""
        if self._radio.unix_offset_s is not None or self._has_told_clock:
            return []
        self._has_told_clock = True
        return [
            Notice(
                f"node {node} asks for the time, and is told none before this computer's "
                "clock is synchronised (NTP); "
                'if it is right all the same, say clock = "trusted" in host.toml'
            )
        ]

    @property
    def trouble(self) -> str | None:
        """Why the store takes nothing at present; None: it does."""
        return self._shelf.trouble

    def noise(self, n_pieces: int) -> list[Event]:
        """A gateway found so many pieces of input that were no packet."""
        sentence = (
            f"{n_pieces} frame(s) came damaged: noise on the line, a wrong bitrate, or the end "
            "of one begun before"
        )
        if not n_pieces:
            return []
        noise = Refusal(NOISE, sentence)
        self._count(noise, self._clock.unix_s(), n=n_pieces)
        return [noise]

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to send now, and through which gateway; charged to its governor. Call `transmitted`
        when it has left.
        """
        if self._shelf.is_in_use or now_s < self._mute_until_s:
            return None
        try:
            return self._radio.next_packet(now_s) or self._network.next_packet(now_s)
        except LedgerError as error:  # as with the store: what cannot be written down is not said
            self._mute_until_s = now_s + LONGEST_PAUSE_S
            if str(error) != self._mute_because:
                self._mute_because = str(error)
                self._notices.append(Notice(str(error), is_problem=True))
            return None

    def origin_of(self, downlink: Downlink) -> Hashable:
        """Where at its gateway the packet is to go; None: there is one way only, or nothing is
        known.
        """
        return self._origins.get((downlink.gateway, downlink.node))

    @property
    def is_behind(self) -> bool:
        """Whether something that came is not stored yet."""
        return self._shelf.is_in_use

    def transmitted(self, end_s: float) -> None:
        """The packet's last bit left then."""
        self._radio.transmitted(end_s)

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something to send; None: not before something comes."""
        if self._shelf.is_in_use or now_s < self._mute_until_s:
            return None
        due = [self._radio.next_due_s(now_s), self._network.next_due_s(now_s)]
        return min((due_s for due_s in due if due_s is not None), default=None)

    def figures(self, node: int) -> dict[str, Any]:
        """link.host.statistics.NodeStatistics.to_json of a node, without times on the clock of
        now_s.
        """
        figures = self._receiver_of(node).statistics(node).to_json()
        return {name: value for name, value in figures.items() if name not in ("first_s", "last_s")}

    def count_in_time(self, now_s: float) -> list[Event | Notice]:
        """To be called often: what waited for the store, and once in a while the counts that no
        packet takes along.
        """
        events = self._store_waiting(now_s) if self._shelf.is_in_use else []
        if (
            not self._shelf.is_in_use
            and self._refusals
            and now_s > self._counted_s + COUNT_PERIOD_S
        ):
            self._counted_s = now_s
            events += self._store_counts(now_s)
        notices, self._notices = self._notices, []
        return [*notices, *events]

    def settle(self, now_s: float) -> list[Event | Notice]:
        """Before the end: the store is tried once more with all that waits for it."""
        events: list[Event | Notice] = []
        deadline_s = time.monotonic() + LAST_TRY_S
        self._shelf.hurry()
        while self._shelf.is_in_use and self._shelf.is_due(now_s) and time.monotonic() < deadline_s:
            events += self._store_waiting(now_s)
        return events

    def close(self) -> None:
        """Stores what is counted; the store stays open. Raises StoreError when something is not
        stored.
        """
        self._shelf.check_empty()
        self._store.count(self._totals())
        self._refusals = {}

    def _store_counts(self, now_s: float) -> list[Event | Notice]:
        try:
            self._store.count(self._totals())
            self._refusals = {}
            return []
        except StoreError as error:
            return list(self._shelf.fail(error, now_s))

    def _speaker(self, gateway: int) -> int:
        """The gateway that answers for this one: itself, unless it only listens."""
        is_able = gateway in self._speakers or gateway in self._networks
        return gateway if is_able or not self._speakers else self._speakers[0]

    def _entry(self, node: KnownNode, other_bundles: Sequence[Bundle]) -> NodeEntry:
        state = self._store.state(node.number, node.key)
        return NodeEntry(
            node.key,
            node.bundle,
            node.earlier_bundles,
            tuple(other_bundles),
            state,
            one_way=not node.has_downlink,
        )

    def _newest_image(self, node: KnownNode) -> int | None:
        return self._store.newest_image(node.number, node.key, node.bundle.id.hex())

    def _receiver_of(self, node: int) -> Receiver | LoRaWanReceiver:
        return self._radio if node in self._radio_nodes else self._network

    def _grant_slot(self, node: int, now_s: float) -> None:
        """A node without a slot asks; each newcomer makes a new plan, of which all are told when
        they listen.
        """
        if node in self._slotted or self._timing is None or node not in self._radio_nodes:
            return
        self._slotted.add(node)
        self._radio.grant_slots(
            self._slotted, slot_period_s(self._timing, len(self._slotted)), now_s
        )

    def _checked(self, outcome: Outcome) -> Outcome:
        """A collision in the place of a chunk for which the store has another: its node lost its
        counters.
        """
        if not isinstance(outcome, Update | Rejected) or outcome.node not in self._radio_nodes:
            return outcome
        node, chunk, bundle, counter = outcome.node, outcome.chunk, outcome.bundle, outcome.counter
        if chunk is None or not outcome.bundle_name or counter is None:
            return outcome
        stored = self._store.chunks_of(
            node, self._nodes[node].key, outcome.bundle_name, chunk.image
        )
        if all(one.index != chunk.index or is_same(one, chunk) for one in stored):
            return outcome
        self._radio.collide(node, counter)
        return collision(node, counter, CollisionError.of(chunk), bundle)

    def _answer(self, outcome: Update | Rejected, unix_s: float) -> Event:
        """Of an image as far as it is known now; a refusal when it cannot be read yet."""
        arrived = self._arrived(outcome)
        if arrived is None:
            assert isinstance(outcome, Rejected)
            return Refusal(outcome.reason, outcome.sentence, outcome.node)
        node, chunk, bundle, counter = outcome.node, outcome.chunk, outcome.bundle, outcome.counter
        assert node is not None
        assert chunk is not None
        assert bundle is not None
        assert counter is not None
        verdict = self._readers[bundle.path].judge(arrived.latent, self._airtime_s(chunk))
        return Answer(
            node=node,
            image=chunk.image,
            counter=counter,
            bundle=bundle.id.hex(),
            classes=bundle.classes,
            probabilities=verdict.probabilities,
            n_known=arrived.latent.n_known,
            n_latents=len(arrived.latent.symbols),
            n_chunks=arrived.n_chunks,
            is_complete=arrived.is_complete,
            bitstream_bytes=arrived.bitstream_bytes,
            packet_bytes=arrived.packet_bytes,
            age_s=arrived.age_s,
            received_s=unix_s,
            confidence=verdict.confidence,
            strangeness=verdict.strangeness,
            is_enough=verdict.is_enough and not arrived.is_complete,
            tasks={
                name: next(read(arrived.latent.symbols[None], np.array([arrived.latent.n_known])))
                for name, read in self._tasks[node, bundle.path].items()
            },
        )

    def _arrived(self, outcome: Update | Rejected) -> Arrived | None:
        """The longer of what the receiver has in memory and what is stored; None when chunk 0 is in
        neither.
        """
        stored = self._stored(outcome)
        if isinstance(outcome, Update) and (stored is None or stored.n_chunks <= outcome.n_chunks):
            return Arrived(
                outcome.latent,
                outcome.n_chunks,
                outcome.is_complete,
                outcome.bitstream_bytes,
                outcome.packet_bytes,
                outcome.age_s,
            )
        return stored

    def _stored(self, outcome: Update | Rejected) -> Arrived | None:
        """An image from its stored chunks and this one; None when that gives nothing new.

        The receiver forgets images of long ago and of an earlier start; the store does not.
        """
        node, chunk, bundle = outcome.node, outcome.chunk, outcome.bundle
        if (
            node is None
            or chunk is None
            or bundle is None
            or (isinstance(outcome, Update) and outcome.n_chunks > 1)
        ):
            return None
        stored = self._store.chunks_of(node, self._nodes[node].key, bundle.id.hex(), chunk.image)
        prefix = prefix_of([*stored, chunk])
        if not stored or len(prefix) <= chunk.index:
            return None
        bitstream, is_complete = b"".join(one.bitstream for one in prefix), prefix[-1].is_last
        try:
            latent = latent_coder.decode(bitstream, bundle.tables, is_complete)
        except ValueError:  # chunks that contradict each other
            return None
        packet_bytes = AGE_BYTES + sum(map(_packet_bytes, prefix))
        return Arrived(
            latent, len(prefix), is_complete, len(bitstream), packet_bytes, prefix[0].age_s
        )

    def _airtime_s(self, chunk: Chunk) -> float:
        """Of a later chunk as long as this one."""
        return self._timing.airtime_s(_packet_bytes(chunk)) if self._timing else 0.0

    def _count(
        self, refusal: Refusal, unix_s: float, packet: bytes | None = None, n: int = 1
    ) -> None:
        """Stored with the next transaction."""
        n_before = self._refusals[refusal.reason].n if refusal.reason in self._refusals else 0
        self._refusals[refusal.reason] = RefusalCount(n_before + n, refusal, unix_s, packet)

    def _keep(
        self, outcomes: Sequence[Outcome], events: Sequence[Event], reception: Reception
    ) -> None:
        """Everything that is new, in one transaction; then the node may be told that it is here."""
        by_counter: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.counter is not None:
                by_counter.setdefault(outcome.counter, []).append(outcome)
        if not by_counter:
            return
        node = outcomes[0].node
        assert node is not None
        receiver = self._receiver_of(node)
        state = receiver.state(node)
        assert state is not None
        answers = [event for event in events if isinstance(event, Answer)]
        gateway = self._gateways[reception.gateway]
        packets = [
            _received(reception, gateway, counter, heard) for counter, heard in by_counter.items()
        ]
        receipt = Receipt(
            node, self._nodes[node].key, state, reception.unix_s, tuple(packets), tuple(answers)
        )
        self._store.add(receipt, self._totals([node]))
        self._refusals = {}
        for counter in by_counter:
            receiver.confirm(
                node, counter, _stopped([one for one in answers if one.counter == counter])
            )
        self._advise(
            node, [outcome.chunk for outcome in outcomes if isinstance(outcome, Update)], answers
        )

    def _advise(self, node: int, chunks: Sequence[Chunk], answers: Sequence[Answer]) -> None:
        """Tell the node, with the next report, how many chunks to send before it asks."""
        for answer in answers:
            self._advisors[node].note(answer)
        if self._timing is not None and chunks and node in self._radio_nodes:
            advice = self._advisors[node].n_chunks(
                self._airtime_s(chunks[-1]), self._timing.report_airtime_s
            )
            self._radio.advise(node, advice)

    def _totals(self, nodes: Iterable[int] | None = None) -> Totals:
        """What is counted since the last transaction, and the figures of these nodes, of all when
        None.

        A node has figures once something of it came: a start that heard nothing takes no earlier
        one's place.
        """
        figures = {
            node: self.figures(node) for node in nodes or self._nodes if self._has_heard(node)
        }
        return Totals(self._started_s, tuple(self._refusals.values()), figures)

    def _has_heard(self, node: int) -> bool:
        return self._receiver_of(node).statistics(node) != NodeStatistics(
            ids_are_counters=node in self._radio_nodes
        )


def slot_period_s(timing: LinkTiming, n_nodes: int) -> float:
    """In which each of so many nodes has a slot."""
    exchange_s = timing.airtime_s(timing.profile.max_packet_bytes) + timing.report_wait_s
    return n_nodes * SLOT_FRAMES * exchange_s


def _received(
    reception: Reception, gateway: str, counter: int, outcomes: Iterable[Outcome]
) -> ReceivedPacket:
    """The packet with this counter as the store keeps it: the one that arrived, or one that it made
    readable.
    """
    opened = [outcome for outcome in outcomes if isinstance(outcome, (Update, Rejected))]
    bundles = [outcome.bundle_name for outcome in opened if outcome.bundle_name]
    reasons = [outcome.reason for outcome in opened if isinstance(outcome, Rejected)]
    is_this = Header.unpack(reception.packet).counter_low == counter % (1 << 16)
    return ReceivedPacket(
        counter=counter,
        bundle=bundles[0] if bundles else "",
        chunks=tuple(outcome.chunk for outcome in opened if outcome.chunk is not None),
        packet=reception.packet if is_this else None,
        gateway=gateway,
        quality=reception.quality,
        verdict=reasons[0] if reasons else None,
    )


def _packet_bytes(chunk: Chunk) -> int:
    """Of a packet of its own for a later chunk like this."""
    return overhead_bytes(PacketType.DATA) + CHUNK_HEAD_BYTES + len(chunk.bitstream)


def _stopped(answers: Sequence[Answer]) -> list[int]:
    """The images of one packet that need no more, when there is a verdict among them; a whole one
    needs none.
    """
    return (
        [one.image for one in answers if one.is_settled]
        if any(one.is_enough for one in answers)
        else []
    )
