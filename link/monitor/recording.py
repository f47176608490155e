"""Recordings: what passed on a line, packet by packet with its time, as JSON lines to be replayed
or tested against.

    {"capture": 1, "profile": "rn2483-sf9", "started_unix_s": 1772366400.0}
    {"t": 0.0, "direction": "up", "hex": "8003…", "snr_db": 7.5, "rssi_dbm": -61.0}

Packets are kept as they were on the air, sealed; a recording betrays no more than its line did. A
reader takes nothing for granted: a file that a power cut tore ends at its last whole line.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from link.wire.control import NO_QUALITY, Quality
from link.wire.packet import MAX_PACKET_BYTES, Header, PacketType

RECORDING_VERSION = 1
MAX_LINE_CHARACTERS = 1024
"A packet of 255 bytes takes 600."
MAX_GAP_S = 3600.0


@dataclass(frozen=True)
class RecordingHead:
    """The first line of a recording."""

    profile: str
    "Name of the link profile, or what else the line was."
    started_unix_s: float


@dataclass(frozen=True)
class Recorded:
    """One packet."""

    t_s: float
    "Since the recording began."
    packet: bytes
    is_uplink: bool = True
    quality: Quality = NO_QUALITY


class RecordingWriter:
    """Writes each packet at once, so that a recording is whole up to the moment at which it was cut
    off.
    """

    def __init__(self, file: TextIO, head: RecordingHead) -> None:
        self._file = file
        self._write(
            {
                "capture": RECORDING_VERSION,
                "profile": head.profile,
                "started_unix_s": round(head.started_unix_s, 3),
            }
        )

    def write(self, recorded: Recorded) -> None:
        line: dict[str, Any] = {
            "t": round(recorded.t_s, 4),
            "direction": "up" if recorded.is_uplink else "down",
            "hex": recorded.packet.hex(),
        }
        if recorded.quality.snr_db is not None:
            line["snr_db"] = recorded.quality.snr_db
        if recorded.quality.rssi_dbm is not None:
            line["rssi_dbm"] = recorded.quality.rssi_dbm
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_recording(file: TextIO) -> tuple[RecordingHead, Iterator[Recorded]]:
    """The head at once, the packets as they are asked for, never more than one in memory.

    Raises ValueError, with the number of the line, when a line is none of a recording; a torn last
    line is left out.
    """
    head = _read_line(file, 1)
    if head is None or head.get("capture") != RECORDING_VERSION:
        raise ValueError(
            f"this is no recording of version {RECORDING_VERSION}: its first line has no such "
            "number; make one with `python -m link record`"
        )
    profile, started = head.get("profile"), _number(head, "started_unix_s", 1)
    if not isinstance(profile, str) or started is None:
        raise ValueError("line 1 of the recording lacks profile and started_unix_s")
    return RecordingHead(profile, started), _read_packets(file)


def is_uplink(packet: bytes) -> bool:
    """By the type that the packet itself names; what is too short for one came from a node."""
    try:
        return PacketType(Header.unpack(packet).packet_type).is_uplink
    except ValueError:
        return True


def pace(packets: Iterable[Recorded], speed: float = 1.0) -> Iterator[tuple[float, Recorded]]:
    """Each packet with the seconds at which to send it; pauses are cut to an hour."""
    if not speed > 0:
        raise ValueError(
            f"a recording cannot be replayed {speed:g} times as fast; 1 is its own speed"
        )
    due_s = previous_s = 0.0
    for recorded in packets:
        due_s += min(max(0.0, recorded.t_s - previous_s), MAX_GAP_S) / speed
        previous_s = max(previous_s, recorded.t_s)
        yield due_s, recorded


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
                f"line {number} of the recording lacks t, direction up or down, or hex of 1 to "
                "255 bytes"
            )
        quality = Quality(_number(line, "snr_db", number), _number(line, "rssi_dbm", number))
        yield Recorded(t_s, packet, line["direction"] == "up", quality)


def _read_line(file: TextIO, number: int) -> dict[str, Any] | None:
    """None at the end of the file, and for a last line that was never finished."""
    try:
        text = file.readline(MAX_LINE_CHARACTERS)
    except UnicodeDecodeError:
        raise ValueError(f"line {number} of the recording is no text") from None
    if not text.endswith("\n"):
        if len(text) == MAX_LINE_CHARACTERS:
            raise ValueError(
                f"line {number} of the recording is longer than {MAX_LINE_CHARACTERS} characters"
            )
        return None
    try:
        line = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise ValueError(f"line {number} of the recording is no JSON object")
    return line


def _number(line: dict[str, Any], name: str, number: int) -> float | None:
    value = line.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= 1e12:
        raise ValueError(
            f"line {number} of the recording has {name} = {str(value)[:20]}, it must be a number"
        )
    return float(value)
