"""Node session: a node's salt and its two keys, until it starts anew or is told to."""

import secrets
from collections import OrderedDict
from itertools import islice

from link.node.interface import Identity, Rejected
from link.security.seal import (
    Direction,
    ReplayWindow,
    Seal,
    downlink_key,
    possible_counters,
    uplink_key,
)
from link.wire.packet import (
    NODE_SALT_BYTES,
    WIRE_VERSION,
    WITH_BUNDLE,
    Flag,
    Header,
    PacketType,
)

MAX_HOST_SALTS = 256
"""Starts of the host in one session of the node. None is forgotten, or its packets could be played
back.
"""
SALTLESS_HOSTS = 4
"""Starts, the latest, of which a packet may be that tells no salt: with all wraps of its counter,
64 long tags to try.
"""
SALT_EVERY = 32
"A node that hears nothing repeats its salt in its packets 0, 1, 2, 4, 8, 16 and every 32nd."


class NodeSession:
    """Seals what a node sends, opens what comes down to it."""

    def __init__(self, identity: Identity, has_downlink: bool, salt: bytes | None = None) -> None:
        self.node = identity.node
        self._key = identity.key
        self.bundle_id = identity.bundle_id
        self._has_downlink = has_downlink
        self.n_bad = 0
        "Downlink packets that did not open."
        self.renew(salt)

    def renew(self, salt: bytes | None = None) -> None:
        """Begin anew under a salt never used before."""
        self.salt = salt or secrets.token_bytes(NODE_SALT_BYTES)
        self._up = Seal(uplink_key(self._key, self.salt), self.node, self.salt, Direction.UPLINK)
        self._hosts: OrderedDict[bytes, tuple[Seal, ReplayWindow]] = OrderedDict()
        self._n_sealed = 0
        self.is_known = False
        "The host knows this session."
        self.knows_host = False
        "What the host sent last was opened, so its salt is known here."
        self.has_long_tags = False
        "The host has asked for a salt, and so for a long tag, in every packet."

    def forget_host(self) -> None:
        """The host does not answer: it may have forgotten this session, or begun anew."""
        self.is_known = self.knows_host = False

    def use_long_tags(self, wanted: bool) -> None:
        """Tell the salt in every packet, or no more than must be."""
        self.has_long_tags = wanted

    @property
    def is_worn_out(self) -> bool:
        """Whether the host has started so often that the session should end."""
        return len(self._hosts) >= MAX_HOST_SALTS

    @property
    def owes_salt(self) -> bool:
        """Whether the next packet must carry the salt."""
        if self._has_downlink:
            return self.has_long_tags or not self.is_known
        n = self._n_sealed
        return n % SALT_EVERY == 0 or (n < SALT_EVERY and n & n - 1 == 0)

    def seal(self, packet_type: PacketType, counter: int, body: bytes, listens: bool) -> bytes:
        salt = self.salt if self.owes_salt else b""
        flags = Flag.SALT * bool(salt) | Flag.LISTEN * listens | Flag.KNOWN * self.knows_host
        self._n_sealed += 1
        header = Header(self.node, counter & 0xFFFF, packet_type, flags, salt)
        return self._up.seal(
            header, counter, body, self.bundle_id if packet_type in WITH_BUNDLE else b""
        )

    def open(self, packet: bytes) -> tuple[Header, bytes] | Rejected | None:
        """Header and body of a downlink packet not opened before; None: it is another's."""
        try:
            header = Header.unpack(packet)
        except ValueError as error:
            return Rejected(str(error))
        if header.version != WIRE_VERSION:
            return Rejected(
                f"packet has wire version {header.version}, this node speaks {WIRE_VERSION}; "
                "update it"
            )
        if header.node != self.node or PacketType(header.packet_type).is_uplink:
            return None
        body = self._open(packet, header)
        if body is None:
            return Rejected(
                "a downlink packet was damaged, forged, heard before, or sealed with another key"
            )
        return header, body

    def _open(self, packet: bytes, header: Header) -> bytes | None:
        for salt, seal, window in self._candidates(header):
            for counter in possible_counters(header.counter_low, window.highest):
                body = seal.open(packet, header, counter)
                if body is None:
                    continue
                if not window.is_new(counter):
                    return None
                window.mark(counter)
                self._opened(header, salt, seal, window)
                return body
        self.n_bad += 1
        return None

    def _candidates(self, header: Header) -> list[tuple[bytes, Seal, ReplayWindow]]:
        if not header.salt:
            latest = islice(reversed(self._hosts.items()), SALTLESS_HOSTS)
            return [(salt, *host) for salt, host in latest]
        if header.salt in self._hosts:
            return [(header.salt, *self._hosts[header.salt])]
        key = downlink_key(self._key, self.salt, header.salt)
        return [(header.salt, Seal(key, self.node, self.salt, Direction.DOWNLINK), ReplayWindow())]

    def _opened(self, header: Header, salt: bytes, seal: Seal, window: ReplayWindow) -> None:
        if salt not in self._hosts:
            # a host that has begun anew knows nothing of what it asked for
            self.has_long_tags = False
        self._hosts[salt] = seal, window
        self._hosts.move_to_end(salt)
        self.knows_host = True
        self.is_known = bool(header.flags & Flag.KNOWN)
