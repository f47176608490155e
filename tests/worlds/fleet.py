"""A fleet with real processes: a broker, a PostgreSQL server, gateways that hear nodes over UDP,
workers; each may be killed and started again.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from tests.studies.fleet.nodes import UdpNode
from tests.worlds.broker import free_port
from tests.worlds.stored import read

PATIENCE_S = 60.0
SETTINGS = "allow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0"
"What a fleet's broker is told besides."


class Process:
    """A program of ours; what it says is kept."""

    def __init__(self, *words: str, ready: str = "") -> None:
        self._words, self._ready = words, ready
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        """Returns at once; `wait_ready` waits until it has said that it works."""
        self.said = []
        self._is_ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, *self._words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        assert self._is_ready.wait(PATIENCE_S), self.said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """In order; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.said.append(line.rstrip())
            if self._ready in line:
                self._is_ready.set()


class Site:
    """A host folder, and what a gateway of it needs."""

    def __init__(
        self,
        folder: Path,
        name: str,
        bundle: Bundle,
        n_nodes: int,
        broker: int,
        dsn: str,
        account: Callable[[str], str] = lambda user: "",
    ) -> None:
        """`account`: lines of [broker] or [fleet] for a user."""
        folder.mkdir()
        self.name, self.folder, self.dsn = name, folder, dsn
        self.radio = "127.0.0.1", free_port()
        lines = [
            f'site = "{name}"\nstore = "{dsn}"\n[fleet]\nhost = "127.0.0.1"\nport = {broker}\n'
            f'{account("worker")}gateways = ["roof"]\nprofile = "udp"\n'
        ]
        self.nodes = []
        for number in range(1, n_nodes + 1):
            key = os.urandom(16)
            (folder / f"{number}.key").write_text(key.hex())
            own = f'key = "{number}.key"\nbundle = "{bundle.path.resolve()}"'
            lines.append(f"[[node]]\nnode = {number}\n{own}\n")
            self.nodes.append(UdpNode(bundle, key, number, os.urandom(4), self.radio))
        (folder / "host.toml").write_text("".join(lines))
        (folder / "gateway").mkdir()
        (folder / "gateway" / "forward.toml").write_text(
            f'site = "{name}"\nname = "roof"\n[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
            f"{account(f'{name}-roof')}[link]\n"
            f'port = "{self.radio[0]}:{self.radio[1]}"\nprofile = "udp"\n'
        )

    @property
    def acknowledged(self) -> set[tuple[str, int, int]]:
        """Site, node and image."""
        return {
            (self.name, node.sender.number, image)
            for node in self.nodes
            for image in node.acknowledged
        }

    def gateway(self) -> Process:
        """Starts it."""
        path = str(self.folder / "gateway" / "forward.toml")
        return Process("-m", "link.gateway", path, ready="goes to the broker")


def start_worker(*sites: Site, words: tuple[str, ...] = ("host_decoder", "listen")) -> Process:
    folders = [str(site.folder) for site in sites]
    return Process("-m", *words, *folders, ready="works on")


def wait_until(is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def check(dsn: str, acknowledged: set[tuple[str, int, int]]) -> tuple[int, int]:
    """What was acknowledged and is not stored; what was stored or counted more than once."""
    with Store(dsn, must_exist=True) as store:
        stored = [
            (row["name"], row["number"], row["image"])
            for row in read(
                store,
                "SELECT sites.name, number, image FROM results JOIN nodes ON nodes.id = node_id "
                "JOIN sites ON sites.id = site_id",
            )
        ]
        n_by = [
            int(read(store, f"SELECT coalesce(sum({what}), 0) AS n FROM {table}")[0]["n"])
            for what, table in (("n", "label_hour"), ("n_images", "node_hour"))
        ]
        [[n_packets], [n_heard], [n_told]] = [
            [int(row["n"]) for row in read(store, query)]
            for query in (
                "SELECT count(*) AS n FROM receptions",
                "SELECT coalesce(sum(n_packets), 0) AS n FROM link_hour",
                "SELECT coalesce(sum(n_results), 0) AS n FROM node_state",
            )
        ]
    n_images = len(set(stored))
    twice = len(stored) - n_images + sum(abs(n - n_images) for n in (*n_by, n_told))
    return len(acknowledged - set(stored)), twice + abs(n_packets - n_heard)
