"""Seal: AES-128-CCM with a tag as short as is safe, and a nonce that costs no byte because both
ends can count.

    nonce   direction (1) ‖ node (2) ‖ salt of the node's session (4) ‖ counter (6); 13 bytes, never
            sent
    AAD     header, salt and high bits included ‖ 8-byte bundle id where the body holds latents, so
            that a packet of another bundle does not open
    tag     8 bytes in all that begins a session or commands a node, else 4
    uplink  key by HKDF-SHA256(master key, node salt)
    downlink  key by HKDF-SHA256(master key, node salt ‖ host salt)

A nonce must never be used twice under one key. Each end draws its salt anew whenever it starts, so
every start has a key of its own, also on a card that was copied, restored or emptied; within a
start counters only grow. The host's salt is longer because nothing but it tells the host's starts
apart.
"""

from dataclasses import replace
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from link.security.keys import KEY_BYTES
from link.wire.packet import (
    COUNTER_LOW_BITS,
    HOST_SALT_BYTES,
    LONG_TAG_BYTES,
    NODE_SALT_BYTES,
    SHORT_TAG_BYTES,
    Header,
    tag_bytes,
)

COUNTER_BITS = 48
COUNTER_WRAPS = 16
"""A node that was deaf for up to 2**20 packets still finds its host's counter; an 8-byte tag bears
so many tries.
"""
REPLAY_WINDOW = 64


class Direction(IntEnum):
    """Keeps the two ends' nonces apart."""

    UPLINK = 0
    DOWNLINK = 1


def uplink_key(master_key: bytes, node_salt: bytes) -> bytes:
    """The key, 16 bytes, that a node seals with in one session."""
    return _derive(master_key, node_salt, b"latentlink 3 uplink", NODE_SALT_BYTES)


def downlink_key(master_key: bytes, node_salt: bytes, host_salt: bytes) -> bytes:
    """The key, 16 bytes, that a host seals with towards one session of a node."""
    return _derive(
        master_key,
        node_salt + host_salt,
        b"latentlink 3 downlink",
        NODE_SALT_BYTES + HOST_SALT_BYTES,
    )


def _derive(master_key: bytes, salt: bytes, purpose: bytes, n_salt: int) -> bytes:
    if len(master_key) != KEY_BYTES:
        raise ValueError(f"key has {len(master_key)} bytes, a node's key has {KEY_BYTES}")
    assert len(salt) == n_salt
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=purpose).derive(master_key)


def nonce(direction: Direction, node: int, node_salt: bytes, counter: int) -> bytes:
    return (
        bytes([direction])
        + node.to_bytes(2, "big")
        + node_salt
        + counter.to_bytes(COUNTER_BITS // 8, "big")
    )


class Seal:
    """One direction of one session: seals at one end what it opens at the other."""

    def __init__(self, key: bytes, node: int, node_salt: bytes, direction: Direction) -> None:
        self._ciphers = {
            n_bytes: AESCCM(key, n_bytes) for n_bytes in (SHORT_TAG_BYTES, LONG_TAG_BYTES)
        }
        self._node = node
        self._node_salt = node_salt
        self._direction = direction

    def seal(self, header: Header, counter: int, body: bytes, bundle_id: bytes = b"") -> bytes:
        """The whole packet: header, sealed body, tag. Never call it twice with one counter.

        What the header tells of the counter beside its low bits is filled in here.
        """
        clear = replace(header, counter_high=counter >> COUNTER_LOW_BITS).pack()
        cipher = self._ciphers[tag_bytes(header.packet_type, bool(header.salt))]
        return clear + cipher.encrypt(self._nonce(counter), body, clear + bundle_id)

    def open(
        self, packet: bytes, header: Header, counter: int, bundle_id: bytes = b""
    ) -> bytes | None:
        """The body, or None when packet, counter, bundle and key do not belong together."""
        n_tag = tag_bytes(header.packet_type, bool(header.salt))
        clear, sealed = packet[: header.n_bytes], packet[header.n_bytes :]
        if len(sealed) < n_tag or not 0 <= counter < 1 << COUNTER_BITS:
            return None
        try:
            return self._ciphers[n_tag].decrypt(self._nonce(counter), sealed, clear + bundle_id)
        except InvalidTag:
            return None

    def _nonce(self, counter: int) -> bytes:
        return nonce(self._direction, self._node, self._node_salt, counter)


def reconstruct_counter(low16: int, highest: int) -> int:
    """The whole counter nearest to the one after `highest` (-1: none yet), never negative."""
    earliest = highest + 1 - (1 << COUNTER_LOW_BITS - 1)
    counter = earliest + (low16 - earliest) % (1 << COUNTER_LOW_BITS)
    return counter if counter >= 0 else counter + (1 << COUNTER_LOW_BITS)


def possible_counters(low16: int, highest: int) -> list[int]:
    """What a node tries: the nearest counter, then later wraps, since the host may have spoken
    while it was deaf.
    """
    first = reconstruct_counter(low16, highest)
    return [first + (wrap << COUNTER_LOW_BITS) for wrap in range(COUNTER_WRAPS)]


class ReplayWindow:
    """Which counters were received. Ask before use, `mark` only after the tag has verified."""

    def __init__(self, highest: int = -1, received: int = (1 << REPLAY_WINDOW) - 1) -> None:
        self.highest = highest
        self.received = received
        """Bit i stands for highest - i; without a stored one everything up to `highest` counts as
        received.
        """

    def is_new(self, counter: int) -> bool:
        age = self.highest - counter
        return age < 0 or (age < REPLAY_WINDOW and not self.received >> age & 1)

    def mark(self, counter: int) -> None:
        ahead = max(0, counter - self.highest)
        self.highest += ahead
        self.received = self.received << min(ahead, REPLAY_WINDOW) & (1 << REPLAY_WINDOW) - 1
        self.received |= 1 << self.highest - counter
