"""Receiver: the host's end of the link, for all of its nodes and any number of gateways.

    receive        a packet in, outcomes out: what is now known of an image, or why the packet gave
                   nothing
    confirm        the store has it: only now it is acknowledged
    next_packet    what to transmit now: reports, commands, the time

It knows neither sockets nor clocks, and never raises on what arrives. An outcome with a counter is
to be stored together with state(node), in one transaction, and then confirmed; one without is not.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf

from link.host.advances import Advances
from link.host.assembler import CollisionError
from link.host.image_reader import collision, other_version
from link.host.interface import (
    ASKED,
    ChunkHeard,
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
from link.host.peer import Peer
from link.host.statistics import NodeStatistics
from link.medium.governor import Governor
from link.medium.time_slots import SlotPlan
from link.medium.timing import LinkTiming
from link.wire.control import (
    NO_QUALITY,
    REPORT_BYTES,
    Advance,
    Command,
    Part,
    Quality,
    pack_command,
)
from link.wire.packet import (
    HOST_SALT_BYTES,
    MAX_PACKET_BYTES,
    WIRE_VERSION,
    Chunk,
    Header,
    PacketType,
    overhead_bytes,
)

MIN_PACKET_BYTES = overhead_bytes(PacketType.DATA)
REPORT_PACKET_BYTES = tuple(
    overhead_bytes(PacketType.REPORT, has_salt) + REPORT_BYTES for has_salt in (False, True)
)
ADVANCE_BYTES = overhead_bytes(PacketType.COMMAND, has_salt=True) + len(pack_command(Advance(0)))


class Receiver(HostEnd):
    """A host's end; timing None: it never sends."""

    def __init__(
        self,
        nodes: Mapping[int, NodeEntry],
        timing: LinkTiming | None = None,
        salt: bytes | None = None,
        *,
        governors: Sequence[Governor] = (),
        unix_offset_s: float | None = None,
    ) -> None:
        """`governors` by gateway charge what is sent, on the clock of now_s; without them the
        caller does that.

        `unix_offset_s` is Unix time less that clock; None: nodes that ask for the time get no
        answer.
        """
        salt = salt or secrets.token_bytes(HOST_SALT_BYTES)
        self._advances = (
            Advances(timing.airtime_s(ADVANCE_BYTES), timing.report_wait_s)
            if timing is not None
            else None
        )
        self._timing, self._salt = timing, salt
        self._nodes: dict[int, Peer] = {}
        self._owed: dict[int, Peer] = {}
        "Those that may be owed something: heard, and not seen since to be owed nothing."
        self._heard: dict[int, Peer] = {}
        "Since notices were taken."
        self.add(nodes)
        self._governors = tuple(governors)
        self.unix_offset_s = unix_offset_s
        self._slots: SlotPlan | None = None
        self._is_speaking = False

    def add(self, nodes: Mapping[int, NodeEntry]) -> None:
        """Nodes that are known from now on."""
        for node, entry in nodes.items():
            self._nodes[node] = Peer(node, entry, self._timing, self._salt, self._advances)

    # Uplink

    def receive(
        self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY, gateway: int = 0
    ) -> list[Outcome]:
        if not MIN_PACKET_BYTES <= len(packet) <= MAX_PACKET_BYTES:
            return [
                NotUsed(
                    Reason.MALFORMED,
                    f"packet has {len(packet)} bytes, packets have {MIN_PACKET_BYTES} to "
                    f"{MAX_PACKET_BYTES}: it was cut off or is none",
                )
            ]
        try:
            header = Header.unpack(packet)
        except ValueError as error:
            return [NotUsed(Reason.MALFORMED, f"{error}: it was cut off or is none")]
        rejected = self._foreign(header)
        if rejected is not None:
            return [rejected]
        node = self._nodes[header.node]
        self._owed[header.node] = self._heard[header.node] = node
        return node.receive(packet, header, now_s, quality, gateway)

    def _foreign(self, header: Header) -> NotUsed | None:
        """Why a packet with this header is none for this host; None: it is."""
        kind = PacketType(header.packet_type)
        if header.version != WIRE_VERSION:
            return NotUsed(
                Reason.WIRE_VERSION,
                f"packet has wire version {header.version}, this host speaks {WIRE_VERSION}; "
                "update the older end",
            )
        if header.node not in self._nodes:
            return NotUsed(
                Reason.UNKNOWN_NODE,
                f"packet names node {header.node}, this host knows {sorted(self._nodes)}; "
                "if the node is yours, add its key and bundle to the host's configuration",
            )
        if not kind.is_uplink:
            return NotUsed(
                Reason.PACKET_TYPE,
                f"packet of type {header.packet_type} ({kind.name}) is downlink: another host's, "
                "or this one's echo",
            )
        return None

    def confirm(self, node: int, counter: int, enough: Iterable[int] = ()) -> None:
        self._nodes[node].confirm(counter, enough)

    def compared(self, outcome: Outcome, stored: StoredChunks) -> Outcome:
        if not isinstance(outcome, ChunkHeard):
            return outcome
        chunk = outcome.chunk
        known = list(stored(outcome.node, outcome.bundle_id, chunk.image))
        if chunk.version:
            whole = Chunk.prefix_of(known)
            is_over = bool(whole) and whole[-1].is_last and whole[0].version != chunk.version
            return other_version(outcome.node, outcome.counter, chunk) if is_over else outcome
        if all(one.index != chunk.index or one.is_same(chunk) for one in known):
            return outcome
        self._nodes[outcome.node].collide(outcome.counter)
        return collision(outcome.node, outcome.counter, CollisionError.of(chunk))

    def undecodable(self, update: Update) -> Rejected:
        return self._nodes[update.node].undecodable(update)

    def state(self, node: int) -> NodeState | None:
        return self._nodes[node].state

    def salt(self, node: int) -> bytes:
        """The session's of the node that was heard last."""
        return self._nodes[node].salt

    def statistics(self, node: int) -> NodeStatistics:
        return self._nodes[node].statistics

    def take_notices(self) -> list[str]:
        notices = [sentence for node in self._heard.values() for sentence in node.notices]
        for node in self._heard.values():
            node.notices.clear()
        self._heard.clear()
        return notices

    # Downlink

    def ask(self, node: int, word: str) -> None:
        self.command(node, ASKED[word])

    def command(self, node: int, command: Command) -> None:
        if tellings := self._nodes[node].tellings:
            tellings.commands.append(command)

    def put_parts(self, node: int, parts: Iterable[bytes]) -> None:
        """Pieces of a message to who learns on a node, the next time it listens; in the place of
        those that were not said yet. Each has at most `part_bytes`.
        """
        if tellings := self._nodes[node].tellings:
            tellings.put_parts(parts)

    @property
    def part_bytes(self) -> int:
        """Room for a piece of a message."""
        assert self._timing is not None, "a host that never sends has no messages"
        around = overhead_bytes(PacketType.COMMAND, has_salt=True) + len(pack_command(Part(b"")))
        return min(self._timing.profile.max_packet_bytes, MAX_PACKET_BYTES) - around

    def advise(self, node: int, n_chunks: int | None) -> None:
        """So many chunks of an image are worth sending without being asked; None: no advice."""
        if tellings := self._nodes[node].tellings:
            tellings.advice = n_chunks

    def grant_slots(self, nodes: Collection[int], period_s: float, now_s: float) -> None:
        """Cut each period into a slot for each of these nodes; each is told when it listens, and
        again in time.
        """
        self._slots = SlotPlan(nodes, period_s, now_s)

    def next_due_s(self, now_s: float) -> float | None:
        if self._is_speaking:
            return None
        due = [self._start_s(node, due_s, now_s) for node, due_s in self._due()]
        due.append(self._advance_s(now_s))
        return min((start_s for start_s in due if start_s < inf), default=None)

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to transmit now, None when nothing may or need be; call `transmitted` when it has
        left.

        Raises LedgerError when a governor cannot store the airtime: nothing is sent then.
        """
        if self._is_speaking:
            return None
        for node, _ in sorted(self._due(), key=lambda one: one[1]):
            downlink = node.next_packet(
                now_s, self._governor(node.gateway), self.unix_offset_s, self._slots
            )
            if downlink is not None:
                self._is_speaking = True
                return downlink
        return self._next_advance(now_s)

    def transmitted(self, end_s: float) -> None:
        self._is_speaking = False

    def _due(self) -> list[tuple[Peer, float]]:
        due = [(node, due_s) for node in self._owed.values() if (due_s := node.due_s()) is not None]
        if len(due) < len(self._owed):
            self._owed = {node.node: node for node, _ in due}
        return due

    def _start_s(self, node: Peer, due_s: float, now_s: float) -> float:
        """When a report to it could start, with a salt or without."""
        assert self._timing is not None
        governor = self._governor(node.gateway)
        start_s = max(due_s, now_s)
        if governor is None:
            return start_s
        airtimes_s = map(self._timing.airtime_s, REPORT_PACKET_BYTES)
        # a longer frame may begin earlier: both end when the airtime is free again
        return max(governor.start_s(airtime_s, start_s) for airtime_s in airtimes_s)

    def _advance_s(self, now_s: float) -> float:
        """When a session that is behind may be answered; inf: not while a REPORT is asked for."""
        asking = self._advances.next(now_s) if self._advances is not None else None
        if asking is None or any(node.is_asked for node in self._owed.values()):
            return inf
        assert self._advances is not None
        return self._advances.start_s(asking, self._governor(asking.gateway), now_s)

    def _next_advance(self, now_s: float) -> Downlink | None:
        if self._advance_s(now_s) > now_s:
            return None
        assert self._advances is not None
        asking = self._advances.next(now_s)
        assert asking is not None
        governor, airtime_s = self._governor(asking.gateway), self._advances.airtime_s
        if governor is not None:
            governor.occupy(airtime_s, now_s)
        node = self._nodes[asking.node]
        self._advances.answered(asking, node.highest, governor, now_s)
        self._is_speaking = True
        return node.advance(asking.salt, asking.gateway, airtime_s)

    def _governor(self, gateway: int) -> Governor | None:
        return self._governors[gateway] if gateway < len(self._governors) else None
