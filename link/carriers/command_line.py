"""A modem that is told what to do in lines of text: one line asks, one answers, and events come in between."""

import time
from collections import deque
from collections.abc import Callable

from link.airtime import UartConfig
from link.carrier import CarrierStatistics, PortError, Received
from link.packet import MAX_PACKET_BYTES
from link.serial_port import open_port

MAX_LINE_BYTES = 1024
LEVELS = range(-200, 101)
"Of RSSI in dBm and SNR in dB."
ANSWER_S = 0.5
"A modem answers within milliseconds; this is for a busy computer."
BUSY_S = 0.02
N_BUSY = 50
LATE = 1.5, 1.0
"A frame that has not left after so many times its airtime and so many seconds never will."


class CommandLine:
    """A serial port to such a modem.

    `name` is what messages call it, `event_prefix` tells events from answers, and `banner` begins what the modem says
    when it has started.
    """

    def __init__(
        self, path: str, bitrate_bps: int, name: str, event_prefix: str, banner: str, statistics: CarrierStatistics
    ) -> None:
        self.path = path
        self.name = name
        self.uart = UartConfig(bitrate_bps)
        self.events: deque[str] = deque()
        "That came while something else was waited for."
        self._event_prefix = event_prefix
        self._banner = banner
        self._statistics = statistics
        self._pending = bytearray()
        self._lines: deque[str] = deque()
        self._port = open_port(path, bitrate_bps)

    def write(self, line: str) -> None:
        self._port.write(f"{line}\r\n".encode("ascii", "replace"))  # the modem refuses what is none of its letters

    def answer(self, timeout_s: float = ANSWER_S) -> str | None:
        """The next line that is no event; None when none comes in time."""
        deadline_s = time.monotonic() + timeout_s
        while (line := self._next_line(deadline_s)) is not None:
            if not line.startswith(self._event_prefix):
                return line
            self.events.append(line)
        return None

    def command(self, line: str, timeout_s: float = ANSWER_S) -> str:
        """What the modem answers; PortError when it does not."""
        self.write(line)
        timeout_s += self.uart.airtime_s(len(line))
        if (answer := self.answer(timeout_s)) is None:
            raise PortError(
                f"{self.name} at {self.path} does not answer '{line[:40]}': has it power, is it plugged in, "
                f"and does it speak {self.uart.bitrate_bps} bit/s?"
            )
        return answer

    def insist(self, line: str, expected: str, advice: str) -> None:
        """PortError when the modem answers anything but what is expected."""
        if (answer := self.command(line)) != expected:
            raise PortError(f"{self.name} at {self.path} answers '{answer[:60]}' to '{line[:60]}': {advice}")

    def obey(self, line: str, good: str, busy: str) -> None:
        """Asked again while the modem is busy; PortError for any other answer than the good one."""
        for _ in range(N_BUSY):
            answer = self.command(line)
            if answer == good:
                return
            self._statistics.n_refused += 1
            if answer != busy:
                break
            time.sleep(BUSY_S)
        raise PortError(f"{self.name} at {self.path} answers '{answer[:60]}' to '{line[:40]}': open it again")

    def event(self, timeout_s: float) -> str | None:
        """The next event; None when none comes in time. Answers that nobody waits for are noise.

        PortError when the modem has started anew and forgotten what it was told.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self.events:
            line = self._next_line(deadline_s)
            if line is None:
                return None
            if line.startswith(self._event_prefix):
                self.events.append(line)
            elif line.startswith(self._banner):
                raise PortError(
                    f"{self.name} at {self.path} has started anew: mind its power supply, and open it again"
                )
            else:
                self._statistics.n_noise += 1
        return self.events.popleft()

    def wait_for(self, prefixes: tuple[str, ...], timeout_s: float) -> str | None:
        """The next event that begins so; the others are kept."""
        deadline_s = time.monotonic() + timeout_s
        kept: list[str] = []
        found = None
        while found is None and (event := self.event(max(0.0, deadline_s - time.monotonic()))) is not None:
            if event.startswith(prefixes):
                found = event
            else:
                kept.append(event)
        self.events.extendleft(reversed(kept))
        return found

    def read(self, parse: Callable[[], Received]) -> list[Received]:
        """The packet that an event tells of; none, and noise, when parsing raises ValueError."""
        try:
            received = [parse()]
        except ValueError:
            self._statistics.n_noise += 1
            return []
        self._statistics.n_received += 1
        return received

    def close(self) -> None:
        self._port.close()

    def _next_line(self, deadline_s: float) -> str | None:
        """A line that is not empty, reading until the deadline, and what is already there in any case."""
        while not self._lines:
            wait_s = deadline_s - time.monotonic()
            data = self._port.read(max(0.0, wait_s))
            self._take(data)
            if not data and wait_s <= 0:
                return None
        return self._lines.popleft()

    def _take(self, data: bytes) -> None:
        self._pending += data.replace(b"\r", b"\n")
        *ended, rest = bytes(self._pending).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            self._statistics.n_noise += 1
            rest = b""
        self._pending = bytearray(rest)
        self._lines += [line.decode("latin-1") for line in ended if line]


def parse_packet(digits: str) -> bytes:
    """Of hexadecimal digits; ValueError when they are none, or more than a frame can carry."""
    packet = bytes.fromhex(digits)
    if len(packet) > MAX_PACKET_BYTES:
        raise ValueError(f"{len(packet)} bytes are more than the {MAX_PACKET_BYTES} of a frame")
    return packet


def parse_level(text: str) -> float:
    """An RSSI or SNR; ValueError when it is none."""
    if int(text) not in LEVELS:
        raise ValueError(f"a level of {text} cannot be")
    return float(int(text))
