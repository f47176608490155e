"""The serial port, by pyserial: the one file that imports it, so that a pulled plug reads as a sentence everywhere."""

import contextlib
import errno
import os
import termios

import serial
from serial.tools import list_ports

from link.carrier import PortError

_BROKEN = (serial.SerialException, OSError, termios.error)


class SerialPort:
    """An open port that carries bytes; every failure is a PortError."""

    def __init__(self, path: str, bitrate_bps: int) -> None:
        self.path = path
        try:
            self._serial = serial.Serial(path, bitrate_bps, timeout=0, exclusive=True)
        except _BROKEN as error:
            raise PortError(_why_not_open(path, error)) from None

    def read(self, timeout_s: float) -> bytes:
        """All that has arrived, waiting at most timeout_s for the first byte; empty when nothing came."""
        try:
            if self._serial.timeout != timeout_s:
                self._serial.timeout = timeout_s
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except _BROKEN as error:
            raise PortError(self._vanished(error)) from None

    def write(self, data: bytes) -> None:
        """Hand all bytes to the port; waits while the line is full."""
        try:
            self._serial.write(data)
        except _BROKEN as error:
            raise PortError(self._vanished(error)) from None

    def close(self) -> None:
        with contextlib.suppress(*_BROKEN):  # a port that is gone is closed
            self._serial.close()

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _vanished(self, error: Exception) -> str:
        return f"port {self.path} vanished ({error}): plug it in again, or start the emulated line again"


def open_port(path: str, bitrate_bps: int) -> SerialPort:
    """Open a port for this process alone, 8N1; PortError when it does not exist, is busy or is no serial port."""
    return SerialPort(path, bitrate_bps)


def _why_not_open(path: str, error: Exception) -> str:
    if not os.path.exists(path):
        return (
            f"port {path} does not exist; ports here: {_ports_here()}. Name one of them, "
            "or make a pair with: python -m link emulate lora-sf7"
        )
    if getattr(error, "errno", None) in (errno.EAGAIN, errno.EBUSY):
        return f"port {path} is busy: another program has it open; end that one or name another port"
    if getattr(error, "errno", None) == errno.EACCES:
        return f"port {path} may not be opened by this user: add the user to the group that owns it (often dialout)"
    return f"port {path} cannot be opened as a serial port ({error}); ports here: {_ports_here()}"


def _ports_here() -> str:
    return ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
