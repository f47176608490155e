"""A chunk file with two chunks of one image, and a way to change what lies in it."""

import sqlite3
from contextlib import closing

import pytest

from device.outbox.chunk_file import ChunkFile, QueuedChunk

FIRST = QueuedChunk(7, 0, False, b"first", 10.0, None)
SECOND = QueuedChunk(7, 1, True, b"second", 10.0, 1_700_000_000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chunks.sqlite"


@pytest.fixture
def file(path):
    with closing(ChunkFile(path, "this boot")) as file:
        with file.transaction():
            file.insert(SECOND)
            file.insert(FIRST)
        yield file


def change(path, statement):
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
