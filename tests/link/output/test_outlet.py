"""Output that nobody reads, or that is read late: real pipes and a full device."""

import os
import threading
import time
from contextlib import contextmanager

import pytest

from link.output.outlet import MAX_WAITING_BYTES, Outlet

PATIENCE_S = 60.0
MANY_LINES = 5000
"Lines of 40 bytes: more than a pipe holds."
PIPE_BYTES = 65_536


@pytest.fixture
def pipe():
    """A pipe's reading end, and a stream that writes into it."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as writer:
        yield reader, writer


def nothing_left_out(n_pieces: int) -> None:
    raise AssertionError(f"{n_pieces} pieces were left out")


@contextmanager
def reading(reader):
    """Bytes that come meanwhile; an item a piece."""
    pieces: list[bytes] = []
    thread = threading.Thread(
        target=lambda: pieces.extend(iter(lambda: os.read(reader.fileno(), 65_536), b""))
    )
    thread.start()
    yield pieces
    thread.join(PATIENCE_S)


def test_nobody_waits_for_a_reader_who_gets_every_line_later(pipe):
    reader, writer = pipe
    outlet = Outlet(writer, nothing_left_out)
    lines = [f"{number:39}\n" for number in range(MANY_LINES)]
    for line in lines:
        print(line, end="", file=outlet, flush=True)
    with reading(reader) as pieces:
        outlet.drain()
        writer.close()
    assert b"".join(pieces).decode() == "".join(lines)


def test_what_does_not_fit_is_left_out_whole_and_told(pipe):
    reader, writer = pipe
    told: list[int] = []
    outlet = Outlet(writer, told.append)
    piece = "x" * (MAX_WAITING_BYTES // 4 - 1) + "\n"
    n_written = 12
    for _ in range(n_written):
        outlet.write(piece)
    with reading(reader) as pieces:
        outlet.drain()
        writer.close()
    n_read = b"".join(pieces).count(b"\n")
    assert sum(map(len, pieces)) == n_read * len(piece)
    assert 4 <= n_read < n_written
    assert sum(told) == n_written - n_read


def test_a_pipe_that_is_closed_is_an_error_of_who_writes(pipe):
    reader, writer = pipe
    outlet = Outlet(writer, nothing_left_out)
    reader.close()
    outlet.write("into nothing\n")
    with pytest.raises(BrokenPipeError):
        outlet.drain()
    with pytest.raises(BrokenPipeError):
        outlet.write("again\n")


def test_a_full_disk_holds_up_nobody_and_is_told_at_the_end():
    with open("/dev/full", "w") as full:
        outlet = Outlet(full, nothing_left_out)
        for _ in range(MANY_LINES):
            outlet.write("a line\n")
        with pytest.raises(OSError, match="No space left"):
            outlet.drain()


def test_a_reader_who_hangs_is_not_waited_for_without_end(pipe):
    _, writer = pipe
    outlet = Outlet(writer, nothing_left_out)
    outlet.write("x" * PIPE_BYTES * 2)
    began_s = time.monotonic()
    outlet.drain(patience_s=0.05)
    assert 0.05 <= time.monotonic() - began_s < 5
