"""Pictures: decoded pixels as PNG files, which everything opens, in the few lines that it takes
without a library.
"""

import base64
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

GREY, RGB = 0, 2


class PictureFolder:
    """Where pictures of one decoding go, each in a file of its own.

    A node that was given a new key counts its images from the beginning again: the second of a name
    is `…-2.png`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._n_named = Counter[str]()

    def save(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with the name of a PNG file in place of its pixels; one without pixels stays
        as it is.
        """
        if "pixels" not in answer:
            return answer
        pixels = np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(
            answer["shape"]
        )
        name = f"node-{answer['node']}-image-{answer['image']}"
        self._n_named[name] += 1
        again = f"-{self._n_named[name]}" if self._n_named[name] > 1 else ""
        path = self._folder / f"{name}{again}.png"
        path.write_bytes(to_png(pixels))
        return {key: value for key, value in answer.items() if key != "pixels"} | {
            "file": str(path)
        }


def to_png(pixels: np.ndarray) -> bytes:
    """uint8 (H, W, 1 or 3) → the bytes of a PNG file."""
    height, width, channels = pixels.shape
    if channels not in (1, 3):
        raise ValueError(f"pixels have {channels} channels; a PNG of ours is grey (1) or RGB (3)")
    head = struct.pack(">IIBBBBB", width, height, 8, RGB if channels == 3 else GREY, 0, 0, 0)
    unfiltered = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(unfiltered)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
