"""Seal: AES-128-CCM with a 4-byte tag, and a nonce that costs no byte because both ends can count.

    nonce   direction (1) ‖ node (2) ‖ key epoch (2) ‖ boot (2) ‖ counter (6)     13 bytes, never sent
    AAD     4 header bytes ‖ 8-byte bundle id          so a packet of another bundle does not open
    key     HKDF-SHA256(master key of the node, salt of the boot, purpose)

A nonce must never be used twice under one key: counters come from link.keys, which reserves them before use.
Epoch and boot stay 0 and the boot salt empty until nodes can announce others (HELLO).
"""

from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 16
TAG_BYTES = 4
COUNTER_BITS = 48
COUNTER_LOW_BITS = 16
"As many bits of the counter as the header carries."
COUNTER_WRAPS = 16
"A host that was deaf for up to 2**20 packets still finds the counter; each try makes a forgery that much likelier."
REPLAY_WINDOW = 64


class Direction(IntEnum):
    """Keeps the two ends' nonces apart, since they share a key."""

    UPLINK = 0
    DOWNLINK = 1


def traffic_key(master_key: bytes, boot_salt: bytes = b"") -> bytes:
    """The key that packets are sealed with, 16 bytes, from the node's master key."""
    if len(master_key) != KEY_BYTES:
        raise ValueError(f"key has {len(master_key)} bytes, a node's key has {KEY_BYTES}")
    return HKDF(SHA256(), KEY_BYTES, salt=boot_salt or None, info=b"latentlink 1 traffic").derive(master_key)


def nonce(direction: Direction, node: int, counter: int, epoch: int = 0, boot: int = 0) -> bytes:
    fields = ((direction, 1), (node, 2), (epoch, 2), (boot, 2), (counter, COUNTER_BITS // 8))
    return b"".join(value.to_bytes(n_bytes, "big") for value, n_bytes in fields)


class Sealer:
    """Seals one node's packets of one bundle in one direction; `key` is its traffic key."""

    def __init__(self, key: bytes, node: int, bundle_id: bytes, direction: Direction = Direction.UPLINK) -> None:
        self._cipher = AESCCM(key, TAG_BYTES)
        self._node, self._bundle_id, self._direction = node, bundle_id, direction

    def seal(self, header: bytes, counter: int, body: bytes) -> bytes:
        """Sealed body and tag, to be sent behind the header. Never call it twice with one counter."""
        return self._cipher.encrypt(nonce(self._direction, self._node, counter), body, header + self._bundle_id)


class Opener:
    """Opens what the Sealer of the same key, node and direction sealed."""

    def __init__(self, key: bytes, node: int, direction: Direction = Direction.UPLINK) -> None:
        self._cipher = AESCCM(key, TAG_BYTES)
        self._node, self._direction = node, direction

    def open(self, header: bytes, counter: int, sealed: bytes, bundle_id: bytes) -> bytes | None:
        """The body, or None when header, counter, sealed bytes, bundle and key do not belong together."""
        if len(sealed) < TAG_BYTES or not 0 <= counter < 1 << COUNTER_BITS:
            return None
        try:
            return self._cipher.decrypt(nonce(self._direction, self._node, counter), sealed, header + bundle_id)
        except InvalidTag:
            return None


def reconstruct(low: int, highest: int, bits: int) -> int:
    """The number with these low bits nearest to the one after `highest` (-1: none yet), never negative."""
    earliest = highest + 1 - (1 << bits - 1)
    number = earliest + (low - earliest) % (1 << bits)
    return number if number >= 0 else number + (1 << bits)


def reconstruct_counter(low16: int, highest: int) -> int:
    """The whole counter of a packet, given the highest received; fewer than 2**15 in a row may be lost."""
    return reconstruct(low16, highest, COUNTER_LOW_BITS)


def possible_counters(low16: int, highest: int) -> list[int]:
    """What to try: the nearest counter, then later wraps, since the node may have spoken while nobody heard."""
    first = reconstruct_counter(low16, highest)
    return [first + (wrap << COUNTER_LOW_BITS) for wrap in range(COUNTER_WRAPS)]


class ReplayWindow:
    """Which counters were received. Ask before use, `mark` only after the tag has verified."""

    def __init__(self, highest: int = -1) -> None:
        """After a restart everything up to the stored `highest` counts as received."""
        self.highest = highest
        self._received = (1 << REPLAY_WINDOW) - 1
        "Bit i stands for highest - i."

    def is_new(self, counter: int) -> bool:
        age = self.highest - counter
        return age < 0 or (age < REPLAY_WINDOW and not self._received >> age & 1)

    def mark(self, counter: int) -> None:
        ahead = max(0, counter - self.highest)
        self.highest += ahead
        self._received = self._received << min(ahead, REPLAY_WINDOW) & (1 << REPLAY_WINDOW) - 1
        self._received |= 1 << self.highest - counter
