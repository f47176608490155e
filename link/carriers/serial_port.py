"""The serial port, by pyserial: the one file that imports it, so that a pulled plug reads as a
sentence everywhere.
"""

import contextlib
import errno
import fcntl
import os
import select
import termios
import time

import serial
from serial.tools import list_ports

from link.carriers.carrier import PortError
from link.medium.airtime import UartConfig

_BROKEN = (serial.SerialException, OSError, termios.error, ValueError, OverflowError)
"What pyserial raises; the last two for a speed that no port has."
WRITE_S = 2.0
"Beyond the time that a full line needs: a device that takes nothing for so long hangs."
BURST_BYTES = 1 << 16
"""That may lie ready when a computer was busy; beyond it nothing comes faster than FASTER times
what the line carries.
"""
FASTER = 2.0
NO_ROOM_S = 0.005
"The pause of a port that has room, but not for the whole of what it takes at once."
SYSTEM_BYTES = 4096
"What the operating system keeps for a port."


class SerialPort:
    """An open port that carries bytes; every failure is a PortError, and no call waits longer than
    it says.
    """

    def __init__(self, path: str, bitrate_bps: int) -> None:
        self.path = path
        self._uart = UartConfig(bitrate_bps)
        self._room_bytes = float(BURST_BYTES)
        self._read_s = time.monotonic()
        try:
            self._serial = serial.Serial(path, bitrate_bps, timeout=0, exclusive=True)
        except _BROKEN as error:
            raise PortError(_why_not_open(path, error)) from None
        # whoever comes later is kept out, with or without a lock like ours
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)

    def read(self, timeout_s: float) -> bytes:
        """All that has arrived, waiting at most timeout_s for the first byte; empty when nothing
        came.
        """
        try:
            ready, _, _ = select.select([self._serial.fileno()], [], [], timeout_s)
            data: bytes = self._serial.read(max(1, self._serial.in_waiting)) if ready else b""
        except _BROKEN as error:
            raise PortError(self._lost(error)) from None
        if ready and not data:
            raise PortError(self._lost("they were announced and are gone"))
        self._take_room(len(data))
        return data

    def fileno(self) -> int:
        """To be waited for together with others; -1: it is closed."""
        return self._serial.fileno() if self._serial.is_open else -1

    def write(self, data: bytes) -> None:
        """Hand all bytes to the port; waits while the line is full, and no longer than a line can
        need.
        """
        deadline_s = time.monotonic() + self._write_s
        try:
            while data and (wait_s := deadline_s - time.monotonic()) > 0:
                _, ready, _ = select.select([], [self._serial.fileno()], [], wait_s)
                data = data[self._write_some(data) :] if ready else data
        except _BROKEN as error:
            raise PortError(self._lost(error)) from None
        if data:
            with contextlib.suppress(*_BROKEN):  # else closing it would wait for these bytes again
                self._serial.reset_output_buffer()
            raise PortError(
                f"port {self.path} has taken no bytes for {self._write_s:.1f} s: what is plugged "
                "in there hangs, or waits for flow control; take its power away and give it back"
            )

    def close(self) -> None:
        with contextlib.suppress(*_BROKEN):  # a port that is gone is closed
            fcntl.ioctl(self._serial.fileno(), termios.TIOCNXCL)
        with contextlib.suppress(*_BROKEN):
            self._serial.close()

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_some(self, data: bytes) -> int:
        """How many bytes the system took. pyserial's own write asks a full port again and again,
        without a pause.
        """
        try:
            return os.write(self._serial.fileno(), data)
        except BlockingIOError:
            time.sleep(NO_ROOM_S)
            return 0

    def _take_room(self, n_bytes: int) -> None:
        """PortError when more comes than the line can carry: over USB a device may talk without
        end.
        """
        now_s = time.monotonic()
        line_bytes = FASTER * (now_s - self._read_s) / self._uart.airtime_s(1)
        self._room_bytes = min(self._room_bytes + line_bytes, BURST_BYTES) - n_bytes
        self._read_s = now_s
        if self._room_bytes < 0:
            raise PortError(
                f"what is at port {self.path} says more than a line of {self._uart.bitrate_bps} "
                "bit/s can carry: it is no modem, or starts again and again; name the modem's port"
            )

    @property
    def _write_s(self) -> float:
        return WRITE_S + self._uart.airtime_s(SYSTEM_BYTES)

    def _lost(self, error: Exception | str) -> str:
        """The port is gone, or somebody else takes what comes."""
        if self._is_there():
            unit = f"serial-getty@{os.path.basename(os.path.realpath(self.path))}.service"
            return (
                f"another program took bytes that came to port {self.path} ({error}): end it; a "
                f"login prompt there ends by: sudo systemctl disable --now {unit}"
            )
        return (
            f"port {self.path} vanished ({error}): plug it in again, or start the emulated line "
            f"again; ports here: {_ports_here()}"
        )

    def _is_there(self) -> bool:
        """Whether the device at the open port still is."""
        try:
            poll = select.poll()
            poll.register(self._serial.fileno(), select.POLLIN)
            is_hung_up = any(events & ~select.POLLIN for _, events in poll.poll(0))
            return not is_hung_up and os.path.exists(self.path)
        except _BROKEN:
            return False


def open_port(path: str, bitrate_bps: int) -> SerialPort:
    """Open a port for this process alone, 8N1; PortError when it does not exist, is busy or is no
    serial port.
    """
    return SerialPort(path, bitrate_bps)


def _why_not_open(path: str, error: Exception) -> str:
    if not os.path.exists(path):
        return (
            f"port {path} does not exist; ports here: {_ports_here()}. Name one of them, or make "
            "an emulated pair: python -m link emulate --link PROFILE, with this port's profile"
        )
    if getattr(error, "errno", None) in (errno.EAGAIN, errno.EBUSY):
        return (
            f"port {path} is busy: another program has it open; end that one or name another port"
        )
    if getattr(error, "errno", None) == errno.EACCES:
        return (
            f"port {path} may not be opened by this user: add the user to the group that owns it "
            "(often dialout)"
        )
    return f"port {path} cannot be opened as a serial port ({error}); ports here: {_ports_here()}"


def _ports_here() -> str:
    """By the names that stay the same where there are such."""
    by_id = "/dev/serial/by-id"
    stable = (
        [os.path.join(by_id, name) for name in os.listdir(by_id)] if os.path.isdir(by_id) else []
    )
    behind = {os.path.realpath(path) for path in stable}
    others = [
        port.device for port in list_ports.comports() if os.path.realpath(port.device) not in behind
    ]
    return ", ".join(sorted([*stable, *others])) or "none"
