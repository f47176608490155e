"""One process, SQLite, no broker: results a second, and what kill -9 costs.

Many nodes speak over UDP to a real host on this machine, which decodes, stores and answers each
image while its node listens. Then the host is killed in the middle of that, again and again; what
was acknowledged must be in the store, and nothing may count twice.
"""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from sqlalchemy import text

from host_decoder.store.database.access import rows
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from tests.studies.fleet.nodes import UdpNode, run_nodes

N_NODES = 100
WARM_S = 3.0
FIRST_S = 90.0
"In which a host must be listening."


class Fleet:
    """A host folder, its nodes, and the process that listens."""

    def __init__(self, folder: Path, bundle: Bundle, n_nodes: int) -> None:
        self.folder, self._bundle = folder, bundle
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
            free.bind(("127.0.0.1", 0))
            self.address: tuple[str, int] = free.getsockname()
        lines = [
            'store = "host.sqlite"\nsite = "farm"\n[link]\n'
            f'port = "127.0.0.1:{self.address[1]}"\nprofile = "udp"\n'
        ]
        self.nodes = []
        for number in range(1, n_nodes + 1):
            key = number.to_bytes(16, "big")
            (folder / f"{number}.key").write_text(key.hex())
            own = f'key = "{number}.key"\nbundle = "{bundle.path.resolve()}"'
            lines.append(f"[[node]]\nnode = {number}\n{own}\n")
            self.nodes.append(UdpNode(bundle, key, number, number.to_bytes(4, "big"), self.address))
        (folder / "host.toml").write_text("".join(lines))

    def start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.studies.fleet.hosted",
            str(self.folder / "host.toml"),
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "listening on" in line:
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return process
        raise RuntimeError("the host has ended before it listened")

    @property
    def acknowledged(self) -> set[tuple[int, int]]:
        """Node and image."""
        return {(node.sender.number, image) for node in self.nodes for image in node.acknowledged}


def throughput(
    folder: Path, bundle: Bundle, seconds: float, n_nodes: int = N_NODES
) -> dict[str, float]:
    """Figures of a host under as many results as it takes."""
    fleet = Fleet(folder, bundle, n_nodes)
    process = fleet.start()
    begun_s = time.monotonic()
    run_nodes(fleet.nodes, lambda now_s: now_s > begun_s + WARM_S)
    before, begun_s = len(fleet.acknowledged), time.monotonic()
    for node in fleet.nodes:
        node.answered_s.clear()
        node.n_sent = 0
    run_nodes(fleet.nodes, lambda now_s: now_s > begun_s + seconds)
    took_s = time.monotonic() - begun_s
    n_results = len(fleet.acknowledged) - before
    process.send_signal(signal.SIGTERM)
    told = json.loads(process.communicate(timeout=60)[0])
    commits_s = told["commits_s"]
    answered_s = [one for node in fleet.nodes for one in node.answered_s]
    check(fleet)
    return {
        "sqlite_results_per_s": n_results / took_s,
        "commit_p99_ms": 1e3 * float(np.percentile(commits_s, 99)),
        "commit_median_ms": 1e3 * float(np.median(commits_s)),
        "sqlite_answer_median_ms": 1e3 * float(np.median(answered_s)),
        "sqlite_answer_p99_ms": 1e3 * float(np.percentile(answered_s, 99)),
        "sqlite_packets_per_result": sum(node.n_sent for node in fleet.nodes) / n_results,
        "sqlite_host_cpu_ms": 1e3 * told["cpu_s"] / len(commits_s),
        "sqlite_nodes": n_nodes,
        "sqlite_results": n_results,
    }


def killed(
    folder: Path, bundle: Bundle, n_kills: int, seed: int, n_nodes: int = 20
) -> dict[str, float]:
    """Figures of a host that is killed in the middle of its work."""
    fleet, draw = Fleet(folder, bundle, n_nodes), random.Random(seed)
    process = fleet.start()
    for _ in range(n_kills):
        until_s = time.monotonic() + draw.uniform(0.3, 1.5)
        run_nodes(fleet.nodes, lambda now_s, until_s=until_s: now_s > until_s)  # type: ignore[misc]
        process.kill()
        process.communicate()
        process = fleet.start()
    end_s = time.monotonic() + 1.0
    run_nodes(
        fleet.nodes,
        lambda now_s: now_s > end_s + 60.0,
        lambda now_s: now_s > end_s,
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    lost, twice = check(fleet)
    return {"kills": n_kills, "acknowledged_lost": lost, "counted_twice": twice}


def check(fleet: Fleet) -> tuple[int, int]:
    """What was acknowledged and is not stored; what was counted more than once."""
    with Store(fleet.folder / "host.sqlite", must_exist=True) as store:
        stored = [
            (row["number"], row["image"])
            for row in rows(
                store.database,
                text("SELECT number, image FROM results JOIN nodes ON nodes.id = node_id"),
            )
        ]
        [[by_label], [by_node]] = (
            [
                row["n"]
                for row in rows(store.database, text(f"SELECT sum({what}) AS n FROM {table}"))
            ]
            for what, table in (("n", "label_hour"), ("n_images", "node_hour"))
        )
    lost = len(fleet.acknowledged - set(stored))
    n_images = len(set(stored))
    twice = len(stored) - n_images + abs(by_label - n_images) + abs(by_node - n_images)
    return lost, twice
