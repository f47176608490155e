"""What the node tells its console: lines for a person, or JSON for the program that started it."""

import json
import sys
from typing import Any

from link.node import Acknowledged, Outgoing
from link.output import Captured, Sent, TeamTold
from link.wire import PacketType


def plain(text: str) -> str:
    """A sentence or a name on one line of a terminal, whatever file names it repeats."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _tell(line: str) -> None:
    """A whole line at once: threads may speak by turns."""
    print(line + "\n", end="", flush=True)


class Console:
    """Notices alone, on stderr. Each is called before what it tells of leaves the node."""

    def image(self, captured: Captured) -> None:
        """It is safe in the outbox."""

    def unchanged(self, n_images: int) -> None:
        """So many in a row showed nothing new and are left out."""

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        """It leaves next, with all that the line adds."""

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        """A report came; budget_s: the airtime that is left, None: it is not limited."""

    def team(self, told: TeamTold) -> None:
        """A member of a team is done with an image."""

    def notice(self, sentence: str) -> None:
        print(f"device: {plain(sentence)}\n", end="", file=sys.stderr, flush=True)

    def done(self, n_images: int) -> None:
        """The node ends; so many images were captured."""


class TextConsole(Console):
    """A line for each image, packet and report."""

    def image(self, captured: Captured) -> None:
        label = f" ({plain(captured.label)})" if captured.label is not None else ""
        chunks = f"{captured.n_chunks} chunk{'s' if captured.n_chunks > 1 else ''}"
        work_ms = sum(captured.ms.values())
        _tell(
            f"image {captured.image}{label}: {captured.bitstream_bytes} bytes in {chunks}, "
            f"{work_ms:.2f} ms of work"
        )

    def unchanged(self, n_images: int) -> None:
        _tell(f"nothing new: {n_images} images in a row are left out")

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        carried = ", ".join(f"{image}.{index}" for image, index in outgoing.chunks)
        _tell(
            f"packet {PacketType(outgoing.packet_type).name}{f' of {carried}' if carried else ''}: "
            f"{wire_bytes} bytes, {1000 * outgoing.airtime_s:.1f} ms of "
            f"airtime{', then listen' if outgoing.listens else ''}"
        )

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        stopped = f", {len(heard.stopped)} stopped early" if heard.stopped else ""
        budget = "" if budget_s is None else f"; {budget_s:.1f} s of airtime left"
        _tell(f"report: {len(heard.delivered)} images delivered{stopped}{budget}")

    def team(self, told: TeamTold) -> None:
        _tell(
            f"image {told.image}: {sum(told.alive)} of {len(told.alive)} members, "
            f"{told.published_bytes} bytes in {told.frames} frames to the others, "
            f"{told.overhead_ms:.1f} ms beside the computing"
        )


class JsonConsole(Console):
    """One JSON object a line (link.output.console)."""

    def image(self, captured: Captured) -> None:
        self._print(captured.to_json())

    def unchanged(self, n_images: int) -> None:
        self._print({"event": "unchanged", "images": n_images})

    def packet(self, outgoing: Outgoing, wire_bytes: int) -> None:
        sent = Sent(
            type=PacketType(outgoing.packet_type).name,
            counter=outgoing.counter,
            packet_bytes=len(outgoing.packet),
            wire_bytes=wire_bytes,
            airtime_s=outgoing.airtime_s,
            listens=outgoing.listens,
            chunks=tuple(
                (image, index, n_bytes)
                for (image, index), n_bytes in zip(
                    outgoing.chunks, outgoing.bitstream_bytes, strict=True
                )
            ),
        )
        self._print(sent.to_json())

    def team(self, told: TeamTold) -> None:
        self._print(told.to_json())

    def heard(self, heard: Acknowledged, budget_s: float | None) -> None:
        images = {"delivered": list(heard.delivered), "stopped": list(heard.stopped)}
        self._print({"event": "heard", **images, "budget_s": budget_s})

    def notice(self, sentence: str) -> None:
        super().notice(sentence)
        self._print({"event": "notice", "sentence": sentence})

    def done(self, n_images: int) -> None:
        self._print({"event": "done", "images": n_images})

    @staticmethod
    def _print(line: dict[str, Any]) -> None:
        _tell(json.dumps(line))
