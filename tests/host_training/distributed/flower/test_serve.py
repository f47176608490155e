"""The loop that serves a run, over real sockets, with threads in Flower's place."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from host_training.distributed.flower import serve as serving
from host_training.distributed.flower.relay import relay
from host_training.distributed.flower.serve import ROUNDS, serve
from host_training.distributed.flower.wire import Errand, Reply
from host_training.distributed.server.folder import STATE, Folder, Gateway, write_gateways
from link.base import FolderLock, HeldError
from link.security import signature
from tests.host_training.distributed.server.test_folder import create
from tests.worlds.small_global import Device, World, key

GATEWAYS = [Gateway(0, 100, (0, 1)), Gateway(1, 200, (2, 3))]


class Threads:
    """A wire whose gateways are threads of this process."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._pool = ThreadPoolExecutor()
        self._names = count()
        self.under_way: dict[str, Future[dict[int, bytes]]] = {}
        self.to_fail = {"1"}
        "Errands of which nothing comes."

    def push(self, errand: Errand) -> str | None:
        name = str(next(self._names))
        if name == "0":
            return None  # it could not begin
        self.under_way[name] = self._pool.submit(relay, errand.messages, self._sockets, 30)
        return name

    def pull(self, names: Sequence[str]) -> list[Reply]:
        done = [name for name in names if self.under_way[name].done()]
        return [
            Reply(name, None if name in self.to_fail else self.under_way[name].result())
            for name in done
        ]


@contextmanager
def listening(world: World) -> Iterator[Path]:
    """All devices at their sockets."""
    with TemporaryDirectory(prefix="serve") as name:
        for device in world.devices:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{name}/{device.number}")
            listener.listen()
            threading.Thread(target=answer_all, args=(device, listener), daemon=True).start()
        yield Path(name)


def answer_all(device: Device, listener: socket.socket) -> None:
    while True:
        with listener.accept()[0] as connection, connection.makefile("rb") as file:
            (length,) = struct.unpack(">I", file.read(4))
            if told := file.read(length):
                device.end.take(told)
            said = device.update()
            connection.sendall(struct.pack(">I", len(said)) + said)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "POLL_S", 0.01)
    world = World(n_devices=4, n_rounds=3, up_bytes=(300,), down_bytes=(400,))
    create(tmp_path, world)
    for number in range(4):
        (tmp_path / "devices" / f"{number}.pub").write_text(signature.signer_text(key(number)))
    (tmp_path / "server.key").write_text(key(-1).private_bytes_raw().hex())
    write_gateways(tmp_path, GATEWAYS)
    return world


def test_a_run_is_served_to_its_end_over_errands_that_fail(run, tmp_path):
    asked: list[Mapping[int, int]] = []
    with listening(run) as sockets:
        wire = Threads(sockets)
        serve(tmp_path, lambda nodes: asked.append(nodes) or wire)  # type: ignore[func-returns-value]
    assert asked == [{0: 100, 1: 200}]
    events = [json.loads(line) for line in (tmp_path / ROUNDS).read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("failed") == 1
    assert [kind for kind in kinds if kind != "failed"] == ["begins", *["round"] * 3, "ends"]
    server = Folder.read(tmp_path).server(0.0)
    assert server.is_finished
    assert events[-1]["hash"] == server.hash.hex()
    assert {each.end.weights.tobytes() for each in run.devices} == {server.weights.tobytes()}


def test_one_process_serves_a_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "HOLD_TIMEOUT_S", 0.05)
    with FolderLock(tmp_path / STATE), pytest.raises(HeldError):
        serve(tmp_path, lambda nodes: Threads(tmp_path))
