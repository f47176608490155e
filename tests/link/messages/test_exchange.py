"""The socket: one message and one answer, whoever is at the other end."""

import socket
import threading
import time
from pathlib import Path

import pytest

from link.messages import exchange
from link.messages.exchange import N_AT_ONCE, Exchange, ExchangeError
from tests.worlds.learning_device import answer

MAX_BYTES = 1000


def backwards(message: bytes, is_there) -> bytes:
    return message[::-1]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "learn.sock"


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection


def said(path: Path, message: bytes) -> bytes:
    with connect(path) as connection:
        connection.sendall(len(message).to_bytes(4, "big") + message)
        return answer(connection)


def test_a_message_is_answered_however_it_is_cut(path):
    with Exchange(path, MAX_BYTES, backwards):
        assert said(path, b"abc") == b"cba"
        assert said(path, b"") == b""
        with connect(path) as slow:
            for byte in b"\0\0\0\3xyz":
                slow.sendall(bytes([byte]))
            assert answer(slow) == b"zyx"
    assert not path.exists()


def test_only_its_user_may_speak_there(path):
    with Exchange(path, MAX_BYTES, backwards):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 2**32 - 1])
def test_a_longer_message_than_there_can_be_is_not_read(path, length):
    with Exchange(path, MAX_BYTES, backwards):
        with connect(path) as connection:
            connection.sendall(length.to_bytes(4, "big"))
            with pytest.raises((EOFError, ConnectionError)):
                answer(connection)
        assert said(path, b"ab") == b"ba"


def test_who_says_nothing_is_left_after_the_deadline_and_others_are_served_meanwhile(
    path, monkeypatch
):
    monkeypatch.setattr(exchange, "READ_S", 0.3)
    with Exchange(path, MAX_BYTES, backwards):
        silent = [connect(path) for _ in range(N_AT_ONCE - 1)]
        assert said(path, b"ab") == b"ba"
        more = [connect(path) for _ in range(N_AT_ONCE)]
        assert said(path, b"cd") == b"dc", "it waited in the queue"
        for connection in (*silent, *more):
            with pytest.raises((EOFError, ConnectionError)):
                answer(connection)
            connection.close()


def test_who_leaves_is_noticed_while_the_answer_is_made(path):
    gone = threading.Event()

    def long(message: bytes, is_there) -> bytes:
        until_s = time.monotonic() + 10
        while is_there() and time.monotonic() < until_s:
            time.sleep(0.01)
        gone.set()
        return b""

    with Exchange(path, MAX_BYTES, long):
        with connect(path) as connection:
            connection.sendall(b"\0\0\0\1x")
            time.sleep(0.1)
            assert not gone.is_set()
        assert gone.wait(5)


def test_a_socket_that_a_kill_left_is_taken_over_and_a_file_is_not(path, tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with Exchange(path, MAX_BYTES, backwards):
        assert said(path, b"ab") == b"ba"
    path.write_text("a person's")
    with pytest.raises(ExchangeError, match="give a path where there is nothing yet"):
        Exchange(path, MAX_BYTES, backwards)
    with pytest.raises(ExchangeError, match="give a shorter one"):
        Exchange(tmp_path / ("x" * 108), MAX_BYTES, backwards)
