"""What the node tells its console: lines that a person reads, or lines of JSON for the program that
started it.
"""

import base64
import json
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from device.capture.image_source import Image
from link.node import Acknowledged, Outgoing
from link.wire import PacketType


@dataclass(frozen=True, eq=False)
class Captured:
    """One image, encoded and safe in the outbox."""

    image: Image
    id: int
    bitstream_bytes: int
    n_chunks: int
    ms: dict[str, float]
    "Time of this process: preprocess, model, coder (with the outbox)."


def plain(text: str) -> str:
    """A sentence or a name on one line of a terminal, whatever file names it repeats."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class Console(Protocol):
    """Each is called before what it tells of leaves the node."""

    def image(self, captured: Captured) -> None: ...

    def unchanged(self, n_images: int) -> None: ...

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None: ...

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None: ...

    def notice(self, sentence: str) -> None: ...

    def done(self, n_images: int) -> None: ...


class SilentConsole:
    """Notices alone, on stderr."""

    def image(self, captured: Captured) -> None:
        pass

    def unchanged(self, n_images: int) -> None:
        pass

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        pass

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        pass

    def notice(self, sentence: str) -> None:
        print(f"device: {plain(sentence)}", file=sys.stderr, flush=True)

    def done(self, n_images: int) -> None:
        pass


class TextConsole(SilentConsole):
    """A line for each image, packet and report."""

    def image(self, captured: Captured) -> None:
        label = f" ({plain(captured.image.label)})" if captured.image.label is not None else ""
        chunks = f"{captured.n_chunks} chunk{'s' if captured.n_chunks > 1 else ''}"
        work_ms = sum(captured.ms.values())
        print(
            (
                f"image {captured.id}{label}: {captured.bitstream_bytes} bytes in {chunks}, "
                f"{work_ms:.2f} ms of work"
            ),
            flush=True,
        )

    def unchanged(self, n_images: int) -> None:
        print(f"nothing new: {n_images} images in a row are left out", flush=True)

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        carried = ", ".join(f"{image}.{index}" for image, index in outgoing.chunks)
        print(
            "packet "
            f"{PacketType(outgoing.packet_type).name}{f' of {carried}' if carried else ''}: "
            f"{wire_bytes} bytes, "
            f"{1000 * outgoing.airtime_s:.1f} ms of "
            f"airtime{', then listen' if outgoing.listens else ''}",
            flush=True,
        )

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        stopped = f", {len(heard.stopped)} stopped early" if heard.stopped else ""
        budget = "" if budget_s is None else f"; {budget_s:.1f} s of airtime left"
        print(f"report: {len(heard.delivered)} images delivered{stopped}{budget}", flush=True)


class JsonConsole(SilentConsole):
    """One JSON object a line; further keys may be added, none will change its meaning."""

    def image(self, captured: Captured) -> None:
        """With the pixels as the encoder saw them."""
        pixels = captured.image.pixels
        self._print(
            "image",
            image=captured.id,
            label=captured.image.label,
            pixels=base64.b64encode(pixels.tobytes()).decode("ascii"),
            shape=list(pixels.shape),
            bitstream_bytes=captured.bitstream_bytes,
            chunks=captured.n_chunks,
            ms={part: round(ms, 4) for part, ms in captured.ms.items()},
        )

    def unchanged(self, n_images: int) -> None:
        self._print("unchanged", images=n_images)

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        self._print(
            "packet",
            type=PacketType(outgoing.packet_type).name,
            counter=outgoing.counter,
            packet_bytes=len(outgoing.packet),
            wire_bytes=wire_bytes,
            airtime_s=outgoing.airtime_s,
            listens=outgoing.listens,
            chunks=[
                [image, index, n_bytes]
                for (image, index), n_bytes in zip(
                    outgoing.chunks, outgoing.bitstream_bytes, strict=True
                )
            ],
        )

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        self._print(
            "heard", delivered=list(heard.delivered), stopped=list(heard.stopped), budget_s=budget_s
        )

    def notice(self, sentence: str) -> None:
        super().notice(sentence)
        self._print("notice", sentence=sentence)

    def done(self, n_images: int) -> None:
        self._print("done", images=n_images)

    @staticmethod
    def _print(event: str, **content: Any) -> None:
        print(json.dumps({"event": event, **content}), flush=True)
