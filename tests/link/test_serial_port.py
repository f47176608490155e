"""The serial port on pseudo-terminals: what works, and what each failure says."""

import contextlib
import os
import threading
import time

import pytest

from link.serial_port import PortError, open_port


@pytest.fixture
def modem():
    """The other side of a serial cable: (its file descriptor, the path of the port that leads to it)."""
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
    with pytest.raises(PortError, match=r"port /dev/ttyNOWHERE does not exist; ports here: .*python -m link emulate"):
        open_port("/dev/ttyNOWHERE", 9600)


def test_a_port_that_another_program_has_is_busy(modem):
    with open_port(modem[1], 9600), pytest.raises(PortError, match="is busy: another program has it open"):
        open_port(modem[1], 9600)
    open_port(modem[1], 9600).close()


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
