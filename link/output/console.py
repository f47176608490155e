"""Console: what a node tells the program that started it of its images and packets, a line of JSON
each. Further keys may be added, none will change its meaning.
"""

import base64
from dataclasses import dataclass, field
from math import prod
from typing import Any

MS_DIGITS = 4
"Digits of a millisecond behind the point."


@dataclass(frozen=True)
class Captured:
    """An image, encoded and safe in the outbox."""

    image: int
    label: str | None
    "Its class where that is known."
    pixels: bytes = field(repr=False)
    "uint8 (H, W, C), as the encoder saw them."
    shape: tuple[int, ...]
    bitstream_bytes: int
    "All of it, whether it will be sent or not."
    n_chunks: int
    ms: dict[str, float]
    "Time of the node's process: preprocess, model, coder (with the outbox)."

    def to_json(self) -> dict[str, Any]:
        return {
            "event": "image",
            "image": self.image,
            "label": self.label,
            "pixels": base64.b64encode(self.pixels).decode("ascii"),
            "shape": list(self.shape),
            "bitstream_bytes": self.bitstream_bytes,
            "chunks": self.n_chunks,
            "ms": {part: round(ms, MS_DIGITS) for part, ms in self.ms.items()},
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "Captured":
        """Raises KeyError, TypeError, AttributeError or ValueError when that is not the line of an
        image.
        """
        pixels = base64.b64decode(line["pixels"])
        shape = tuple(int(n) for n in line["shape"])
        if len(pixels) != prod(shape):
            raise ValueError(f"{len(pixels)} pixels are no image of shape {shape}")
        return cls(
            image=int(line["image"]),
            label=line["label"],
            pixels=pixels,
            shape=shape,
            bitstream_bytes=int(line["bitstream_bytes"]),
            n_chunks=int(line["chunks"]),
            ms={part: float(ms) for part, ms in line["ms"].items()},
        )


@dataclass(frozen=True)
class Sent:
    """A packet, before it leaves."""

    type: str
    "A name of link.wire.packet.PacketType."
    counter: int
    "Under which it was sealed."
    packet_bytes: int
    wire_bytes: int
    "With all that the line adds."
    airtime_s: float
    listens: bool
    "The node listens afterwards."
    chunks: tuple[tuple[int, int, int], ...]
    "Image, index and bytes of bitstream of each; none in a packet that carries no image."

    def to_json(self) -> dict[str, Any]:
        chunks = [list(chunk) for chunk in self.chunks]
        return {"event": "packet", **vars(self), "chunks": chunks}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "Sent":
        """Raises as Captured.from_json."""
        return cls(
            type=str(line["type"]),
            counter=int(line["counter"]),
            packet_bytes=int(line["packet_bytes"]),
            wire_bytes=int(line["wire_bytes"]),
            airtime_s=float(line["airtime_s"]),
            listens=bool(line["listens"]),
            chunks=tuple(
                (int(image), int(index), int(n_bytes)) for image, index, n_bytes in line["chunks"]
            ),
        )


@dataclass(frozen=True)
class TeamTold:
    """An image with which one member of a team is done."""

    member: int
    image: int
    sequence: int | None
    "Number of the image among all that the team took; None: nobody told it."
    alive: tuple[int, ...]
    "By member whether it lives, as this one sees it."
    published_bytes: int
    "With seal, of all frames that have left since the image before; each counts once."
    sent_bytes: int
    "The same, each as often as it was sent: to every member that reads it."
    frames: int
    "As often as they were sent."
    leader: int | None
    aggregator: int | None
    overhead_ms: float
    "From its beginning to its end, less the time in which this member computed."
    elapsed_ms: float

    def to_json(self) -> dict[str, Any]:
        return {
            "event": "team",
            **vars(self),
            "alive": list(self.alive),
            "overhead_ms": round(self.overhead_ms, MS_DIGITS),
            "elapsed_ms": round(self.elapsed_ms, MS_DIGITS),
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "TeamTold":
        """Raises as Captured.from_json."""

        def number(value: Any) -> int | None:
            return None if value is None else int(value)

        return cls(
            member=int(line["member"]),
            image=int(line["image"]),
            sequence=number(line["sequence"]),
            alive=tuple(int(lives) for lives in line["alive"]),
            published_bytes=int(line["published_bytes"]),
            sent_bytes=int(line["sent_bytes"]),
            frames=int(line["frames"]),
            leader=number(line["leader"]),
            aggregator=number(line["aggregator"]),
            overhead_ms=float(line["overhead_ms"]),
            elapsed_ms=float(line["elapsed_ms"]),
        )
