"""Ports: whether a modem's is there and may be used, and whether a server answers at its address.

Nothing is said to whatever is at the port, and nothing in it is changed.
"""

import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from link.checkup.finding import Finding
from link.checkup.machine import account

BY_ID = Path("/dev/serial/by-id")
PORTS = "tty[AU][MCS][ABM]*"
"In /dev, those that modems have: ttyAMA, ttyUSB, ttyACM."
PATIENCE_S = 3.0


def check_port(path: str, devices: Path = Path("/dev"), by_id: Path = BY_ID) -> Iterator[Finding]:
    """A serial port: there, this account's to use, and nobody's at present."""
    try:
        state = os.stat(path)
    except OSError:
        yield Finding(f"there is no port {path}; {_there(devices, by_id)}")
        return
    if not stat.S_ISCHR(state.st_mode):
        yield Finding(f"{path} is no serial port; {_there(devices, by_id)}")
    elif not os.access(path, os.R_OK | os.W_OK):
        yield Finding(f"this account may not use the port {path}: {_right(state)}")
    else:
        yield from _busy(path)


def _busy(path: str) -> Iterator[Finding]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        busy = error.errno == errno.EBUSY
        why = "is in use by another program; end that" if busy else f"cannot be opened ({error})"
        yield Finding(f"the port {path} {why}")
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield Finding(f"the port {path} is in use by another program; end that")
    finally:
        os.close(descriptor)


def _right(state: os.stat_result) -> str:
    try:
        group = grp.getgrgid(state.st_gid).gr_name
    except KeyError:
        group = str(state.st_gid)
    if group in ("root", "0") or not state.st_mode & stat.S_IWGRP:
        return "let its group be dialout, as Debian's is"
    return f"sudo usermod -aG {group} {account(os.geteuid())}, then log in again"


def _there(devices: Path, by_id: Path) -> str:
    ports = sorted(by_id.iterdir()) if by_id.is_dir() else sorted(devices.glob(PORTS))
    return f"there are {', '.join(map(str, ports))}" if ports else "no modem's port is here"


def check_address(host: str, port: int, what: str) -> Iterator[Finding]:
    """Whether something answers there by TCP."""
    try:
        with closing(socket.create_connection((host, port), PATIENCE_S)):
            return
    except OSError as error:
        yield Finding(
            f"{what} at {host}:{port} does not answer ({error}); start it, or write the right "
            "address"
        )


def check_udp(address: str) -> Iterator[Finding]:
    """Whether one can receive there: an address of this computer that is free."""
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as line:
            line.bind((host, int(port)))
    except OSError as error:
        yield Finding(
            f"nothing can be received at {address} ({error.strerror}): end the program that has "
            "it, or write an address of this computer"
        )
