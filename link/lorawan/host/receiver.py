"""LoRaWAN receiver: the host's end where a network server has opened the frames, for all nodes of
the network.

It tells the same outcomes as link.host.receiver.Receiver. The
network has verified every frame, so here only those are turned away that came before
(link.lorawan.host.peer). Downlinks are few, because a gateway that speaks is deaf to everybody and
networks ration them.
"""

from collections.abc import Iterable, Mapping

from link.host.interface import (
    ASKED,
    Downlink,
    HostEnd,
    NodeEntry,
    NodeState,
    NotUsed,
    Outcome,
    Reason,
    Rejected,
    StoredChunks,
    Update,
)
from link.host.statistics import NodeStatistics
from link.lorawan.host.peer import NetworkPeer
from link.lorawan.wire import unpack_packet
from link.medium.timing import LinkTiming
from link.wire.control import NO_QUALITY, AskStatus, Command, Quality, Renew


class LoRaWanReceiver(HostEnd):
    """A host's end; timing None: airtime is not counted."""

    def __init__(
        self,
        nodes: Mapping[int, NodeEntry],
        timing: LinkTiming | None = None,
        told_images: Mapping[int, int] | None = None,
    ) -> None:
        """`told_images`: the image of each node's chunk stored last, where that was made with the
        node's own bundle.

        A node without one is asked for a HELLO once more. Keys of nodes are not used: the network
        has its own.
        """
        self._timing = timing
        self._nodes: dict[int, NetworkPeer] = {}
        self.add(nodes, told_images or {})

    def add(self, nodes: Mapping[int, NodeEntry], told_images: Mapping[int, int]) -> None:
        """Nodes that are known from now on."""
        for number, entry in nodes.items():
            self._nodes[number] = NetworkPeer(number, entry, self._timing, told_images.get(number))

    def receive(
        self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY, gateway: int = 0
    ) -> list[Outcome]:
        try:
            header, packet_type, body = unpack_packet(packet)
        except ValueError as error:
            return [NotUsed(Reason.MALFORMED, str(error))]
        if header.node not in self._nodes:
            known = sorted(self._nodes)
            return [
                NotUsed(
                    Reason.UNKNOWN_NODE,
                    f"packet names node {header.node}, over LoRaWAN there are {known}",
                )
            ]
        if not packet_type.is_uplink or not header.salt:
            return [
                NotUsed(
                    Reason.PACKET_TYPE,
                    f"packet of type {packet_type.name} is no uplink of a network",
                )
            ]
        return self._nodes[header.node].receive(header, packet_type, body, now_s, quality, gateway)

    def compared(self, outcome: Outcome, stored: StoredChunks) -> Outcome:
        """The outcome: through a network no id is given twice."""
        return outcome

    def undecodable(self, update: Update) -> Rejected:
        return self._nodes[update.node].undecodable(update)

    def confirm(self, node: int, counter: int, enough: Iterable[int] = ()) -> None:
        self._nodes[node].confirm(enough)

    def state(self, node: int) -> NodeState | None:
        return self._nodes[node].state

    def statistics(self, node: int) -> NodeStatistics:
        return self._nodes[node].statistics

    def take_notices(self) -> list[str]:
        notices = [sentence for node in self._nodes.values() for sentence in node.notices]
        for node in self._nodes.values():
            node.notices.clear()
        return notices

    def ask(self, node: int, word: str) -> None:
        self.command(node, ASKED[word])

    def command(self, node: int, command: Command) -> None:
        """Tell a node behind one of its next uplinks; ValueError where the network does that."""
        if not isinstance(command, (Renew, AskStatus)):
            raise ValueError(
                f"{type(command).__name__} has no place in LoRaWAN: the network sees to counters "
                "and slots"
            )
        self._nodes[node].tellings.command(command)

    def next_due_s(self, now_s: float) -> float | None:
        """At once: the network keeps it for the node's next window."""
        waits = any(node.tellings.are_due for node in self._nodes.values())
        return now_s if waits else None

    def next_packet(self, now_s: float) -> Downlink | None:
        waiting = (node for node in self._nodes.values() if node.tellings.are_due)
        node = next(waiting, None)
        return node.next_packet() if node else None

    def transmitted(self, end_s: float) -> None:
        """The network has it; when it transmits it is its own affair."""
