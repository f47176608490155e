"""A real PostgreSQL server on a port of its own, for the tests that want one."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.programs import program

NOBODY = 65534


class Postgres:
    """A server with an empty database for whoever asks."""

    def __init__(self, folder: Path, binaries: Path, has_fsync: bool = False) -> None:
        self._folder, self._binaries, self._has_fsync = folder, binaries, has_fsync
        self._password = secrets.token_hex(8)
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(self._password)
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY, NOBODY)
            shutil.chown(secret, NOBODY, NOBODY)
        how = ["-U", "latent", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", "-D", f"{folder}/data", f"--pwfile={secret}", *how)

    def start(self) -> None:
        told = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
        if not self._has_fsync:
            told += "-c fsync=off"  # the machine stays up while tests run
        data = ["-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-w"]
        self._run("pg_ctl", *data, "-o", told, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", how, "-w", "stop")

    @property
    def pid(self) -> int:
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """kill -9 of the server; its children end with it."""
        os.kill(self.pid, signal.SIGKILL)

    def start_again(self, patience_s: float = 60.0) -> None:
        """After a kill: as long as something of it is there it does not start."""
        end_s = time.monotonic() + patience_s
        while True:
            try:
                self.start()
                return
            except AssertionError:
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.5)

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://latent:{self._password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Its DSN."""
        import psycopg

        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.dsn(name)

    def _run(self, name: str, *arguments: str) -> None:
        """As nobody where we are root: the server insists."""
        ids: dict[str, Any] = {}
        if os.geteuid() == 0:
            ids = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        said = self._folder.parent / f"{name}.out"
        with said.open("w") as out:
            done = subprocess.run(
                [self._binaries / name, *arguments], cwd="/", stdout=out, stderr=out, **ids
            )
        assert not done.returncode, said.read_text()


@contextmanager
def postgres_server(has_fsync: bool = False) -> Iterator[Postgres]:
    """Runs meanwhile; the test is skipped where it is not installed. `has_fsync`: it survives a
    power cut too, as a real one does, and is that much slower.
    """
    place = Path(program("initdb")).resolve().parent
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        folder = Path(name) / "pg"
        folder.mkdir()
        server = Postgres(folder, place, has_fsync)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
