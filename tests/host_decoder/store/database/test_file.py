"""One host writes a store; whoever reads it changes nothing, wherever it lies; and each wrong file
has its sentence.
"""

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from host_decoder.store.database.file import StoreError
from host_decoder.store.receipt import Receipt, ReceivedPacket
from host_decoder.store.store import Store
from link.host.interface import NodeState
from link.wire.packet import Chunk
from tests.worlds.small_host import BUNDLE, KEY, NODE, answer

NOBODY = 65534
HOLDS_A_STORE = (
    "import sys; from host_decoder.store.store import Store; s = Store(sys.argv[1]); "
    "print('held', flush=True); input()"
)


def receipt(image: int) -> Receipt:
    packet = ReceivedPacket(
        image + 1, BUNDLE, (Chunk(image, 0, True, b"\x05", 2.0),), b"sealed", "roof"
    )
    return Receipt(NODE, KEY, NodeState(b"salt", image + 1, 1), 1000.0, (packet,), (answer(image),))


@pytest.fixture
def path():
    """The file of a store with one image, its log gone into it; in a folder that everybody may look
    into.
    """
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        path = Path(name) / "host" / "host.sqlite"
        path.parent.mkdir()
        with Store(path) as store:
            store.add(receipt(0))
        yield path


def n_images(path: Path) -> int:
    with Store(path, must_exist=True) as store:
        return len(list(store.images(BUNDLE)))


def files(path: Path) -> set[str]:
    return {found.name for found in path.parent.iterdir()}


@contextmanager
def read_only_folder(path: Path):
    """As on a card mounted read-only; root, who may write everywhere, becomes nobody meanwhile."""
    is_root = os.geteuid() == 0
    for found in path.parent.iterdir():
        found.chmod(0o444)
    path.parent.chmod(0o555)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        path.parent.chmod(0o755)


def test_a_store_and_what_lies_beside_it_is_its_owner_s_alone(tmp_path):
    before = os.umask(0o022)
    try:
        with Store(tmp_path / "host.sqlite") as store:
            store.add(receipt(0))
            modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {f"host.sqlite{end}": 0o600 for end in ("", "-wal", "-shm", ".lock")}


def test_a_second_writer_is_refused_by_name_until_the_first_has_died(path):
    command = [sys.executable, "-c", HOLDS_A_STORE, str(path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(
            StoreError, match=rf"is in use by another host \(process {first.pid}\)"
        ) as caught:
            Store(path)
        assert not caught.value.is_passing
        link = path.with_name("another name.sqlite")
        link.symlink_to(path)
        with pytest.raises(StoreError, match="is in use by another host"):
            Store(link)
        assert n_images(path) == 1
        first.kill()
    with Store(path) as store:
        store.add(receipt(1))
    assert n_images(path) == 2


def test_hosts_that_start_at_the_same_moment_make_one_store_and_one_of_them_holds_it(tmp_path):
    command = [sys.executable, "-c", HOLDS_A_STORE, str(tmp_path / "host.sqlite")]
    pipe = subprocess.PIPE
    hosts = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)
    ]
    started = [host.stdout is not None and host.stdout.readline() == "held\n" for host in hosts]
    said = [host.communicate("\n")[1] for host in hosts]
    assert started.count(True) == 1
    assert sum("is in use by another host" in text for text in said) == 3


def test_reading_leaves_no_trace(path):
    before = files(path)
    content = path.read_bytes()
    assert n_images(path) == 1
    assert files(path) == before
    assert path.read_bytes() == content


def test_a_reader_beside_a_writer_sees_what_is_stored(path):
    with Store(path) as store:
        store.add(receipt(1))
        assert n_images(path) == 2
        store.add(receipt(2))
    assert n_images(path) == 3


def test_a_host_that_starts_while_its_store_is_read_may_try_again(path):
    with Store(path, must_exist=True), pytest.raises(StoreError, match="is being read") as caught:
        Store(path)
    assert caught.value.is_passing
    Store(path).close()


def test_a_store_is_read_where_nothing_can_be_written(path):
    with read_only_folder(path):
        assert n_images(path) == 1


def test_what_a_crash_left_in_the_log_is_read_too(path):
    """Where the log cannot be gone through in place, from a copy."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE chunks SET image = 7")
        database.commit()
        for end in ("", "-wal"):
            left = path.with_name(path.name + end)
            path.with_name("left" + end).write_bytes(left.read_bytes())
    left = path.with_name("left")
    with read_only_folder(path), Store(left, must_exist=True) as store:
        assert [image.image for image in store.images(BUNDLE)] == [7]
    assert not left.with_name("left-shm").exists()


def test_a_store_that_may_not_be_written_is_said_by_a_host_that_may_try_again(path):
    with (
        read_only_folder(path),
        pytest.raises(StoreError, match="written by whoever runs this") as caught,
    ):
        Store(path)
    assert caught.value.is_passing


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = bytes(64)
    path.write_bytes(content)


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE moz_places (url)")
        database.execute("PRAGMA user_version = 2")


def make_bare(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("DROP TABLE t")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "is damaged"),
        (damage, "is damaged"),
        (make_foreign, "is a database of another program"),
        (make_bare, "has no table: nothing was ever stored there"),
        (lambda path: path.write_bytes(b""), "is empty: nothing was ever stored there"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(84)), "is no SQLite database"),
        (
            lambda path: path.write_text("notes"),
            "is no store: it does not begin as an SQLite database does",
        ),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder; name a file"),
        (make_pipe, "is no file; name a file"),
        (lambda path: path.unlink(), "there is no store at"),
    ],
)
def test_what_is_no_store_is_refused_by_what_it_is(path, spoil, said):
    spoil(path)
    with pytest.raises(StoreError, match=said) as caught, Store(path, must_exist=True) as store:
        list(store.images(BUNDLE))
    assert not caught.value.is_passing
    assert "free some space" not in str(caught.value)


def test_a_database_of_another_program_is_not_touched(path):
    make_foreign(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database of another program"):
        Store(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "host.sqlite").touch()
    with Store(tmp_path / "host.sqlite") as store:
        store.add(receipt(0))
        assert [node["packets"] for node in store.statistics()["nodes"]] == [1]


def test_the_lock_of_a_process_without_a_number_is_told_all_the_same(path):
    with path.with_name("host.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="process unknown"):
            Store(path)
