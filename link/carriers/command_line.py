"""A modem that is told in lines what to do: one asks, one answers, events come in between."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from link.carriers.carrier import CarrierStatistics, DoesNotFit, PortError, Received
from link.carriers.serial_port import open_port
from link.medium.airtime import UartConfig
from link.wire.packet import MAX_PACKET_BYTES

MAX_LINE_BYTES = 1024
MAX_EVENTS = 64
"That wait until somebody asks; a modem that tells more at once tells nonsense."
LEVELS = range(-200, 101)
"Levels that can be: RSSI in dBm and SNR in dB."
ANSWER_S = 0.5
"A modem answers within milliseconds; this is for a busy computer."
BUSY_S = 0.02
START_S = 1.25
"A modem that is busy for longer does not send this frame any more: its airtime is charged for now."
SETTLE_S = 1.0
"Within which whatever was going on at the port before has to end."
LATE = 1.5, 1.0
"A frame that has not left after so many times its airtime and so many seconds never will."


class CommandLine:
    """A serial port to such a modem.

    `name` is what messages call it, `event_prefix` (or several) tells events from answers, and
    `banner` begins what the modem says when it has started. A modem that echoes is understood too.
    Every call ends in its time, however much the modem says.
    """

    def __init__(
        self,
        path: str,
        bitrate_bps: int,
        name: str,
        event_prefix: str | tuple[str, ...],
        banner: str,
        statistics: CarrierStatistics,
    ) -> None:
        self.path = path
        self.name = name
        self.uart = UartConfig(bitrate_bps)
        self.events: deque[str] = deque(maxlen=MAX_EVENTS)
        "That came while something else was waited for."
        self._event_prefix = event_prefix
        self._banner = banner
        self._statistics = statistics
        self._asked = ""
        "Written last; an echo says it again."
        self._pending = bytearray()
        self._lines: deque[str] = deque()
        self._port = open_port(path, bitrate_bps)

    def write(self, line: str) -> None:
        self._asked = line
        # the modem refuses what is none of its letters
        self._port.write(f"{line}\r\n".encode("ascii", "replace"))

    def answer(self, timeout_s: float = ANSWER_S) -> str | None:
        """The next line that is no event; None when none comes in time."""
        for line in self._said(timeout_s):
            if line.startswith(self._event_prefix):
                self._keep(line)
            elif line != self._asked:
                return line
        return None

    def is_answered(self, prefix: str, timeout_s: float) -> bool:
        """Whether an answer comes that begins so; whatever else is said is of before."""
        return any(line.startswith(prefix) for line in self._said(timeout_s))

    def settle(self, silence_s: float) -> None:
        """Until nothing is said any more of what was before; PortError when that does not end."""
        deadline_s = time.monotonic() + SETTLE_S
        while self.answer(silence_s) is not None:
            if time.monotonic() > deadline_s:
                raise PortError(
                    f"what is at {self.path} talks without a pause: it is no modem; name the "
                    "modem's port"
                )
        self.events.clear()

    def command(self, line: str, timeout_s: float = ANSWER_S) -> str:
        """What the modem answers; PortError when it does not."""
        self.write(line)
        timeout_s += self.uart.airtime_s(len(line))
        if (answer := self.answer(timeout_s)) is None:
            raise PortError(
                f"{self.name} at {self.path} does not answer '{line[:40]}': has it power, is it "
                f"plugged in, and does it speak {self.uart.bitrate_bps} bit/s?"
            )
        return answer

    def insist(self, line: str, expected: str, advice: str) -> None:
        """PortError when the modem answers anything but what is expected."""
        if (answer := self.command(line)) != expected:
            raise PortError(
                f"{self.name} at {self.path} answers '{answer[:60]}' to '{line[:60]}': {advice}"
            )

    def obey(self, line: str, good: str, busy: str, unfit: str | None = None) -> None:
        """Asked again while the modem is busy. DoesNotFit for the answer `unfit`, PortError for any
        other.
        """
        deadline_s = time.monotonic() + START_S
        while (answer := self.command(line)) != good:
            self._statistics.n_refused += 1
            said = f"{self.name} at {self.path} answers '{answer[:60]}' to '{line[:40]}'"
            if answer == unfit:
                raise DoesNotFit(f"{said}: it does not take a packet like this")
            if answer != busy or time.monotonic() > deadline_s:
                raise PortError(f"{said}: open it again")
            time.sleep(BUSY_S)

    def event(self, timeout_s: float) -> str | None:
        """The next event; None when none comes in time. Answers that nobody waits for are noise.

        PortError when the modem has started anew and forgotten what it was told.
        """
        if not self.events:
            for line in self._said(timeout_s):
                self._sort(line)
                if self.events:
                    break
        return self.events.popleft() if self.events else None

    def wait_for(self, prefixes: tuple[str, ...], timeout_s: float) -> str | None:
        """The next line that begins so, event or answer; other events are kept."""
        for event in self.events:
            if event.startswith(prefixes):
                self.events.remove(event)
                return event
        for line in self._said(timeout_s):
            if line.startswith(prefixes):
                return line
            self._sort(line)
        return None

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

    def _said(self, timeout_s: float) -> Iterator[str]:
        """The lines that are not empty, until then, and of one look at the port behind it."""
        deadline_s = time.monotonic() + timeout_s
        is_last = False
        while True:
            while self._lines:
                yield self._lines.popleft()
            if is_last:
                return
            wait_s = deadline_s - time.monotonic()
            is_last = wait_s <= 0
            self._take(self._port.read(max(0.0, wait_s)))

    def _sort(self, line: str) -> None:
        """A line that nobody waits for."""
        if line.startswith(self._event_prefix):
            self._keep(line)
        elif line.startswith(self._banner):
            raise PortError(
                f"{self.name} at {self.path} has started anew: mind its power supply, and open it "
                "again"
            )
        elif line != self._asked:
            self._statistics.n_noise += 1

    def _keep(self, event: str) -> None:
        self._statistics.n_noise += len(self.events) == MAX_EVENTS  # then the oldest goes
        self.events.append(event)

    def _take(self, data: bytes) -> None:
        self._pending += data.replace(b"\r", b"\n")
        *ended, rest = bytes(self._pending).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            self._statistics.n_noise += 1
            rest = b""
        self._pending = bytearray(rest)
        self._lines += [line.decode("latin-1") for line in ended if line]


def parse_packet(digits: str) -> bytes:
    """The packet of hexadecimal digits; ValueError when it is none, or longer than a frame."""
    packet = bytes.fromhex(digits)
    if len(packet) > MAX_PACKET_BYTES:
        raise ValueError(f"{len(packet)} bytes are more than the {MAX_PACKET_BYTES} of a frame")
    return packet


def parse_level(text: str) -> float:
    """An RSSI or SNR; ValueError when it is none."""
    if int(text) not in LEVELS:
        raise ValueError(f"a level of {text} cannot be")
    return float(int(text))
