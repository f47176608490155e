"""Captures: what passed on a line, packet by packet with its time, as JSON lines to be replayed or
tested against.

    {"capture": 1, "profile": "rn2483-sf9", "started_unix_s": 1772366400.0}
    {"t": 0.0, "direction": "up", "hex": "8003…", "snr_db": 7.5, "rssi_dbm": -61.0}

Packets are kept as they were on the air, sealed; a capture betrays no more than its line did. A
reader takes nothing for granted: a file that a power cut tore ends at its last whole line.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from link.wire.control import NO_QUALITY, Quality
from link.wire.packet import MAX_PACKET_BYTES, Header, PacketType

CAPTURE_VERSION = 1
MAX_LINE_CHARACTERS = 1024
"A packet of 255 bytes takes 600."
MAX_GAP_S = 3600.0


@dataclass(frozen=True)
class CaptureHead:
    """The first line of a capture."""

    profile: str
    "Name of the link profile, or what else the line was."
    started_unix_s: float


@dataclass(frozen=True)
class Recorded:
    """One packet."""

    t_s: float
    "Since the capture began."
    packet: bytes
    is_uplink: bool = True
    quality: Quality = NO_QUALITY


class CaptureWriter:
    """Writes each packet at once, so that a capture is whole up to the moment at which it was cut
    off.
    """

    def __init__(self, file: TextIO, head: CaptureHead) -> None:
        self._file = file
        self._write(
            {
                "capture": CAPTURE_VERSION,
                "profile": head.profile,
                "started_unix_s": round(head.started_unix_s, 3),
            }
        )

    def write(self, captured: Recorded) -> None:
        line: dict[str, Any] = {
            "t": round(captured.t_s, 4),
            "direction": "up" if captured.is_uplink else "down",
            "hex": captured.packet.hex(),
        }
        if captured.quality.snr_db is not None:
            line["snr_db"] = captured.quality.snr_db
        if captured.quality.rssi_dbm is not None:
            line["rssi_dbm"] = captured.quality.rssi_dbm
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_capture(file: TextIO) -> tuple[CaptureHead, Iterator[Recorded]]:
    """The head at once, the packets as they are asked for, never more than one in memory.

    Raises ValueError, with the number of the line, when a line is none of a capture; a torn last
    line is left out.
    """
    head = _read_line(file, 1)
    if head is None or head.get("capture") != CAPTURE_VERSION:
        raise ValueError(
            f"this is no capture of version {CAPTURE_VERSION}: its first line has no such number; "
            "make one with `python -m link capture`"
        )
    profile, started = head.get("profile"), _number(head, "started_unix_s", 1)
    if not isinstance(profile, str) or started is None:
        raise ValueError("line 1 of the capture lacks profile and started_unix_s")
    return CaptureHead(profile, started), _read_packets(file)


def is_uplink(packet: bytes) -> bool:
    """By the type that the packet itself names; what is too short for one came from a node."""
    try:
        return PacketType(Header.unpack(packet).packet_type).is_uplink
    except ValueError:
        return True


def pace(packets: Iterable[Recorded], speed: float = 1.0) -> Iterator[tuple[float, Recorded]]:
    """Each packet with when to send it, in seconds from the start; pauses of more than an hour are
    cut to one.
    """
    if not speed > 0:
        raise ValueError(
            f"a capture cannot be replayed {speed:g} times as fast; 1 is its own speed"
        )
    due_s = previous_s = 0.0
    for captured in packets:
        due_s += min(max(0.0, captured.t_s - previous_s), MAX_GAP_S) / speed
        previous_s = max(previous_s, captured.t_s)
        yield due_s, captured


def _read_packets(file: TextIO) -> Iterator[Recorded]:
    number = 1
    while (line := _read_line(file, number := number + 1)) is not None:
        t_s = _number(line, "t", number)
        try:
            packet = bytes.fromhex(line["hex"])
        except (KeyError, TypeError, ValueError):
            packet = b""
        if (
            t_s is None
            or not 0 < len(packet) <= MAX_PACKET_BYTES
            or line.get("direction") not in ("up", "down")
        ):
            raise ValueError(
                f"line {number} of the capture lacks t, direction up or down, or hex of 1 to "
                "255 bytes"
            )
        quality = Quality(_number(line, "snr_db", number), _number(line, "rssi_dbm", number))
        yield Recorded(t_s, packet, line["direction"] == "up", quality)


def _read_line(file: TextIO, number: int) -> dict[str, Any] | None:
    """None at the end of the file, and for a last line that was never finished."""
    try:
        text = file.readline(MAX_LINE_CHARACTERS)
    except UnicodeDecodeError:
        raise ValueError(f"line {number} of the capture is no text") from None
    if not text.endswith("\n"):
        if len(text) == MAX_LINE_CHARACTERS:
            raise ValueError(
                f"line {number} of the capture is longer than {MAX_LINE_CHARACTERS} characters"
            )
        return None
    try:
        line = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise ValueError(f"line {number} of the capture is no JSON object")
    return line


def _number(line: dict[str, Any], name: str, number: int) -> float | None:
    value = line.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= 1e12:
        raise ValueError(
            f"line {number} of the capture has {name} = {str(value)[:20]}, it must be a number"
        )
    return float(value)
