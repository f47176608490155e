"""A gateway's relay against devices that are real sockets."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from host_training.distributed.flower import relay as relaying
from host_training.distributed.flower.relay import MAX_ANSWER_BYTES, relay


@pytest.fixture
def folder():
    with TemporaryDirectory(prefix="relay") as name:  # short: a socket's path has 107 bytes
        yield Path(name)


def read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size and (more := connection.recv(size - len(content))):
        content += more
    return content


def device(folder: Path, number: int, behave: Callable[[socket.socket], None]) -> None:
    """A device that serves one connection; who is not waited for any more is not heard."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / str(number)))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as connection, suppress(BrokenPipeError):
            behave(connection)

    threading.Thread(target=serve, daemon=True).start()


def answer(text: bytes, after_s: float = 0.0) -> Callable[[socket.socket], None]:
    """Takes the message and says it again behind `text`."""

    def behave(connection: socket.socket) -> None:
        (length,) = struct.unpack(">I", read(connection, 4))
        said = text + read(connection, length)
        time.sleep(after_s)
        connection.sendall(struct.pack(">I", len(said)) + said)

    return behave


def test_each_device_gets_its_own_message_and_its_answer_comes_back(folder):
    device(folder, 1, answer(b"one "))
    device(folder, 20, answer(b"twenty "))
    long = bytes(300_000)
    assert relay({1: b"a", 20: long}, folder, 5) == {1: b"one a", 20: b"twenty " + long}


def test_who_is_not_there_hangs_up_or_says_nothing_is_left_out(folder):
    device(folder, 1, answer(b""))
    device(folder, 2, lambda connection: None)
    device(folder, 3, lambda connection: connection.sendall(b"\0\0\0\5abc"))
    device(folder, 4, lambda connection: connection.sendall(struct.pack(">I", 1 << 31) + b"x"))
    device(folder, 5, answer(b"here"))
    began = time.monotonic()
    messages = dict.fromkeys((2, 3, 4, 5, 9), b"!") | {1: b""}
    assert relay(messages, folder, 60) == {5: b"here!"}
    assert time.monotonic() - began < 5
    assert MAX_ANSWER_BYTES < 1 << 31


def test_one_that_is_much_slower_than_the_others_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(relaying, "LEAST_S", 0.5)
    for number in (1, 2):
        device(folder, number, answer(b"quick"))
    device(folder, 3, answer(b"slow", after_s=30))
    began = time.monotonic()
    assert relay(dict.fromkeys((1, 2, 3), b""), folder, 30) == {1: b"quick", 2: b"quick"}
    assert time.monotonic() - began < 5


def test_the_deadline_holds_when_nobody_answers(folder):
    for number in (1, 2):
        device(folder, number, answer(b"", after_s=30))
    began = time.monotonic()
    assert relay({1: b"x", 2: b"x"}, folder, 0.3) == {}
    assert time.monotonic() - began < 5
