"""Message: what a device and the server of a run tell each other, each one signed (Ed25519).

    update     up     0x10 | form, run (2), round (3), device (3), base (2), images (2), loss (2),
                      trained (2), payload, signature (64)
    round      down   0x20 | form, run (2), round (3), after (8), number of accepted (2), accepted,
                      payload, signature (64)
    snapshot   down   0x30 | form, the same for one device that was away: the weights themselves
    ask        up     0x40, run (2), round (3), device (3), signature (64)
    several    down   0x50, then each one's length (4) and bytes

Numbers are big-endian. Of the run's 8 bytes and of the base's hash two travel, to tell who was
wrong; the signature is over all of them, and over a word for each kind:

    "latentlink 1 update" ‖ run (8) ‖ hash of what was held when the round began (8) ‖ message

A snapshot has its device's number in place of the hash, an ask zeros.

An accepted update is its device's distance from the one before and how many rounds late it was, in
one number (distance · 16 + lateness, where 15 says that 15 or more come as a number of their own),
seven bits a byte, lowest first, the high bit where more follow; they stand sorted by device.

Payloads have two forms: CODED (link.update.code), and WHOLE weights: float32 by planes of bytes,
highest first, deflated.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from link.update.layout import HASH_BYTES

VERSION = 1
SIGNATURE_BYTES = 64
HINT_BYTES = 2
MAX_ACCEPTED = 1 << 14
MAX_ROUND = (1 << 24) - 1
MAX_DEVICE = (1 << 24) - 1
LATENESS_BITS = 4
LONG = (1 << LATENESS_BITS) - 1
MAX_SEVERAL = 256
_UPDATE = struct.Struct(f">B{HINT_BYTES}s3s3s{HINT_BYTES}sHeH")
_ROUND = struct.Struct(f">B{HINT_BYTES}s3s{HASH_BYTES}sH")
_ASK = struct.Struct(f">B{HINT_BYTES}s3s3s")
UPDATE_OVERHEAD_BYTES = _UPDATE.size + SIGNATURE_BYTES
"Around an update's payload."


class MessageError(ValueError):
    """A message that is not taken; it says why, and what to do."""


class Kind(IntEnum):
    """The high half of the first byte."""

    UPDATE = 1
    ROUND = 2
    SNAPSHOT = 3
    ASK = 4
    SEVERAL = 5


class Form(IntEnum):
    """What a payload is."""

    CODED = 0
    WHOLE = 1


Accepted = tuple[int, int]
"Device and round of an update."


@dataclass(frozen=True)
class Update:
    """What a device learned in a round."""

    round_: int
    device: int
    n_images: int
    loss: float
    form: Form
    payload: bytes
    trained: int = 0
    """Bit i: it also trained i + 1 of its turns ago, whether that update came or not: all that went
    into its memory.
    """


@dataclass(frozen=True)
class Round:
    """What became of a round, or, as a snapshot, where the run stands behind it."""

    round_: int
    accepted: tuple[Accepted, ...]
    "Sorted by device: what the server counted (a snapshot: of the device it is for, since long)."
    form: Form
    payload: bytes
    after: bytes
    "Hash of the weights after this round, with which the next one begins."
    is_snapshot: bool = False


@dataclass(frozen=True)
class Ask:
    """A device that missed something has the weights that this round begins with."""

    round_: int
    device: int


def kind_of(message: bytes) -> Kind:
    """What a message claims to be."""
    if not message:
        raise MessageError("a message without a byte; send it again")
    try:
        return Kind(message[0] >> 4)
    except ValueError:
        raise MessageError(
            f"a message of kind {message[0] >> 4}, this program knows 1 to {max(Kind)}; "
            "bring both ends to the same version"
        ) from None


def pack_update(update: Update, run: bytes, base: bytes, key: Ed25519PrivateKey) -> bytes:
    """The signed message; `run` and `base` are the 8-byte names of the run and of the weights that
    the device began with.
    """
    head = _UPDATE.pack(
        Kind.UPDATE << 4 | update.form,
        run[:HINT_BYTES],
        update.round_.to_bytes(3, "big"),
        update.device.to_bytes(3, "big"),
        base[:HINT_BYTES],
        min(update.n_images, 0xFFFF),
        _half(update.loss),
        update.trained,
    )
    return _signed(head + update.payload, Kind.UPDATE, run, base, key)


def read_update(message: bytes, run: bytes, max_bytes: int) -> tuple[Update, bytes]:
    """The update, and the two bytes of its base, as they were told; nobody's until check_update."""
    _bound(message, _UPDATE.size, max_bytes)
    first, told, round_, device, base, n_images, loss, trained = _UPDATE.unpack_from(message)
    form = _head(first, Kind.UPDATE)
    _same_run(told, run)
    if not np.isfinite(loss):
        raise MessageError(f"an update whose loss is {loss}: its device diverged")
    payload = message[_UPDATE.size : -SIGNATURE_BYTES]
    number = int.from_bytes(device, "big")
    made_in = int.from_bytes(round_, "big")
    update = Update(made_in, number, n_images, loss, form, payload, trained)
    return update, base


def check_update(message: bytes, run: bytes, base: bytes, key: Ed25519PublicKey) -> None:
    """MessageError unless that device signed this very message for this run and these weights."""
    _check(message, Kind.UPDATE, run, base, key)


def pack_round(round_: Round, run: bytes, before: bytes, key: Ed25519PrivateKey) -> bytes:
    """The server's message; `before`: hash of what was held when the round began; of a snapshot,
    whom it is for (`addressee`).
    """
    kind = Kind.SNAPSHOT if round_.is_snapshot else Kind.ROUND
    head = _ROUND.pack(
        kind << 4 | round_.form,
        run[:HINT_BYTES],
        round_.round_.to_bytes(3, "big"),
        round_.after,
        len(round_.accepted),
    )
    accepted = _pack_accepted(round_.accepted, round_.round_)
    return _signed(head + accepted + round_.payload, kind, run, before, key)


def read_round(
    message: bytes, run: bytes, before: bytes, key: Ed25519PublicKey, max_bytes: int
) -> Round:
    """A round or snapshot that the server signed for this run, and for `before` as pack_round has
    it.
    """
    _bound(message, _ROUND.size, max_bytes)
    kind = kind_of(message)
    if kind not in (Kind.ROUND, Kind.SNAPSHOT):
        raise MessageError(f"a message of kind {kind.name} where the server's was expected")
    first, told, number, after, n_accepted = _ROUND.unpack_from(message)
    form = _head(first, kind)
    _same_run(told, run)
    _check(message, kind, run, before, key)
    round_ = int.from_bytes(number, "big")
    body = message[_ROUND.size : -SIGNATURE_BYTES]
    accepted, payload = _read_accepted(body, n_accepted, round_)
    return Round(round_, accepted, form, payload, after, kind == Kind.SNAPSHOT)


def addressee(device: int) -> bytes:
    """What a snapshot is signed over in place of a hash: what it says of accepted updates is true
    for one device only.
    """
    return device.to_bytes(HASH_BYTES, "big")


def is_snapshot(message: bytes) -> bool:
    """Whether a message claims to be one."""
    return kind_of(message) == Kind.SNAPSHOT


def round_of(message: bytes) -> int:
    """The round that an unchecked message of the server claims."""
    _bound(message, _ROUND.size, len(message))
    return int.from_bytes(message[1 + HINT_BYTES : 4 + HINT_BYTES], "big")


def round_overhead_bytes(accepted: Sequence[Accepted], round_: int) -> int:
    """Around the payload of a server's message."""
    return _ROUND.size + len(_pack_accepted(accepted, round_)) + SIGNATURE_BYTES


def pack_ask(ask: Ask, run: bytes, key: Ed25519PrivateKey) -> bytes:
    """A device asks for what it missed."""
    head = _ASK.pack(
        Kind.ASK << 4,
        run[:HINT_BYTES],
        ask.round_.to_bytes(3, "big"),
        ask.device.to_bytes(3, "big"),
    )
    return _signed(head, Kind.ASK, run, bytes(HASH_BYTES), key)


def read_ask(message: bytes, run: bytes) -> Ask:
    """What is asked for; nobody's until check_ask."""
    _bound(message, _ASK.size, _ASK.size + SIGNATURE_BYTES)
    first, told, round_, device = _ASK.unpack_from(message)
    _head(first, Kind.ASK)
    _same_run(told, run)
    return Ask(int.from_bytes(round_, "big"), int.from_bytes(device, "big"))


def check_ask(message: bytes, run: bytes, key: Ed25519PublicKey) -> None:
    """MessageError unless that device signed it."""
    _check(message, Kind.ASK, run, bytes(HASH_BYTES), key)


def pack_several(messages: Sequence[bytes]) -> bytes:
    """Messages of the server one behind the other; each is signed by itself."""
    parts = [struct.pack(">I", len(message)) + message for message in messages]
    return bytes([Kind.SEVERAL << 4]) + b"".join(parts)


def read_several(message: bytes) -> list[bytes]:
    """The messages in it; one that is not of that kind is the only one."""
    if kind_of(message) != Kind.SEVERAL:
        return [message]
    found: list[bytes] = []
    at = 1
    while at < len(message) and len(found) < MAX_SEVERAL:
        if len(message) - at < 4:
            raise MessageError("several messages of which the last is cut off; ask again")
        (length,) = struct.unpack_from(">I", message, at)
        at += 4
        if length > len(message) - at:
            raise MessageError("several messages of which the last is cut off; ask again")
        found.append(message[at : at + length])
        at += length
    if at < len(message):
        raise MessageError(f"more than {MAX_SEVERAL} messages at once; ask again")
    return found


def pack_whole(weights: np.ndarray) -> bytes:
    """Weights float32 (P,), losslessly."""
    planes = np.ascontiguousarray(weights, ">f4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)


def read_whole(payload: bytes, size: int) -> np.ndarray:
    """The weights, float32 (size,), every one finite; never more is inflated than they take."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(payload, 4 * size + 1)
    except zlib.error as error:
        raise MessageError(f"weights that cannot be inflated: {error}; ask again") from None
    if len(content) != 4 * size or not inflater.eof or inflater.unused_data:
        raise MessageError(
            f"whole weights of another length than {4 * size} bytes: another network, or damaged"
        )
    planes = np.frombuffer(content, np.uint8).reshape(4, size)
    weights = np.ascontiguousarray(planes.T).view(">f4").reshape(size).astype(np.float32)
    if not np.isfinite(weights).all():
        raise MessageError("weights that are not finite: whoever sent them diverged")
    return weights


def _half(loss: float) -> float:
    return float(np.clip(np.nan_to_num(loss, nan=65504.0), -65504.0, 65504.0))


def _bound(message: bytes, head_bytes: int, max_bytes: int) -> None:
    least = head_bytes + SIGNATURE_BYTES
    if not least <= len(message) <= max_bytes:
        raise MessageError(
            f"a message of {len(message)} bytes; of this kind it has from {least} to {max_bytes}"
        )


def _head(first: int, kind: Kind) -> Form:
    if first >> 4 != kind or first & 15 not in [*Form]:
        raise MessageError(
            f"a message that begins with {first:#04x}, not with {kind << 4:#04x} for "
            f"{kind.name.lower()}; bring both ends to the same version"
        )
    return Form(first & 15)


def _same_run(told: bytes, run: bytes) -> None:
    if told != run[:HINT_BYTES]:
        raise MessageError(
            f"a message of run {told.hex()}…, this is run {run.hex()}: its sender has other "
            "settings; give both ends the same"
        )


def _signed(message: bytes, kind: Kind, run: bytes, base: bytes, key: Ed25519PrivateKey) -> bytes:
    return message + key.sign(_context(kind, run, base) + message)


def _check(message: bytes, kind: Kind, run: bytes, base: bytes, key: Ed25519PublicKey) -> None:
    content, signature = message[:-SIGNATURE_BYTES], message[-SIGNATURE_BYTES:]
    try:
        key.verify(signature, _context(kind, run, base) + content)
    except InvalidSignature:
        raise MessageError(
            f"a message of kind {kind.name.lower()} whose signature is wrong: another key, other "
            "weights to begin with, or changed on its way"
        ) from None


def _context(kind: Kind, run: bytes, base: bytes) -> bytes:
    return f"latentlink {VERSION} {kind.name.lower()}".encode() + run + base


def _pack_accepted(accepted: Sequence[Accepted], round_: int) -> bytes:
    packed = bytearray()
    last = 0
    for device, made_in in accepted:
        lateness = round_ - made_in
        packed += _number((device - last) << LATENESS_BITS | min(lateness, LONG))
        if lateness >= LONG:
            packed += _number(lateness - LONG)
        last = device
    return bytes(packed)


def _number(number: int) -> bytes:
    packed = bytearray()
    while number >> 7:
        packed.append(number & 127 | 128)
        number >>= 7
    return bytes([*packed, number])


def _read_accepted(body: bytes, n: int, round_: int) -> tuple[tuple[Accepted, ...], bytes]:
    if n > MAX_ACCEPTED:
        raise MessageError(f"a message with {n} accepted updates, {MAX_ACCEPTED} are allowed")
    accepted: list[Accepted] = []
    at = device = 0
    for _ in range(n):
        number, at = _read_number(body, at)
        device += number >> LATENESS_BITS
        lateness = number & LONG
        if lateness == LONG:
            more, at = _read_number(body, at)
            lateness += more
        if device > MAX_DEVICE or lateness > round_:
            raise MessageError("a message whose list of accepted updates is damaged")
        accepted.append((device, round_ - lateness))
    return tuple(accepted), body[at:]


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(body):
            break
        number |= (body[at] & 127) << shift
        at += 1
        if body[at - 1] < 128:
            return number, at
    raise MessageError("a message whose list of accepted updates is damaged")
