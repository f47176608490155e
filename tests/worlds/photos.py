"""Photos as they are met: whole ones with broken tags, damaged ones, huge ones, and what is none at
all.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

MINUS_ONE_OF_ZERO = (0x011A, 10, 1, struct.pack("<I", 38))
BROKEN_TAGS = [
    MINUS_ONE_OF_ZERO,
    (0x011A, 7, 4, b"abcd"),  # a resolution of bytes
    (0x0128, 2, 2, b"2\0\0\0"),  # a unit as text
    (0x010E, 11, 1, struct.pack("<f", 1.5)),  # a description as a number
    (0x010E, 2, 1 << 31, struct.pack("<I", 38)),  # a description of two gigabytes
    (0x8769, 4, 1, struct.pack("<I", 1 << 30)),  # a directory far beyond the end
]


def exif_with(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """EXIF of orientation 6 and one more tag."""
    entries = (
        struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHI", tag, kind, count) + value
    )
    return (
        b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4) + struct.pack("<ii", -1, 0)
    )


def huge_png(path: Path, side: int, colour_type: int) -> None:
    """Black, side x side, in a file of some kilobytes."""
    n_bytes = {0: 1, 2: 3, 6: 4}[colour_type] * side + 1
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(n_bytes)) for _ in range(side)) + packer.flush()
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, colour_type, 0, 0, 0)),
        (b"IDAT", pixels),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(p)) + t + p + struct.pack(">I", zlib.crc32(t + p)) for t, p in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def claim_size(path: Path, side: int) -> None:
    """Let a PNG say that it is side x side."""
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


def write_odd_photos(folder: Path) -> tuple[int, list[str]]:
    """Into a new folder: how many of them are to be seen, and the names of those that cannot be
    read.
    """
    folder.mkdir(parents=True)
    photos = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8))
        for seed in range(len(BROKEN_TAGS))
    ]
    photo = photos[0]
    for number, tag in enumerate(BROKEN_TAGS):
        photos[number].save(folder / f"tag{number}.jpg", exif=exif_with(*tag))
    for name in (".hidden.png", "@eaDir"):
        (folder / name).mkdir()
        photo.save(folder / name / "copy.png")
    files = {}
    for kind in ("AVIF", "DDS", "JPEG2000"):
        file = io.BytesIO()
        photo.save(file, kind)
        files[kind] = bytearray(file.getvalue())
    (folder / "cut.avif").write_bytes(files["AVIF"][:-50])
    files["DDS"][88:92] = struct.pack("<I", 0x40)  # a pixel format of which the bits say nothing
    (folder / "odd.dds").write_bytes(files["DDS"])
    (folder / "cut.jp2").write_bytes(files["JPEG2000"][:200])
    (folder / "empty.png").write_bytes(b"")
    huge_png(folder / "huge.png", 4, 6)
    claim_size(folder / "huge.png", 13_300)
    return len(BROKEN_TAGS), ["cut.avif", "cut.jp2", "empty.png", "huge.png", "odd.dds"]
