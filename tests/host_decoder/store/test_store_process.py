"""Real host processes and a store that others hold, over UDP: nothing is lost, and no second host
writes.
"""

import json
import os
import queue
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress

import pytest

from link.wire.control import Report
from link.wire.packet import Flag
from tests.programs import program
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode

PATIENCE_S = 60.0


class Host:
    """`python -m host_decoder listen` at a port of 127.0.0.1, and a node that speaks to it."""

    def __init__(self, folder, bundle, name: str = "host.toml", *before: str) -> None:
        """`before`: a program that runs the host."""
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        (folder / "node.key").write_text(KEY.hex())
        (folder / name).write_text(
            f'store = "host.sqlite"\n[link]\nport = "127.0.0.1:{self.address[1]}"\nprofile = '
            '"udp"\n'
            f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
        )
        command = [*before, sys.executable, "-m", "host_decoder", "listen", str(folder / name)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # what runs a host may leave it behind
        )
        self.answers: list[dict] = []
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read_answers, daemon=True).start()
        threading.Thread(target=self._read_sentences, daemon=True).start()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    def _read_answers(self) -> None:
        assert self.process.stdout
        self.answers += map(json.loads, self.process.stdout)

    def _read_sentences(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._said.put(line)

    def says(self, text: str) -> str:
        """The next sentence with this text."""
        while text not in (said := self._said.get(timeout=PATIENCE_S)):
            pass
        return said

    def send(self, packet: bytes) -> None:
        self._socket.sendto(packet, self.address)

    def heard(self, wait_s: float) -> bytes | None:
        self._socket.settimeout(wait_s)
        try:
            return self._socket.recv(300)
        except TimeoutError:
            return None

    def close(self) -> None:
        self._socket.close()
        with suppress(ProcessLookupError):  # it was ended before
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tmp_path, bundle):
    hosts: list[Host] = []

    def start(name: str = "host.toml", *before: str) -> Host:
        hosts.append(Host(tmp_path, bundle, name, *before))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


def question(node: SmallNode, seed: int) -> bytes:
    [packet] = node.packets(random_symbols(node.bundle.tables, seed), flags=Flag.LISTEN)
    return packet


def test_a_lock_of_another_program_costs_time_and_nothing_else(start, bundle, tmp_path):
    host, node = start(), SmallNode(bundle)
    host.says("listening on")
    with closing(sqlite3.connect(tmp_path / "host.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for seed in range(3):
            host.send(question(node, seed))
        host.says("is locked by another program")
        assert host.heard(0.5) is None
        assert host.process.poll() is None
        other.execute("ROLLBACK")
    assert "3 packets that came meanwhile" in host.says("the store is written again")
    report = node.hear(host.heard(PATIENCE_S))
    assert isinstance(report, Report)
    assert report.received & 0b1
    host.process.terminate()
    assert host.process.wait(PATIENCE_S) == 0
    assert len([line for line in host.answers if line["event"] == "answer"]) == 3


def test_a_second_host_is_refused_by_name_and_leaves_the_figures_of_the_first(
    start, bundle, tmp_path
):
    first, node = start("first.toml"), SmallNode(bundle)
    first.says("listening on")
    first.send(question(node, 0))
    assert first.heard(PATIENCE_S)
    second = start("second.toml")
    assert f"in use by another host (process {first.process.pid})" in second.says("in use")
    assert second.process.wait(PATIENCE_S) == 1
    stats = [sys.executable, "-m", "host_decoder", "stats", "--json", str(tmp_path / "host.sqlite")]
    [link] = json.loads(subprocess.run(stats, capture_output=True, check=True).stdout)["link"]
    assert link["received"] == 1
    first.process.kill()
    first.process.wait()
    start("second.toml").says("listening on")


def test_a_host_waits_for_a_store_that_is_being_read(start, bundle, tmp_path):
    first = start()
    first.says("listening on")
    first.process.terminate()
    assert first.process.wait(PATIENCE_S) == 0
    reads = (
        "import sys; from host_decoder.store.store import Store; s = Store(sys.argv[1], True); "
        "print(1, flush=True); input()"
    )
    command = [sys.executable, "-c", reads, str(tmp_path / "host.sqlite")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline()
        host = start()
        host.says("is being read")
        began_s = time.monotonic()
        host.process.terminate()
        assert host.process.wait(PATIENCE_S) == 0
        assert time.monotonic() < began_s + 10
        host = start()
        host.says("is being read")
        reader.kill()
    host.says("listening on")


CALLS = "recvfrom,sendto,fsync,fdatasync"
DONE = re.compile(r"(recvfrom|fsync|fdatasync)(?:\(| resumed).*= (-?\d+)")


def test_no_answer_leaves_before_what_it_answers_is_on_the_disk(start, bundle, tmp_path):
    """As the kernel sees it: received, flushed, sent."""
    trace = tmp_path / "trace"
    host = start("host.toml", program("strace"), "-f", "-e", f"trace={CALLS}", "-o", str(trace))
    host.says("listening on")
    node = SmallNode(bundle)
    for seed in range(5):
        host.send(question(node, seed))
        assert host.heard(PATIENCE_S)
    host.close()
    state, n_answers = "stored", 0
    for line in trace.read_text().splitlines():
        if "sendto(" in line and "AF_INET" in line:
            assert state == "flushed", line
            n_answers += 1
        elif (done := DONE.search(line)) and int(done[2]) >= 0:
            heard = done[1] == "recvfrom" and int(done[2]) > 0
            state = "received" if heard else "flushed" if done[1] != "recvfrom" else state
    assert n_answers == 5
