"""Pieces: a message that is longer than a packet, cut, and put together at the other end.

    piece    name (4) | place (3): index (12 bits), index of the last (12) | content
    have     name (4) | FF FF FF | n (2) | bits (4)     the first n are here, bit i: so is n + 1 + i

A message is named by the first 4 bytes of its SHA-256: whoever starts anew goes on with what the
other end has of the same message, nothing of another is ever mixed in, and what was put together
is checked. Pieces may come in any order, and twice.
"""

import hashlib
from dataclasses import dataclass

from link.base.recent import Recent

NAME_BYTES, PLACE_BYTES = 4, 3
HEAD_BYTES = NAME_BYTES + PLACE_BYTES
INDEX_BITS = 12
MAX_PIECES = (1 << INDEX_BITS) - 1
HAVE_PLACE = b"\xff" * PLACE_BYTES
N_BYTES, BITS_BYTES = 2, 4
HAVE_BYTES = HEAD_BYTES + N_BYTES + BITS_BYTES
N_BITS = 8 * BITS_BYTES
NOTHING = bytes(NAME_BYTES)
N_GATHERED = 2
"Messages of which pieces are kept: the newest and the one before."


@dataclass(frozen=True)
class Piece:
    """A part of a message."""

    name: bytes
    index: int
    last: int
    content: bytes

    def pack(self) -> bytes:
        place = self.index << INDEX_BITS | self.last
        return self.name + place.to_bytes(PLACE_BYTES, "big") + self.content


@dataclass(frozen=True)
class Have:
    """What an end has of the message that came last."""

    name: bytes = NOTHING
    n_first: int = 0
    "All pieces before this one."
    bits: int = 0
    "Bit i: piece n_first + 1 + i."

    def pack(self) -> bytes:
        numbers = self.n_first.to_bytes(N_BYTES, "big") + self.bits.to_bytes(BITS_BYTES, "big")
        return self.name + HAVE_PLACE + numbers

    def lacks(self, index: int) -> bool:
        """Whether that piece should be sent; of those behind the bits nothing is known."""
        behind = index - self.n_first - 1
        is_here = index < self.n_first or (0 <= behind < N_BITS and self.bits >> behind & 1)
        return not is_here


def name_of(message: bytes) -> bytes:
    """4 bytes."""
    return hashlib.sha256(message).digest()[:NAME_BYTES]


def cut(message: bytes, room_bytes: int) -> list[bytes]:
    """A message as pieces that take at most so many bytes each; ValueError where these are too
    many.
    """
    length = room_bytes - HEAD_BYTES
    n = -(-len(message) // length) if length > 0 else MAX_PIECES + 1
    if not 1 <= n <= MAX_PIECES:
        raise ValueError(
            f"a message of {len(message)} bytes does not go into {MAX_PIECES} pieces of "
            f"{room_bytes} bytes; let the run send less in a round, or take a link of longer "
            "packets"
        )
    name = name_of(message)
    return [
        Piece(name, index, n - 1, message[index * length : (index + 1) * length]).pack()
        for index in range(n)
    ]


def read_piece(packed: bytes) -> Piece | Have:
    """What cut or Have.pack made; ValueError for anything else."""
    name, place = packed[:NAME_BYTES], packed[NAME_BYTES:HEAD_BYTES]
    if place == HAVE_PLACE and len(packed) == HAVE_BYTES:
        numbers = packed[HEAD_BYTES:]
        n_first = int.from_bytes(numbers[:N_BYTES], "big")
        return Have(name, n_first, int.from_bytes(numbers[N_BYTES:], "big"))
    index, last = divmod(int.from_bytes(place, "big"), 1 << INDEX_BITS)
    if len(packed) <= HEAD_BYTES or not index <= last < MAX_PIECES:
        raise ValueError(f"{len(packed)} bytes that are no piece of a message; update both ends")
    return Piece(name, index, last, packed[HEAD_BYTES:])


class Gathering:
    """Puts messages together, of which one comes at a time."""

    def __init__(self) -> None:
        self._found: Recent[bytes, dict[int, bytes]] = Recent(N_GATHERED)
        self._lasts: Recent[bytes, int] = Recent(N_GATHERED)
        self._newest = NOTHING
        self._whole: Recent[bytes, int] = Recent(N_GATHERED)
        "Pieces of those that are over, by name."

    @property
    def have(self) -> Have:
        """To tell the other end."""
        name = self._newest
        if name in self._whole:
            return Have(name, self._whole[name])
        found = self._found.get(name, {})
        n_first = next(index for index in range(MAX_PIECES + 1) if index not in found)
        bits = sum(1 << i for i in range(N_BITS) if n_first + 1 + i in found)
        return Have(name, n_first, bits)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing of what has begun to come."""
        return self._newest == NOTHING or self._newest in self._whole

    def take(self, piece: Piece) -> bytes | None:
        """The message, once, when this was the last that it lacked; ValueError where the piece
        does not belong to the others of its name, which are then forgotten.
        """
        self._newest = piece.name
        if piece.name in self._whole:
            return None
        last = self._lasts.setdefault(piece.name, piece.last)
        found = self._found.setdefault(piece.name, {})
        if last != piece.last:
            self._forget(piece.name)
            raise ValueError("pieces of two messages have one name; they are asked for again")
        found[piece.index] = piece.content
        if len(found) <= last:
            return None
        message = b"".join(found[index] for index in range(last + 1))
        self._forget(piece.name)
        if name_of(message) != piece.name:
            raise ValueError("a message came damaged; it is asked for again")
        self._whole[piece.name] = last + 1
        return message

    def _forget(self, name: bytes) -> None:
        self._found.pop(name, None)
        self._lasts.pop(name, None)
