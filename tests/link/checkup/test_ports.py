"""Ports and servers: there, one's own to use, and free; each other case is a sentence."""

import os
import socket

import pytest

from link.carriers.serial_port import open_port
from link.checkup.ports import check_address, check_port, check_udp


@pytest.fixture
def port():
    far, near = os.openpty()
    yield os.ttyname(near)
    os.close(far)
    os.close(near)


def said(findings) -> str:
    [finding] = findings
    assert not finding.is_hint
    return finding.sentence


def test_a_port_that_can_be_had_is_no_finding(port):
    assert list(check_port(port)) == []


def test_one_that_is_not_there_is_named_with_those_that_are(tmp_path):
    missing = str(tmp_path / "ttyUSB7")
    assert said(check_port(missing, tmp_path, tmp_path / "none")).endswith(
        "no modem's port is here"
    )
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "ttyAMA0").touch()
    (tmp_path / "tty1").touch()
    there = said(check_port(missing, tmp_path, tmp_path / "none"))
    assert there == (
        f"there is no port {missing}; there are {tmp_path / 'ttyAMA0'}, {tmp_path / 'ttyUSB0'}"
    )
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids" / "usb-modem").touch()
    assert said(check_port(missing, tmp_path, tmp_path / "ids")).endswith("ids/usb-modem")


def test_what_is_no_port_is_said_to_be_none(tmp_path):
    (tmp_path / "file").touch()
    assert "is no serial port" in said(check_port(str(tmp_path / "file"), tmp_path))


def test_one_that_this_account_may_not_use_is_named_with_the_group_that_may(port, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    group = os.stat(port).st_gid
    os.chmod(port, 0o660)
    sentence = said(check_port(port))
    assert sentence.startswith(f"this account may not use the port {port}: ")
    assert sentence.endswith("log in again" if group else "as Debian's is")


def test_one_that_another_program_has_is_named(port):
    with open_port(port, 9600):
        assert said(check_port(port)) == (f"the port {port} is in use by another program; end that")
    assert list(check_port(port)) == [], "looking has left nothing behind"


def test_a_server_is_asked_whether_it_is_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        assert list(check_address("127.0.0.1", number, "the broker")) == []
    sentence = said(check_address("127.0.0.1", number, "the broker"))
    assert sentence.startswith(f"the broker at 127.0.0.1:{number} does not answer (")


def test_an_address_to_receive_at_is_free_or_not():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{line.getsockname()[1]}"
        assert said(check_udp(address)).startswith(f"nothing can be received at {address} (")
    assert list(check_udp(address)) == []
    assert "an address of this computer" in said(check_udp("192.0.2.1:4300"))
