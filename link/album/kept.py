"""Kept: one picture that a node keeps for its person, in a file that every viewer opens.

    JPEG or PNG | what is known of it, JSON | length of that, CRC-32 of all before, b"LLK1"

Viewers stop at the picture's own end. A file that a power cut has torn lacks its own, or its
checksum is another.

No clock of the day is needed: `captured_s` is of the boot with that id, and whoever knows the Unix
time of one moment of it knows that of all.
"""

import base64
import binascii
import json
import re
import struct
import zlib
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

FOLDER = "collected"
"Where they lie in a node's state folder."
END = struct.Struct(">II4s")
MARK = b"LLK1"
MAX_KEPT_BYTES = 16 << 20
"No file is longer."
ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png"}
"By a picture's first bytes."
FILE_NAME = re.compile(r"(\d{8})-([0-9a-f]{8})\.(jpg|png)")


class TornError(ValueError):
    """A file is not as it was written; the message says how, to follow its name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """A picture and what its node knew of it."""

    picture: bytes
    "A JPEG or PNG file."
    symbols: np.ndarray
    "int8 (D,), as they were sent."
    bundle: str
    "Id of the bundle that made them, in hexadecimal digits."
    node: int
    image: int
    "Its id, as the host knows it."
    boot: str
    captured_s: float
    "Seconds since that boot."
    unix_s: float | None = None
    "None: nobody had told the node the time."

    @property
    def ending(self) -> str:
        return ENDINGS[self.picture[:2]]


def to_bytes(kept: Kept) -> bytes:
    """The whole file."""
    told = {
        "symbols": base64.b64encode(kept.symbols.astype(np.int8).tobytes()).decode(),
        "bundle": kept.bundle,
        "node": kept.node,
        "image": kept.image,
        "boot": kept.boot,
        "captured_s": round(kept.captured_s, 3),
        "unix_s": None if kept.unix_s is None else round(kept.unix_s, 3),
    }
    known = json.dumps(told).encode("ascii")
    checksum = zlib.crc32(known, zlib.crc32(kept.picture))
    return kept.picture + known + END.pack(len(known), checksum, MARK)


def from_bytes(content: bytes) -> Kept:
    """What to_bytes wrote; TornError for everything else."""
    if len(content) < END.size or not content.endswith(MARK):
        raise TornError("has no end, as after a power cut")
    n_known, checksum, _ = END.unpack(content[-END.size :])
    body = content[: -END.size]
    if checksum != zlib.crc32(body) or n_known > len(body):
        raise TornError("is damaged: its checksum is wrong")
    try:
        kept = _read(body[: len(body) - n_known], json.loads(body[len(body) - n_known :]))
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        raise TornError("was written by another version") from None
    return kept


def _read(picture: bytes, told: dict[str, Any]) -> Kept:
    """ValueError, TypeError or KeyError for what no node wrote."""
    unix_s = told["unix_s"]
    kept = Kept(
        picture=picture,
        symbols=np.frombuffer(base64.b64decode(told["symbols"]), np.int8),
        bundle=str(told["bundle"]),
        node=int(told["node"]),
        image=int(told["image"]),
        boot=str(told["boot"]),
        captured_s=float(told["captured_s"]),
        unix_s=None if unix_s is None else float(unix_s),
    )
    if kept.picture[:2] not in ENDINGS or not isfinite(kept.captured_s + (kept.unix_s or 0)):
        raise ValueError
    return kept


def file_name(sequence: int, content: bytes, ending: str) -> str:
    """Its place among the node's, and a checksum: no two nodes, and no two lives of one, give the
    same name to different files.
    """
    return f"{sequence:08d}-{zlib.crc32(content):08x}{ending}"


def is_file_name(name: str) -> bool:
    return FILE_NAME.fullmatch(name) is not None


def sequence_of(name: str) -> int:
    """What file_name began with."""
    return int(name[:8])
