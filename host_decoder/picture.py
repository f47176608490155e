"""Pictures: decoded pixels as PNG files, which everything opens, in the few lines that it takes without a library."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

GREY, RGB = 0, 2


def save_picture(answer: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The answer with the name of a PNG file in place of its pixels; one without pixels stays as it is."""
    if "pixels" not in answer:
        return answer
    pixels = np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(answer["shape"])
    path = folder / f"node-{answer['node']}-image-{answer['image']}.png"
    path.write_bytes(to_png(pixels))
    return {name: value for name, value in answer.items() if name != "pixels"} | {"file": str(path)}


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
