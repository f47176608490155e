"""Frame: what one member of a team tells others, sealed under the team's key. The header is the
nonce.

    bytes 0-2    version (2 bits) | kind (3) | has camera, has modem (2) | member (5) | place (12):
                 segment (3), group (5), piece (4), or a number                    ┐ header and
    bytes 3-8    image id                                                          │ nonce, 13
    bytes 9-12   salt of the member's start                                        ┘ bytes, clear
    sealed       body of the kind, then a tag of 8 bytes

The key is made of the master key that all cards of the team hold; the bundle's id is associated
data, so members with different bundles do not hear each other. At a place of an image a member says
one thing, and whenever it starts it draws a salt: no two contents have one nonce.

A body is cut into pieces of PIECE_BYTES; the first that is shorter is its last.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from link.security.keys import KEY_BYTES

VERSION = 3
HEADER_BYTES, TAG_BYTES = 13, 8
SALT_BYTES, IMAGE_BYTES = 4, 6
PIECE_BYTES = 1200
"With header and tag it fits the shortest IPv6 packet that no network cuts (1,280 bytes)."
MAX_FRAME_BYTES = HEADER_BYTES + PIECE_BYTES + TAG_BYTES
MAX_PIECES = 1 << 4
"As many may a tensor have."
PLACES = 1 << 12
"Pieces that pixels may have, and numbers that an image may use up."
MAX_PIXEL_BYTES = PLACES * PIECE_BYTES - 1
"An image may have that a leader shows to others."
MAX_IMAGE = (1 << 8 * IMAGE_BYTES) - 1
PURPOSE = b"latentlink 3 team"


class Kind(IntEnum):
    """What the sealed body is."""

    TICK = 0
    "An image begins."
    PIXELS = 1
    TENSOR = 2
    LATENTS = 3
    RECEIPT = 4
    "What the host has."
    HERE = 5


class Flag(IntFlag):
    """What a member has."""

    MODEM = 1
    CAMERA = 2


@dataclass(frozen=True)
class Header:
    """The bytes in clear."""

    kind: Kind
    flags: Flag
    member: int
    place: int
    image: int
    salt: bytes

    @property
    def part(self) -> tuple[int, int]:
        """Segment and group."""
        return self.place >> 9, self.place >> 4 & 31

    @property
    def piece(self) -> int:
        return self.place if self.kind == Kind.PIXELS else self.place % MAX_PIECES

    def pack(self) -> bytes:
        first = VERSION << 22 | self.kind << 19 | self.flags << 17 | self.member << 12 | self.place
        return first.to_bytes(3, "big") + self.image.to_bytes(IMAGE_BYTES, "big") + self.salt

    @classmethod
    def unpack(cls, frame: bytes) -> "Header | None":
        """None where no frame of this version begins so."""
        if not HEADER_BYTES + TAG_BYTES <= len(frame) <= MAX_FRAME_BYTES:
            return None
        first = int.from_bytes(frame[:3], "big")
        if first >> 22 != VERSION or (first >> 19 & 7) > max(Kind):
            return None
        return cls(
            Kind(first >> 19 & 7),
            Flag(first >> 17 & 3),
            first >> 12 & 31,
            first % PLACES,
            int.from_bytes(frame[3:9], "big"),
            frame[9:HEADER_BYTES],
        )


def place_of(segment: int, group: int, piece: int = 0) -> int:
    return segment << 9 | group << 4 | piece


def pieces(body: bytes) -> list[bytes]:
    """A body, cut; an empty piece ends one that is as long as whole pieces."""
    return [body[start : start + PIECE_BYTES] for start in range(0, len(body) + 1, PIECE_BYTES)]


def joined(found: dict[int, bytes]) -> bytes | None:
    """The body of pieces by their number; None while one is missing."""
    body = b""
    for number in range(len(found)):
        piece = found.get(number)
        if piece is None:
            return None
        body += piece
        if len(piece) < PIECE_BYTES:
            return body
    return None


class TeamSeal:
    """Seals what one member says, opens what the others say."""

    def __init__(self, master_key: bytes, bundle_id: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"key has {len(master_key)} bytes, a node's key has {KEY_BYTES}")
        key = HKDF(SHA256(), KEY_BYTES, salt=None, info=PURPOSE).derive(master_key)
        self._cipher = AESCCM(key, TAG_BYTES)
        self._bundle_id = bundle_id

    def seal(self, header: Header, body: bytes) -> bytes:
        """The whole frame. Never call it twice with one header."""
        clear = header.pack()
        return clear + self._cipher.encrypt(clear, body, self._bundle_id)

    def open(self, frame: bytes) -> bytes | None:
        """The body, or None where frame, bundle and key do not belong together."""
        try:
            return self._cipher.decrypt(frame[:HEADER_BYTES], frame[HEADER_BYTES:], self._bundle_id)
        except InvalidTag:
            return None
