"""Host session: what a host knows of one node's starts, opens what comes up and seals what goes
down.

Counters order the sessions: a new salt is believed only under a counter above all that came before,
because a recording cannot have one. A node whose counter is not above (it lost its counters, its
card is a copy or an old state) is told so and goes on above; where it cannot be told, it must be
provisioned anew.

A team is one node of several cards, which may speak by turns: of it the sessions heard last are
held, each with its own window.

What a stranger may try is counted in tags: a packet that tells its salt tells its whole counter and
has a tag of 8 bytes, held against every bundle that it may have; any other is held against one tag,
since its session has one bundle. Nothing here is rationed, because a stranger could use a ration
up.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from link.base.recent import Recent
from link.bundle.bundle import Bundle
from link.host.interface import NodeState, NotUsed, Reason
from link.host.siege import Siege
from link.security.seal import (
    REPLAY_WINDOW,
    Direction,
    ReplayWindow,
    Seal,
    downlink_key,
    reconstruct_counter,
    uplink_key,
)
from link.wire.control import Hello
from link.wire.packet import (
    COUNTER_LOW_BITS,
    SHORT_TAG_BYTES,
    WITH_BUNDLE,
    Flag,
    Header,
    PacketType,
    tag_bytes,
)

MAX_KEPT = 256
"""Packets of one node that wait for their session's salt; each is held against one tag more when it
comes.
"""
MAX_BUNDLES = 128
"Bundles, the node's own first, that a packet with a salt is held against."
MAX_CARDS = 8
"Sessions of a team that are held: a short tag is tried with each."


@dataclass(frozen=True)
class Opened:
    """A packet whose tag verified and whose counter is new."""

    header: Header
    counter: int
    body: bytes
    bundle_id: bytes
    """With which it was sealed, perhaps one that this host lacks; empty for the types that do not
    depend on one.
    """
    packet_bytes: int


@dataclass(frozen=True)
class SessionNews:
    """What a packet brings: itself, or those that waited for it and itself."""

    opened: Sequence[Opened]
    salt: bytes
    "The salt of their session."
    began: str | None = None
    "A sentence: a new session was accepted."


class _Session:
    """One salt's two seals."""

    def __init__(
        self, node: int, key: bytes, salt: bytes, host_salt: bytes, bundle_id: bytes = b""
    ) -> None:
        self.window = ReplayWindow()
        self._node = node
        self.salt = salt
        self.up = Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)
        self._key = key
        self._host_salt = host_salt
        self.bundle_id = bundle_id
        "The bundle of all its images, as an 8-byte tag or a HELLO has shown."
        self.node_knows = False
        "The node has shown that it knows the host's salt."
        self.told_salt = False

    @cached_property
    def down(self) -> Seal:
        key = downlink_key(self._key, self.salt, self._host_salt)
        return Seal(key, self._node, self.salt, Direction.DOWNLINK)


class HostSession:
    """All sessions of one node, as its host sees them."""

    def __init__(
        self,
        node: int,
        key: bytes,
        bundles: Sequence[Bundle],
        host_salt: bytes,
        state: NodeState | None = None,
        has_downlink: bool = True,
        is_team: bool = False,
    ) -> None:
        """`bundles` are all that the host holds: the node's present one, its others, the rest."""
        self._node = node
        self._key = key
        self._host_salt = host_salt
        self._bundle_ids = list(dict.fromkeys(bundle.id for bundle in bundles))
        self._has_downlink = has_downlink
        self._is_team = is_team
        self._sessions: Recent[bytes, _Session] = Recent(MAX_CARDS if is_team else 1)
        "By salt, the one heard last at the end."
        if state:
            stored = self._sessions[state.salt] = self._session(state.salt, state.bundle_id)
            stored.window = ReplayWindow(state.highest, state.received)
        self._kept: deque[bytes] = deque(maxlen=MAX_KEPT)
        self._recent: Recent[bytes, int] = Recent(REPLAY_WINDOW)
        "Packets accepted of late and their counters."
        self.siege = Siege()
        self._next_down = 0
        "Downlink counter: never begun anew in this start of the host, whatever the node's session."

    @property
    def state(self) -> NodeState | None:
        """The state of the session with the highest counter; None before the node was heard."""
        newest = self._newest
        if newest is None:
            return None
        window = newest.window
        return NodeState(newest.salt, window.highest, window.received, newest.bundle_id)

    @property
    def highest(self) -> int:
        return -1 if self._newest is None else self._newest.window.highest

    @property
    def _newest(self) -> _Session | None:
        sessions = self._sessions.values()
        return max(sessions, key=lambda session: session.window.highest, default=None)

    @property
    def lacks(self) -> bytes:
        """The id of the bundle that the node's images are made with, when this host does not hold
        it; else empty.
        """
        known = self._newest.bundle_id if self._newest else b""
        return b"" if known in self._bundle_ids else known

    def owes_salt(self, salt: bytes) -> bool:
        """Whether a packet for this session must carry the host's salt."""
        return salt not in self._sessions or not self._sessions[salt].node_knows

    def open(self, packet: bytes, header: Header, now_s: float) -> SessionNews | NotUsed:
        """What this packet brings: itself, or the ones that waited for its salt before it, or why
        it is not used.
        """
        if packet in self._recent:
            counter = self._recent[packet]
            sentence = f"packet {counter} of node {self._node} came again"
            return NotUsed(Reason.DUPLICATE, sentence, self._node, counter)
        if header.salt and header.salt not in self._sessions:
            return self._open_foreign(packet, header)
        if not self._sessions:
            self._kept.append(packet)
            return NotUsed(
                Reason.UNKNOWN_SESSION,
                f"packet of a session of node {self._node} that this host does not know; it is "
                "kept until one with the session's salt comes",
                self._node,
            )
        is_short = tag_bytes(header.packet_type, bool(header.salt)) == SHORT_TAG_BYTES
        if is_short and not self.siege.takes_short_tags(now_s):
            self.siege.failed(now_s)
            return NotUsed(
                Reason.NOT_OPENED,
                f"packet in the name of node {self._node} has a short tag; while others speak in "
                "its name this node has long ones, and nothing else is tried",
                self._node,
            )
        latest = [self._sessions[header.salt]] if header.salt else [*self._sessions.values()]
        for session in reversed(latest):
            counter = (
                header.counter
                if header.tells_counter
                else reconstruct_counter(header.counter_low, session.window.highest)
            )
            opened = self._try(session, packet, header, counter)
            if opened is not None:
                return self._news(session, opened, packet)
        if is_short:
            self.siege.failed(now_s)
        return self._not_opened(packet, header)

    def _news(self, session: _Session, opened: Opened, packet: bytes) -> SessionNews | NotUsed:
        if self._accept(session, opened, packet):
            return SessionNews([opened], session.salt)
        return NotUsed(
            Reason.REPLAY,
            f"packet {opened.counter} of node {self._node} was received before or is too old to "
            f"tell (highest is {session.window.highest}); it is ignored",
            self._node,
        )

    def recovered(self, salt: bytes, counter: int) -> bool:
        """Whether a packet brought back by parity is new; it counts as received from now on."""
        window = self._sessions[salt].window
        if not window.is_new(counter):
            return False
        window.mark(counter)
        return True

    def seal(self, salt: bytes, packet_type: PacketType, body: bytes) -> bytes:
        """A downlink packet for the session with this salt."""
        return self._seal(self._sessions[salt], packet_type, body, Flag.KNOWN)

    def seal_stale(self, salt: bytes, packet_type: PacketType, body: bytes) -> bytes:
        """A downlink packet for the session with this salt, which is behind or over."""
        return self._seal(self._session(salt), packet_type, body, Flag(0))

    def _seal(self, session: _Session, packet_type: PacketType, body: bytes, flags: Flag) -> bytes:
        counter, self._next_down = self._next_down, self._next_down + 1
        salt = b"" if session.node_knows else self._host_salt
        session.told_salt = True
        header = Header(
            self._node, counter & 0xFFFF, packet_type, flags | Flag.SALT * bool(salt), salt
        )
        return session.down.seal(header, counter, body)

    def _session(self, salt: bytes, bundle_id: bytes = b"") -> _Session:
        return _Session(self._node, self._key, salt, self._host_salt, bundle_id)

    def _try(self, session: _Session, packet: bytes, header: Header, counter: int) -> Opened | None:
        for bundle_id in self._candidates(session, header):
            body = session.up.open(packet, header, counter, bundle_id)
            if body is not None:
                return Opened(header, counter, body, bundle_id, len(packet))
        return None

    def _candidates(self, session: _Session, header: Header) -> list[bytes]:
        """Bundles that the packet may have been sealed with; one, where its tag is short."""
        if header.packet_type not in WITH_BUNDLE:
            return [b""]
        known = [session.bundle_id] if session.bundle_id else []
        return list(dict.fromkeys([*known, *self._bundle_ids]))[: MAX_BUNDLES if header.salt else 1]

    def _accept(self, session: _Session, opened: Opened, packet: bytes) -> bool:
        """Whether it is new; then it counts as received."""
        if not session.window.is_new(opened.counter):
            return False
        session.window.mark(opened.counter)
        self._sessions.move_to_end(session.salt)
        self._learn(session, opened)
        self._recent[packet] = opened.counter
        session.node_knows = session.told_salt and bool(opened.header.flags & Flag.KNOWN)
        return True

    def _learn(self, session: _Session, opened: Opened) -> None:
        """What a long tag vouches for: the session's bundle, and whether all its tags are long."""
        if opened.header.packet_type == PacketType.HELLO:
            with suppress(ValueError):
                hello = Hello.unpack(opened.body)
                session.bundle_id = hello.bundle_id
                self.siege.told(hello.has_long_tags)
        elif opened.header.salt and opened.bundle_id:
            session.bundle_id = opened.bundle_id
        elif not opened.header.salt:
            self.siege.heard_short_tag()

    def _not_opened(self, packet: bytes, header: Header) -> NotUsed:
        if not header.salt:
            self._kept.append(packet)
        held = ", ".join(bundle_id.hex() for bundle_id in self._bundle_ids)
        return NotUsed(
            Reason.NOT_OPENED,
            f"packet in the name of node {self._node} does not open with its key and any bundle "
            f"held for it ({held}): it was damaged or forged, or the node has another key or a "
            "bundle this host lacks; compare node.key and the bundle's id at both ends",
            self._node,
        )

    def _open_foreign(self, packet: bytes, header: Header) -> SessionNews | NotUsed:
        """A packet with a salt that is of no session held."""
        session = self._session(header.salt)
        opened = self._try(session, packet, header, header.counter)
        if opened is None:
            return self._not_opened(packet, header)
        if opened.counter <= self.highest:
            remedy = (
                "it is told to go on above"
                if self._has_downlink
                else "nobody can tell it, so it must be provisioned anew (flash it again) and "
                "counts on from the time of day"
            )
            return NotUsed(
                Reason.STALE_SESSION,
                f"node {self._node} begins a session at packet {opened.counter}, this host has "
                f"seen {self.highest}: its counters were lost or its card is a copy or an old "
                f"state, or this is a recording; {remedy}",
                self._node,
                opened.counter,
                session.salt,
            )
        return self._begin(session, opened, packet)

    def _begin(self, session: _Session, opened: Opened, packet: bytes) -> SessionNews:
        """The node has started anew; what waited for its salt is opened first."""
        began = self._describe(session)
        before = self.highest
        session.window = ReplayWindow(before)
        self._sessions[session.salt] = session
        self.siege.session_began()
        self._learn(session, opened)
        waited = self._open_kept(session, opened.counter, before)
        came = [*waited, (opened, packet)]
        accepted = [one for one, kept in came if self._accept(session, one, kept)]
        return SessionNews(accepted, session.salt, began)

    def _open_kept(
        self, session: _Session, counter: int, before: int
    ) -> list[tuple[Opened, bytes]]:
        """The packets kept that are of this session and came before `counter`, in order. None is
        kept any longer.
        """
        kept, self._kept = list(self._kept), deque(maxlen=MAX_KEPT)
        found: dict[int, tuple[Opened, bytes]] = {}
        for packet in kept:
            header = Header.unpack(packet)
            candidate = counter - (counter - header.counter_low) % (1 << COUNTER_LOW_BITS)
            if not before < candidate < counter:
                continue
            opened = self._try(session, packet, header, candidate)
            if opened is not None:
                found[candidate] = opened, packet
        return [found[counter] for counter in sorted(found)]

    def _describe(self, session: _Session) -> str:
        if not self._sessions:
            return (
                f"node {self._node} is heard for the first time, its session {session.salt.hex()}"
            )
        if self._is_team:
            return f"another card of node {self._node} speaks, its session {session.salt.hex()}"
        return f"node {self._node} has started anew, its session {session.salt.hex()}"
