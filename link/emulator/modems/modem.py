"""What every emulated modem is: a serial port on one side, a station of the air on the other, and
times in between.

Bytes need their ten bits on the serial line in both directions, and the computer gets them in
handfuls, as they come.
"""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from link.emulator.air import Air, Reception, Tuning
from link.medium.airtime import UartConfig
from link.medium.profiles import LinkProfile

BUFFER_BYTES = 1024
"""What a modem accepts ahead of the air; beyond it its computer has to wait, as with hardware flow
control.
"""
ROUNDING = 1e-3
"The share of a byte's time: a due time that floating point has moved a little is due."
HANDFUL_BYTES = 16
"The FIFO of a UART: so many bytes are handed over at a time, fewer at the end of a run."


@dataclass(frozen=True)
class ModemOptions:
    """What an emulated modem may be told beside its profile."""

    listens_before_talking: bool = False
    delay_s: float = 0.0
    "From the end of a frame to its output."
    is_old_firmware: bool = False
    "For a module of which two kinds are about."


@dataclass
class ModemStatistics:
    """What passed through one modem."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    "That the computer gave the modem to send."
    frames_refused: int = 0
    "Frames of those that it did not take."
    frames_missed: int = 0
    "That came while the modem was not set to receive."
    bytes_overrun: int = 0
    "That the modem had no room for."


class Uart:
    """A serial cable in one direction; without a bitrate bytes take no time."""

    def __init__(self, bitrate_bps: int | None) -> None:
        self._byte_s = UartConfig(bitrate_bps).airtime_s(1) if bitrate_bps else 0.0
        self._runs: deque[tuple[float, bytes]] = deque()
        self._free_s = float("-inf")
        self.n_waiting = 0

    def push(self, data: bytes, now_s: float) -> None:
        start_s = max(now_s, self._free_s)
        self._free_s = start_s + len(data) * self._byte_s
        if data:
            self._runs.append((start_s, data))
            self.n_waiting += len(data)

    def pop(self, now_s: float) -> bytes:
        """The bytes whose last bit has come by now_s."""
        arrived = bytearray()
        while self._runs and (n_bytes := self._n_arrived(now_s)):
            start_s, run = self._runs.popleft()
            arrived += run[:n_bytes]
            if n_bytes < len(run):
                self._runs.appendleft((start_s + n_bytes * self._byte_s, run[n_bytes:]))
                break
        self.n_waiting -= len(arrived)
        return bytes(arrived)

    def next_due_s(self) -> float | None:
        """When the next handful is complete."""
        if not self._runs:
            return None
        start_s, run = self._runs[0]
        return start_s + min(len(run), HANDFUL_BYTES) * self._byte_s

    def _n_arrived(self, now_s: float) -> int:
        start_s, run = self._runs[0]
        if now_s < start_s:
            return 0
        if not self._byte_s:
            return len(run)
        return min(len(run), int((now_s - start_s) / self._byte_s + ROUNDING))


class Modem(ABC):
    """One station's modem; the kinds say what bytes mean (`take`) and frames become (`receive`)."""

    uart_bitrate_bps: int | None = None

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        self.profile = profile
        self.options = options
        self.statistics = ModemStatistics()
        self._air = air
        self._station = station
        self._from_computer = Uart(self.uart_bitrate_bps)
        self._to_computer = Uart(self.uart_bitrate_bps)
        self._outgoing: deque[bytes] = deque()
        self._start_s: float | None = None
        "When what waits first may go on the air."
        self._end_s: float | None = None
        "When what is on the air has left."
        self._timer_s: float | None = None
        self._delayed: deque[tuple[float, bytes]] = deque()

    @property
    def tuning(self) -> Tuning:
        """How the radio is set."""
        assert not isinstance(self.profile.medium, UartConfig)
        return Tuning(self.profile.medium)

    @abstractmethod
    def take(self, data: bytes, now_s: float) -> None:
        """Bytes from the computer have come in."""

    @abstractmethod
    def receive(self, heard: Reception, now_s: float) -> None:
        """A frame has ended that this radio is tuned to."""

    def hear(self, heard: Reception, now_s: float) -> None:
        """A frame has ended that the air let through."""
        if heard.tuning == self.tuning:
            self.receive(heard, now_s)
        else:
            self.statistics.frames_missed += 1

    def has_sent(self, now_s: float) -> None:  # noqa: B027 (most have nothing to say then)
        """The frame on the air has left."""

    def ring(self, now_s: float) -> None:  # noqa: B027 (most set no timer)
        """The timer set in `_timer_s` has run out."""

    @property
    def is_full(self) -> bool:
        """So much waits that the computer must wait too."""
        return self._from_computer.n_waiting + sum(map(len, self._outgoing)) >= BUFFER_BYTES

    def push(self, data: bytes, now_s: float) -> None:
        """Bytes that the computer writes."""
        self.statistics.bytes_in += len(data)
        self._from_computer.push(data, now_s)

    def pop(self, now_s: float) -> bytes:
        """Bytes that have come out at the computer by now_s."""
        data = self._to_computer.pop(now_s)
        self.statistics.bytes_out += len(data)
        return data

    def next_output_s(self) -> float | None:
        """When pop has something to give."""
        return self._to_computer.next_due_s()

    def next_event_s(self) -> float | None:
        """When advance has something to do."""
        delayed_s = self._delayed[0][0] if self._delayed else None
        times = (
            self._from_computer.next_due_s(),
            self._start_s,
            self._end_s,
            self._timer_s,
            delayed_s,
        )
        return min((time for time in times if time is not None), default=None)

    def advance(self, now_s: float) -> None:
        """Do everything that is due by now_s."""
        if self._end_s is not None and self._end_s <= now_s:
            self._end_s = None
            self.has_sent(now_s)
        while self._delayed and self._delayed[0][0] <= now_s:
            self.say(self._delayed.popleft()[1], now_s)
        if data := self._from_computer.pop(now_s):
            self.take(data, now_s)
        if self._timer_s is not None and self._timer_s <= now_s:
            self._timer_s = None
            self.ring(now_s)
        self._start(now_s)

    def say(self, data: bytes, now_s: float) -> None:
        """Bytes for the computer."""
        self._to_computer.push(data, now_s)

    def say_heard(self, data: bytes, now_s: float) -> None:
        """The same for what the air brought, after the delay asked for."""
        if self.options.delay_s:
            self._delayed.append((now_s + self.options.delay_s, data))
        else:
            self.say(data, now_s)

    def _start(self, now_s: float) -> None:
        """The first frame that waits goes on the air, if it may."""
        if (
            not self._outgoing
            or self._end_s is not None
            or (self._start_s is not None and self._start_s > now_s)
        ):
            return
        start_s = (
            self._air.clear_s(self.tuning, now_s) if self.options.listens_before_talking else now_s
        )
        if start_s > now_s:
            self._start_s = start_s
            return
        self._start_s = None
        self._end_s = self._air.transmit(
            self._station, self._outgoing.popleft(), self.tuning, now_s
        )


class CommandModem(Modem):
    """A modem that is told what to do in lines of text."""

    MAX_LINE_BYTES = 1024

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        super().__init__(profile, air, station, options)
        self._line = bytearray()

    def take(self, data: bytes, now_s: float) -> None:
        for byte in data.replace(b"\r", b"\n"):
            if byte != ord("\n"):
                self._line.append(byte)
                del self._line[self.MAX_LINE_BYTES :]
            elif self._line:
                line, self._line = bytes(self._line), bytearray()
                self.obey(line.decode("latin-1"), now_s)

    @abstractmethod
    def obey(self, line: str, now_s: float) -> None:
        """A line has come in, without its end."""

    def reply(self, line: str, now_s: float) -> None:
        self.say(f"{line}\r\n".encode("latin-1"), now_s)
