"""The serial port on pseudo-terminals: what works, and what each failure says."""

import contextlib
import fcntl
import os
import struct
import threading
import time

import pytest

from link.carriers.serial_port import PortError, open_port

TIOCGEXCL = 0x80045440
"asm-generic/ioctls.h: whether a terminal is kept for one program."


@pytest.fixture
def modem():
    """The other side of a serial cable: (its file descriptor, the path of the port that leads to
    it).
    """
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.close(slave)
    yield master, path
    with contextlib.suppress(OSError):  # the test may have pulled the plug
        os.close(master)


def test_bytes_pass_both_ways_untouched(modem):
    master, path = modem
    with open_port(path, 9600) as port:
        port.write(bytes(range(256)))
        assert os.read(master, 4096) == bytes(range(256))
        os.write(master, bytes(range(256)))
        assert port.read(timeout_s=1.0) == bytes(range(256))


def test_reading_waits_no_longer_than_asked_and_then_gives_nothing(modem):
    with open_port(modem[1], 9600) as port:
        started_s = time.monotonic()
        assert port.read(timeout_s=0.1) == b""
        assert 0.09 < time.monotonic() - started_s < 5.0


def test_reading_returns_with_the_first_bytes_and_not_at_the_timeout(modem):
    master, path = modem
    with open_port(path, 9600) as port:
        started_s = time.monotonic()
        threading.Timer(0.05, os.write, (master, b"latent")).start()
        assert port.read(timeout_s=10.0) == b"latent"
        assert time.monotonic() - started_s < 5.0


def test_a_port_that_does_not_exist_is_named_with_the_ports_there_are():
    with pytest.raises(
        PortError,
        match=r"port /dev/ttyNOWHERE does not exist; ports here: .*python -m link emulate",
    ):
        open_port("/dev/ttyNOWHERE", 9600)


def test_a_port_that_another_program_has_is_busy(modem):
    with (
        open_port(modem[1], 9600),
        pytest.raises(PortError, match="is busy: another program has it open"),
    ):
        open_port(modem[1], 9600)
    open_port(modem[1], 9600).close()


def test_a_port_is_kept_for_one_program_even_from_those_that_ask_for_no_lock(modem):
    before = os.open(modem[1], os.O_RDWR | os.O_NOCTTY)
    port = open_port(modem[1], 9600)
    assert is_kept(before)
    port.close()
    assert not is_kept(before)
    os.close(before)


def is_kept(descriptor) -> bool:
    """Whether the system refuses whoever opens it now, but the administrator."""
    return bool(struct.unpack("i", fcntl.ioctl(descriptor, TIOCGEXCL, bytes(4)))[0])


def test_bytes_that_another_program_takes_are_no_pulled_plug(modem, monkeypatch):
    master, path = modem
    before = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.set_blocking(before, False)
    with open_port(path, 9600) as port:
        monkeypatch.setattr(port, "_serial", Robbed(port._serial, before))
        os.write(master, b"latent")
        with pytest.raises(
            PortError, match=r"another program took bytes .*disable --now serial-getty@\d+.service"
        ):
            port.read(timeout_s=1.0)
    os.close(before)


class Robbed:
    """A port at which another program is faster by a moment."""

    def __init__(self, port, thief) -> None:
        self._port = port
        self._thief = thief

    def read(self, n_bytes):
        os.read(self._thief, 100)
        return self._port.read(n_bytes)

    def __getattr__(self, name):
        return getattr(self._port, name)


def test_a_device_that_takes_nothing_is_told_and_not_waited_for(modem, monkeypatch):
    monkeypatch.setattr("link.carriers.serial_port.WRITE_S", 0.1)
    with open_port(modem[1], 4_000_000) as port:
        started_s = time.monotonic()
        with pytest.raises(
            PortError, match=r"has taken no bytes for 0.1 s: what is plugged in there hangs"
        ):
            port.write(bytes(1 << 20))
        assert time.monotonic() - started_s < 5.0


def test_a_file_is_not_a_serial_port(tmp_path):
    (tmp_path / "notes.txt").write_text("no modem")
    with pytest.raises(PortError, match=r"notes.txt cannot be opened as a serial port"):
        open_port(str(tmp_path / "notes.txt"), 9600)


def test_a_port_that_vanishes_says_so_to_the_reader_and_to_the_writer(modem):
    master, path = modem
    port = open_port(path, 9600)
    os.close(master)
    with pytest.raises(PortError, match=f"port {path} vanished"):
        port.read(timeout_s=1.0)
    with pytest.raises(PortError, match=f"port {path} vanished"):
        port.write(b"latent")
    port.close()
