"""Ends: the host's two ends of the link as one. Behind a radio or a cable it opens packets itself;
behind a network, which has opened them, it believes what comes in clear.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from host_decoder.config import KnownNode
from host_decoder.events import Notice
from host_decoder.store.shelf import LONGEST_PAUSE_S, Reception
from host_decoder.store.store import Store
from link.base import Recent
from link.bundle import Bundle
from link.host import Downlink, HostEnd, NodeEntry, NotUsed, Outcome, Receiver
from link.lorawan.host import LoRaWanReceiver
from link.medium import Governor, LedgerError, LinkTiming

SLOT_FRAMES = 2
"Longest frames, each with its answer, that fit a slot."
MAX_SPEAKERS = 128
"Sessions of teams of which it is remembered where they are."


@dataclass(frozen=True)
class GatewayEntry:
    """What a host holds about one gateway."""

    name: str = ""
    governor: Governor = field(default_factory=Governor)
    """Charged with what is sent, on the clock of now_s; one that is silent stands for a gateway
    that only listens.
    """
    is_network: bool = False
    "Its packets are in clear, since a LoRaWAN network has opened them."


class Ends:
    """Which end a packet is for, and through which gateway each node is answered."""

    def __init__(
        self,
        nodes: Sequence[KnownNode],
        store: Store,
        other_bundles: Sequence[Bundle],
        timing: LinkTiming | None,
        gateways: Sequence[GatewayEntry],
        grants_slots: bool = True,
    ) -> None:
        self._timing, self._grants_slots = timing, grants_slots
        self._gateways = gateways
        self._speakers = [
            number
            for number, gateway in enumerate(gateways)
            if gateway.governor.silent_because is None
        ]
        self._store, self._other_bundles = store, other_bundles
        self._radio_nodes: set[int] = set()
        self._teams: set[int] = set()
        self._radio = Receiver({}, timing, governors=[gateway.governor for gateway in gateways])
        self._network = LoRaWanReceiver({})
        self.add(nodes)
        self._slotted: set[int] = set()
        self._origins: dict[tuple[int, int], Hashable] = {}
        "By gateway and node: where the node's packets come from."
        self._members: Recent[tuple[int, int, bytes], Hashable] = Recent(MAX_SPEAKERS)
        "By gateway, node and session: where each card of a team is that speaks."
        self._mute_until_s = float("-inf")
        self._mute_because = ""
        self._notices: list[Notice] = []

    def add(self, nodes: Sequence[KnownNode]) -> None:
        """Nodes that are known from now on."""
        entries = {node.number: _entry(node, self._store, self._other_bundles) for node in nodes}
        told_images = {
            node.number: self._store.newest_image(node.number, node.key, node.bundle.id.hex())
            for node in nodes
            if node.device is not None
        }
        self._radio_nodes |= {node.number for node in nodes if node.device is None}
        self._teams |= {number for number, entry in entries.items() if entry.is_team}
        self._radio.add({n: entry for n, entry in entries.items() if n not in told_images})
        self._network.add(
            {number: entries[number] for number in told_images},
            {n: image for n, image in told_images.items() if image is not None},
        )

    def at(self, gateway: int) -> HostEnd:
        """The end of what comes through this gateway."""
        return self._network if self._gateways[gateway].is_network else self._radio

    def of(self, node: int) -> HostEnd:
        """The end of this node."""
        return self._radio if node in self._radio_nodes else self._network

    def open(
        self, reception: Reception, now_s: float, unix_offset_s: float | None
    ) -> list[Outcome]:
        """A packet is opened once; nothing of it is stored yet. unix_offset_s is Unix time less
        now_s, None where nodes are not to be told it.
        """
        self._radio.unix_offset_s = unix_offset_s
        speaker = self._speaker(reception.gateway)
        outcomes = self.at(reception.gateway).receive(
            reception.packet, now_s, reception.quality, speaker
        )
        if reception.origin is not None:
            for outcome in outcomes:
                self._note_origin(outcome, reception)
        return outcomes

    def _speaker(self, gateway: int) -> int:
        """The gateway that answers for this one: itself, unless it only listens."""
        is_able = gateway in self._speakers or self._gateways[gateway].is_network
        return gateway if is_able or not self._speakers else self._speakers[0]

    def _note_origin(self, outcome: Outcome, reception: Reception) -> None:
        """Where a new packet came from. One that may be a recording, by whoever plays it, counts
        while nothing is known; of a team, while nothing is known of its session.
        """
        gateway, node, origin = reception.gateway, outcome.node, reception.origin
        if not isinstance(outcome, NotUsed):
            self._origins[gateway, outcome.node] = origin
            if node in self._teams:
                self._members[gateway, outcome.node, self._radio.salt(outcome.node)] = origin
        elif node is not None and outcome.was_genuine:
            self._origins.setdefault((gateway, node), origin)
            if outcome.salt and node in self._teams:
                self._members.setdefault((gateway, node, outcome.salt), origin)

    def origin_of(self, downlink: Downlink) -> Hashable:
        """Where at its gateway the packet is to go; None: there is one way only, or nothing is
        known.
        """
        way = downlink.gateway, downlink.node
        return self._members.get((*way, downlink.salt), self._origins.get(way))

    def advise(self, node: int, n_chunks: int | None) -> None:
        """Tell the node, with the next report, how many chunks to send before it asks."""
        self._radio.advise(node, n_chunks)

    def takes_advice(self, node: int) -> bool:
        """Whether the node ever asks, and so can be told."""
        return self._timing is not None and node in self._radio_nodes

    def grant_slot(self, node: int, now_s: float) -> None:
        """A node without a slot asks; each newcomer makes a new plan, of which all are told when
        they listen.
        """
        if not self._grants_slots or self._timing is None:
            return
        if node in self._slotted or node not in self._radio_nodes:
            return
        self._slotted.add(node)
        period_s = slot_period_s(self._timing, len(self._slotted))
        self._radio.grant_slots(self._slotted, period_s, now_s)

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to send now, and through which gateway; charged to its governor."""
        if now_s < self._mute_until_s:
            return None
        try:
            return self._radio.next_packet(now_s) or self._network.next_packet(now_s)
        except LedgerError as error:  # as with the store: what cannot be written down is not said
            self._mute_until_s = now_s + LONGEST_PAUSE_S
            if str(error) != self._mute_because:
                self._mute_because = str(error)
                self._notices.append(Notice(str(error), is_problem=True))
            return None

    def transmitted(self, end_s: float) -> None:
        """The packet's last bit left then."""
        self._radio.transmitted(end_s)

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something to send; None: not before something comes."""
        if now_s < self._mute_until_s:
            return None
        due = [self._radio.next_due_s(now_s), self._network.next_due_s(now_s)]
        return min((due_s for due_s in due if due_s is not None), default=None)

    def take_notices(self) -> list[Notice]:
        """Why nothing is said, since the last call."""
        notices, self._notices = self._notices, []
        return notices


def _entry(node: KnownNode, store: Store, other_bundles: Sequence[Bundle]) -> NodeEntry:
    state = store.state(node.number, node.key)
    return NodeEntry(
        node.key,
        node.bundle,
        node.earlier_bundles,
        tuple(other_bundles),
        state,
        node.has_downlink,
    )


def slot_period_s(timing: LinkTiming, n_nodes: int) -> float:
    """In which each of so many nodes has a slot."""
    exchange_s = timing.airtime_s(timing.profile.max_packet_bytes) + timing.report_wait_s
    return n_nodes * SLOT_FRAMES * exchange_s
