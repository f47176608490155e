"""Host session: what a host knows of one node's starts, opens what comes up and seals what goes down.

Counters order the sessions: a new salt is believed only under a counter above all that came before, because a recording
cannot have one. A node whose counter is not above (it lost its counters, its card is a copy or an old state) is told so
and goes on above; where it cannot be told (one way), its salt is believed once.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from link.bundle import Bundle
from link.node_session import WITH_BUNDLE
from link.packet import COUNTER_LOW_BITS, Flag, Header, PacketType
from link.seal import (
    RENEW_AFTER_FAILURES,
    REPLAY_WINDOW,
    BadTagLimiter,
    Direction,
    ReplayWindow,
    Seal,
    downlink_key,
    possible_counters,
    uplink_key,
)

MAX_KEPT = 256
"Packets of one node that wait for their session's salt."
MAX_CLOSED_SALTS = 1024
FIRST_CONTACT_WRAPS = 4096
"A host that knows nothing of a node finds its counter up to 2**28."
REGRESSION_WRAPS = 16
"A node that lost its counters is recognised while they are within 2**20 of 0, or behind by as much."
ALL_RECEIVED = (1 << REPLAY_WINDOW) - 1


class Reason(StrEnum):
    """Why a packet gave no update."""

    MALFORMED = "malformed"
    WIRE_VERSION = "wire version"
    PACKET_TYPE = "packet type"
    UNKNOWN_NODE = "unknown node"
    NOT_OPENED = "not opened"
    OTHER_BUNDLE = "other bundle"
    REPLAY = "replay"
    DUPLICATE = "duplicate"
    REPEATED = "repeated"
    GAP = "gap"
    STALE_SESSION = "stale session"
    UNKNOWN_SESSION = "unknown session"
    THROTTLED = "throttled"
    COLLISION = "collision"


@dataclass(frozen=True)
class NodeState:
    """What the store persists with each result, in the same transaction."""

    salt: bytes
    highest: int
    received: int
    "64 bits, bit i: packet highest - i came."
    closed_salts: tuple[bytes, ...] = ()
    "Of sessions that are over, the oldest first."


@dataclass(frozen=True)
class Opened:
    """A packet whose tag verified and whose counter is new."""

    header: Header
    counter: int
    body: bytes
    bundle: Bundle | None
    "With which it was sealed; None for the types that do not depend on one."
    packet_bytes: int


@dataclass(frozen=True)
class Turned:
    """A packet that is not used, and why."""

    reason: Reason
    sentence: str


@dataclass
class SessionNews:
    """What opening a packet changed beside itself."""

    opened: list[Opened] = field(default_factory=list)
    turned: Turned | None = None
    began: str | None = None
    "A sentence: a new session was accepted."
    is_regression: bool = False
    "With lower counters than before: its images may have ids that others had."


class _Session:
    """One salt's two seals."""

    def __init__(self, node: int, key: bytes, salt: bytes, host_salt: bytes) -> None:
        self.salt = salt
        self.up = Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)
        self._down = (key, host_salt, node)
        self._down_seal: Seal | None = None
        self.node_knows = False
        "The node has shown that it knows the host's salt."
        self.told_salt = False

    @property
    def down(self) -> Seal:
        if self._down_seal is None:
            key, host_salt, node = self._down
            self._down_seal = Seal(downlink_key(key, self.salt, host_salt), node, self.salt, Direction.DOWNLINK)
        return self._down_seal


class HostSession:
    """All sessions of one node, as its host sees them."""

    def __init__(
        self,
        node: int,
        key: bytes,
        bundles: Sequence[Bundle],
        host_salt: bytes,
        state: NodeState | None = None,
        one_way: bool = False,
    ) -> None:
        self._node, self._key, self._bundles, self._host_salt = node, key, bundles, host_salt
        self._one_way = one_way
        self._current = self._session(state.salt) if state else None
        self._window = ReplayWindow(state.highest, state.received) if state else ReplayWindow()
        self._closed: OrderedDict[bytes, None] = OrderedDict.fromkeys(state.closed_salts if state else ())
        self._stale: _Session | None = None
        "Of a node whose counters are behind."
        self._kept: deque[bytes] = deque(maxlen=MAX_KEPT)
        self._recent: OrderedDict[bytes, int] = OrderedDict()
        "Packets accepted of late and their counters."
        self._limiter = BadTagLimiter()
        self._renewed_after = 0
        self._next_down = 0
        "Downlink counter: never begun anew in this start of the host, whatever the node's session."

    @property
    def state(self) -> NodeState | None:
        """None before the node was heard."""
        if self._current is None:
            return None
        return NodeState(self._current.salt, self._window.highest, self._window.received, tuple(self._closed))

    @property
    def highest(self) -> int:
        return self._window.highest

    @property
    def is_known(self) -> bool:
        """Whether anything can be sealed for the node."""
        return self._current is not None

    @property
    def _has_forgotten_salts(self) -> bool:
        """Whether a salt that is not remembered may be an old one all the same."""
        return len(self._closed) >= MAX_CLOSED_SALTS

    @property
    def is_stale(self) -> bool:
        """Whether a node with low counters is to be told."""
        return self._stale is not None

    @property
    def wants_renewal(self) -> bool:
        """Whether so many forgeries were tried that the node should draw a new salt."""
        return self._current is not None and self._limiter.n_failed - self._renewed_after >= RENEW_AFTER_FAILURES

    @property
    def owes_salt(self) -> bool:
        """Whether a packet for the node must carry the host's salt."""
        return self._current is None or not self._current.node_knows

    def open(self, packet: bytes, header: Header, now_s: float) -> SessionNews:
        """What this packet brings: itself, or the ones that waited for its salt before it, or why it is not used."""
        if packet in self._recent:
            return _turned(Reason.DUPLICATE, f"packet {self._recent[packet]} of node {self._node} came again")
        if not self._limiter.allows(now_s):
            return _turned(
                Reason.THROTTLED,
                f"too many packets in the name of node {self._node} do not open; for a while not every one is tried",
            )
        if header.salt and (self._current is None or header.salt != self._current.salt):
            return self._open_foreign(packet, header, now_s)
        if self._current is None:
            self._kept.append(packet)
            return _turned(
                Reason.UNKNOWN_SESSION,
                f"packet of a session of node {self._node} that this host does not know; it is kept until one "
                "with the session's salt comes",
            )
        opened = self._try(self._current, packet, header, possible_counters(header.counter_low, self.highest))
        return self._accept(opened, packet) if opened else self._not_opened(packet, header, now_s)

    def recovered(self, counter: int) -> bool:
        """Whether a packet brought back by parity is new; it counts as received from now on."""
        if not self._window.is_new(counter):
            return False
        self._window.mark(counter)
        return True

    def seal(self, packet_type: PacketType, body: bytes) -> bytes:
        """A downlink packet for the node's session."""
        assert self._current is not None
        return self._seal(self._current, packet_type, body, Flag.KNOWN)

    def seal_stale(self, packet_type: PacketType, body: bytes) -> bytes:
        """A downlink packet for the session with the low counters; it is answered by that."""
        assert self._stale is not None
        session, self._stale = self._stale, None
        return self._seal(session, packet_type, body, Flag(0))

    def _seal(self, session: _Session, packet_type: PacketType, body: bytes, flags: Flag) -> bytes:
        counter, self._next_down = self._next_down, self._next_down + 1
        salt = b"" if session.node_knows else self._host_salt
        session.told_salt = True
        header = Header(self._node, counter & 0xFFFF, packet_type, flags | Flag.SALT * bool(salt), salt)
        return session.down.seal(header, counter, body)

    def _session(self, salt: bytes) -> _Session:
        return _Session(self._node, self._key, salt, self._host_salt)

    def _try(self, session: _Session, packet: bytes, header: Header, counters: Sequence[int]) -> Opened | None:
        has_bundle = header.packet_type in WITH_BUNDLE
        for counter in counters:
            for bundle in self._bundles if has_bundle else (None,):
                body = session.up.open(packet, header, counter, bundle.id if bundle else b"")
                if body is not None:
                    return Opened(header, counter, body, bundle, len(packet))
        return None

    def _accept(self, opened: Opened, packet: bytes) -> SessionNews:
        if not self._window.is_new(opened.counter):
            return _turned(
                Reason.REPLAY,
                f"packet {opened.counter} of node {self._node} was received before or is too old to tell "
                f"(highest is {self.highest}); it is ignored",
            )
        self._window.mark(opened.counter)
        self._remember(packet, opened.counter)
        assert self._current is not None
        self._current.node_knows = self._current.told_salt and bool(opened.header.flags & Flag.KNOWN)
        return SessionNews([opened])

    def _remember(self, packet: bytes, counter: int) -> None:
        self._recent[packet] = counter
        if len(self._recent) > REPLAY_WINDOW:
            self._recent.popitem(last=False)

    def _not_opened(self, packet: bytes, header: Header, now_s: float) -> SessionNews:
        self._limiter.failed(now_s)
        if not header.salt:
            self._kept.append(packet)
        held = ", ".join(bundle.id.hex() for bundle in self._bundles)
        return _turned(
            Reason.NOT_OPENED,
            f"packet in the name of node {self._node} does not open with its key and any bundle held for it "
            f"({held}): it was damaged or forged, or the node has another key or a bundle this host lacks; "
            "compare node.key and the bundle's id at both ends",
        )

    def _open_foreign(self, packet: bytes, header: Header, now_s: float) -> SessionNews:
        """A packet with a salt that is not the current one."""
        if self._one_way and header.salt in self._closed:
            self._limiter.failed(now_s)
            return _turned(
                Reason.REPLAY, f"packet of a session of node {self._node} that is over; it is late or a recording"
            )
        session = self._session(header.salt)
        opened = self._try(session, packet, header, self._foreign_counters(header.counter_low))
        if opened is None:
            return self._not_opened(packet, header, now_s)
        if opened.counter <= self.highest and (not self._one_way or self._has_forgotten_salts):
            self._limiter.failed(now_s)
            self._stale = None if self._one_way else session
            remedy = "nobody can tell it; provision it anew" if self._one_way else "it is told to go on above"
            return _turned(
                Reason.STALE_SESSION,
                f"node {self._node} begins a session at packet {opened.counter}, this host has seen {self.highest}: "
                f"its counters were lost or its card is a copy or an old state, or this is a recording; {remedy}",
            )
        return self._begin(session, opened, packet)

    def _foreign_counters(self, low16: int) -> list[int]:
        """Above the highest, as ever, then below it."""
        wrap = 1 << COUNTER_LOW_BITS
        if self._current is None:
            return [low16 + n * wrap for n in range(FIRST_CONTACT_WRAPS)]
        above = possible_counters(low16, self.highest)
        below = [above[0] - n * wrap for n in range(1, REGRESSION_WRAPS)]
        lost = [low16 + n * wrap for n in range(REGRESSION_WRAPS)]
        return list(dict.fromkeys(counter for counter in [*above, *below, *lost] if counter >= 0))

    def _begin(self, session: _Session, opened: Opened, packet: bytes) -> SessionNews:
        """The node has started anew; what waited for its salt is opened first."""
        is_regression = opened.counter <= self.highest
        news = SessionNews(began=self._describe(session, opened), is_regression=is_regression)
        if self._current is not None and self._one_way:
            self._closed[self._current.salt] = None
        while len(self._closed) > MAX_CLOSED_SALTS:
            self._closed.popitem(last=False)
        before = -1 if is_regression else self.highest
        self._current, self._stale = session, None
        self._renewed_after = self._limiter.n_failed
        waited = self._open_kept(session, opened.counter, before)
        if is_regression:
            first = min([opened.counter, *(one.counter for one, _ in waited)])
            self._window = ReplayWindow(first - 1, ALL_RECEIVED)
        for one, kept in [*waited, (opened, packet)]:
            news.opened += self._accept(one, kept).opened
        return news

    def _open_kept(self, session: _Session, counter: int, before: int) -> list[tuple[Opened, bytes]]:
        """The packets kept that are of this session and came before `counter`, in order."""
        kept, self._kept = list(self._kept), deque(maxlen=MAX_KEPT)
        found: dict[int, tuple[Opened, bytes]] = {}
        for packet in kept:
            header = Header.unpack(packet)
            back = (counter - header.counter_low) % (1 << COUNTER_LOW_BITS)
            candidate = counter - back
            opened = self._try(session, packet, header, [candidate]) if candidate > before else None
            if opened is not None and opened.counter < counter:
                found[opened.counter] = opened, packet
            elif opened is None:
                self._kept.append(packet)
        return [found[counter] for counter in sorted(found)]

    def _describe(self, session: _Session, opened: Opened) -> str:
        if self._current is None:
            return f"node {self._node} is heard for the first time, its session {session.salt.hex()}"
        if opened.counter <= self.highest:
            return (
                f"node {self._node} begins session {session.salt.hex()} at packet {opened.counter} although "
                f"{self.highest} came before: its counters were lost or its card is an old state; nobody can be asked "
                "on a one-way link, so this session is believed"
            )
        return f"node {self._node} has started anew, its session {session.salt.hex()}"


def _turned(reason: Reason, sentence: str) -> SessionNews:
    return SessionNews(turned=Turned(reason, sentence))
