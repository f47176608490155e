"""Serve: a run's server and its gateways, from now to the end of the run.

What carries errands is a wire, so that the same loop runs over Flower and, in tests, without. Each
round that ends is a line of JSON in the run's folder: whoever watches reads it there. The loop may
be killed at any point; started again it goes on behind the last round that is on the disk.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from host_training.distributed.flower.dispatch import Dispatch
from host_training.distributed.flower.wire import MARGIN_S, RELAY_S, Wire
from host_training.distributed.server.folder import STATE, Folder
from host_training.distributed.server.server import Server
from link.base import FolderLock, HeldError

ROUNDS, PROCESS = "rounds.jsonl", "server.pid"
POLL_S = 0.3
HOLD_TIMEOUT_S = 15.0
"Whoever asks whether the run is served has it for a moment."


def serve(path: Path, connect: Callable[[Mapping[int, int]], Wire]) -> None:
    """The run in that folder, to its end; HeldError where another process serves it."""
    folder = Folder.read(path)
    with _held(path / STATE):
        (path / PROCESS).write_text(str(os.getpid()))
        server = folder.server(time.monotonic())
        wire = connect({gateway.number: gateway.node for gateway in folder.gateways})
        devices = {gateway.number: gateway.devices for gateway in folder.gateways}
        with (path / ROUNDS).open("a", buffering=1) as log:
            say = Teller(lambda event: print(json.dumps(event), file=log, flush=True))
            drive(server, devices, wire, say)


def _held(folder: Path) -> FolderLock:
    until_s = time.monotonic() + HOLD_TIMEOUT_S
    while True:
        try:
            return FolderLock(folder)
        except HeldError:
            if time.monotonic() > until_s:
                raise
            time.sleep(POLL_S)


@dataclass(frozen=True)
class Teller:
    """Tells of a run in events that are JSON."""

    tell: Callable[[dict[str, Any]], object]

    def __call__(self, event: str, **what: Any) -> None:
        self.tell({"event": event, "time": round(time.time(), 1), **what})


def drive(server: Server, gateways: Mapping[int, Sequence[int]], wire: Wire, say: Teller) -> None:
    """Rounds until the last one has ended and everybody could hear of it."""
    dispatch = Dispatch(server, gateways)
    under_way: dict[str, tuple[int, float]] = {}
    say("begins", round=server.round_, hash=server.hash.hex())
    while not server.is_finished:
        now_s = time.monotonic()
        for errand in dispatch.errands(now_s):
            name = wire.push(errand)
            if name is None:
                dispatch.failed(errand.gateway, now_s)
            else:
                under_way[name] = errand.gateway, now_s + RELAY_S + 2 * MARGIN_S
        for reply in wire.pull([*under_way]):
            gateway, _ = under_way.pop(reply.errand)
            if reply.answers is None:
                dispatch.failed(gateway, now_s)
                say("failed", gateway=gateway)
            else:
                for refused in dispatch.came_back(gateway, reply.answers, now_s):
                    say("refused", gateway=gateway, why=refused)
        for name, (gateway, until_s) in list(under_way.items()):
            if now_s > until_s:
                del under_way[name]
                dispatch.failed(gateway, now_s)
                say("failed", gateway=gateway)
        if closed := server.close(now_s):
            say("round", hash=server.hash.hex(), **_plain(asdict(closed)))
        time.sleep(POLL_S)
    _part(dispatch, wire, len(gateways))
    say("ends", round=server.round_, hash=server.hash.hex())


def _part(dispatch: Dispatch, wire: Wire, n_gateways: int) -> None:
    """The last weights to all devices that are there."""
    names = [wire.push(errand) for errand in dispatch.last_errands()]
    waiting = {name for name in names if name is not None}
    until_s = time.monotonic() + RELAY_S + MARGIN_S
    while waiting and time.monotonic() < until_s:
        waiting -= {reply.errand for reply in wire.pull([*waiting])}
        time.sleep(POLL_S)


def _plain(closed: dict[str, Any]) -> dict[str, Any]:
    """As JSON says it."""
    return {key.rstrip("_"): value for key, value in closed.items()}
