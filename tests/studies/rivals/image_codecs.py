"""Image codecs as a careful engineer would use them on this link: of each file only what differs
from image to image.

Both ends hold one file of the same codec, setting and size, the template. A node sends the *body*,
and the host rebuilds the file from the two, to the byte; `body` refuses a file that would not come
back. What a body is:

    JPEG       the entropy-coded scan: not the tables, the other markers nor the end marker
    WebP       1 byte for the length of the first partition (3 when it is 255 or more), then the VP8
               frame from its 11th byte on: not the RIFF and chunk headers, the start code nor the
               size
    JPEG 2000  the packets of the only tile: not the main header, the tile header nor the end marker
    AVIF       the payload of the AV1 frame: not the boxes, nor the sequence header and the OBU
               headers in front of it

How long a body is, the packet around it says, as it does for our own bitstreams.
"""

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

PIXELS = 32
"""Side of the images; smaller ones are averaged from them on the node and enlarged again on the
host.
"""

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
J2K_TILE, J2K_DATA = b"\xff\x90", b"\xff\x93"
VP8_PAYLOAD, VP8_FRAME_HEADER_BYTES = 20, 10
LONG_PARTITION = 255


@dataclass(frozen=True)
class Setting:
    """One codec at one quality, on images of one size."""

    codec: str
    side: int
    "Pixels; 32 is the image as it is."
    quality: int
    "Pillow's; decibels of PSNR for JPEG 2000."
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        scale = "psnr" if self.codec == "jpeg2000" else "q"
        return f"{self.codec}-{self.side}px-{scale}{self.quality}"

    def shrink(self, image: Image.Image) -> Image.Image:
        """What the node does before it encodes: averages over squares."""
        return image if self.side == image.width else image.reduce(image.width // self.side)

    def encode(self, image: Image.Image) -> bytes:
        """A whole file."""
        file = io.BytesIO()
        self.shrink(image).save(file, **self.options)
        return file.getvalue()


def jpeg(side: int, quality: int) -> Setting:
    """Colour at half the resolution, unless an image is a single block."""
    subsampling = "4:4:4" if side == 8 else "4:2:0"
    return Setting(
        "jpeg", side, quality, dict(format="JPEG", quality=quality, subsampling=subsampling)
    )


def webp(side: int, quality: int) -> Setting:
    return Setting("webp", side, quality, dict(format="WEBP", quality=quality, method=6))


def jpeg2000(side: int, psnr: int) -> Setting:
    """Few levels: every level and colour costs a byte, empty or not."""
    levels = 3 if side == PIXELS else 2
    options = dict(format="JPEG2000", no_jp2=True, irreversible=True, num_resolutions=levels)
    return Setting("jpeg2000", side, psnr, options | dict(quality_mode="dB", quality_layers=[psnr]))


def avif(side: int, quality: int) -> Setting:
    return Setting(
        "avif", side, quality, dict(format="AVIF", quality=quality, speed=6, max_threads=1)
    )


def body(setting: Setting, file: bytes, template: bytes) -> bytes:
    """What is sent of a file; ValueError when the template and it do not give the file back."""
    sent = _CUT[setting.codec](file)
    if rebuild(setting, sent, template) != file:
        raise ValueError(
            f"this {setting.name} file differs from its template in more than its body"
        )
    return sent


def rebuild(setting: Setting, sent: bytes, template: bytes) -> bytes:
    """The whole file from its body and any other file of the same setting."""
    return _JOIN[setting.codec](sent, template)


def decode(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def _jpeg_scan(file: bytes) -> int:
    start = file.index(JPEG_SCAN)
    return start + 2 + int.from_bytes(file[start + 2 : start + 4], "big")


def _cut_jpeg(file: bytes) -> bytes:
    return file[_jpeg_scan(file) : -len(JPEG_END)]


def _join_jpeg(sent: bytes, template: bytes) -> bytes:
    return template[: _jpeg_scan(template)] + sent + JPEG_END


def _cut_webp(file: bytes) -> bytes:
    n_bytes = int.from_bytes(file[16:20], "little")
    frame = file[VP8_PAYLOAD : VP8_PAYLOAD + n_bytes]
    partition_bytes = int.from_bytes(frame[:3], "little") >> 5
    length = bytes([partition_bytes])
    if partition_bytes >= LONG_PARTITION:
        length = bytes([LONG_PARTITION]) + partition_bytes.to_bytes(2, "little")
    return length + frame[VP8_FRAME_HEADER_BYTES:]


def _join_webp(sent: bytes, template: bytes) -> bytes:
    length, rest = (sent[:1], sent[1:]) if sent[0] < LONG_PARTITION else (sent[1:3], sent[3:])
    flags = template[VP8_PAYLOAD] & 0x1F  # key frame, version, is shown: the frame tag's other bits
    tag = (int.from_bytes(length, "little") << 5 | flags).to_bytes(3, "little")
    frame = tag + template[VP8_PAYLOAD + 3 : VP8_PAYLOAD + VP8_FRAME_HEADER_BYTES] + rest
    chunk = b"VP8 " + len(frame).to_bytes(4, "little") + frame + b"\0" * (len(frame) % 2)
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


def _cut_jpeg2000(file: bytes) -> bytes:
    return file[file.index(J2K_DATA, file.index(J2K_TILE)) + 2 : -len(JPEG_END)]


def _join_jpeg2000(sent: bytes, template: bytes) -> bytes:
    tile = template.index(J2K_TILE)
    data = template.index(J2K_DATA, tile) + 2
    header = bytearray(template[:data])
    # Psot: bytes of this tile part
    header[tile + 6 : tile + 10] = (data - tile + len(sent)).to_bytes(4, "big")
    return bytes(header) + sent + JPEG_END


def _cut_avif(file: bytes) -> bytes:
    return file[_av1_frame(file)[1] :]


def _av1_frame(file: bytes) -> tuple[int, int]:
    """Where the frame's OBU header and its payload begin; the frame is the file's last OBU."""
    position = file.index(b"mdat") + 4
    while True:
        is_frame = file[position] >> 3 & 0xF == 6
        n_bytes, payload = _leb128(file, position + 1)
        if is_frame:
            return position, payload
        position = payload + n_bytes


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """The number there, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if data[position - 1] < 0x80:
            return value, position


def _to_leb128(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low]) if not rest else bytes([low | 0x80]) + _to_leb128(rest)


def _join_avif(sent: bytes, template: bytes) -> bytes:
    boxes = template.index(b"mdat") - 4
    frame, _ = _av1_frame(template)
    data = template[boxes + 8 : frame + 1] + _to_leb128(len(sent)) + sent
    header = bytearray(template[:boxes])
    extent = header.index(b"iloc") + 22  # one item of one extent: its length ends the box
    header[extent : extent + 4] = len(data).to_bytes(4, "big")
    return bytes(header) + (8 + len(data)).to_bytes(4, "big") + b"mdat" + data


_CUT = {"jpeg": _cut_jpeg, "webp": _cut_webp, "jpeg2000": _cut_jpeg2000, "avif": _cut_avif}
_JOIN = {"jpeg": _join_jpeg, "webp": _join_webp, "jpeg2000": _join_jpeg2000, "avif": _join_avif}

SETTINGS: tuple[Setting, ...] = (
    *(jpeg(32, quality) for quality in (1, 5, 15, 40)),
    *(jpeg(16, quality) for quality in (1, 10, 30, 60)),
    *(jpeg(8, quality) for quality in (10, 40, 75)),
    *(webp(32, quality) for quality in (0, 20, 60)),
    *(webp(16, quality) for quality in (0, 40)),
    *(webp(8, quality) for quality in (0, 50)),
    *(jpeg2000(32, psnr) for psnr in (16, 20, 25)),
    *(jpeg2000(16, psnr) for psnr in (16, 22)),
    *(jpeg2000(8, psnr) for psnr in (16, 22)),
    *(avif(32, quality) for quality in (0, 30)),
    *(avif(16, quality) for quality in (0, 30)),
    *(avif(8, quality) for quality in (0, 30)),
)
"Down to the lowest quality that each codec has, and on smaller images where it then costs less."
