"""Several hosts: results a second of a whole fleet, and what kill -9 of each part costs.

Broker, server, gateways, workers and a page are processes of their own on this machine; nodes speak
over UDP. In `killed` one part after the other, and all at once, is killed in the middle of that.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from link.bundle.bundle import Bundle
from tests.studies.fleet.nodes import UdpNode, run_nodes
from tests.worlds.broker import Broker, broker, free_port
from tests.worlds.fleet import SETTINGS, Process, Site, check, start_worker
from tests.worlds.postgres import Postgres, postgres_server
from tests.worlds.processor import cpu_s

PARTS = ("worker", "gateway", "web", "broker", "postgres", "all")
N_WORKERS = 2
BACK_S = 300.0
"In which somebody must be answered again."
PERIOD_S = 1.0
"Between two images of a node, where parts are killed."
RATE = 800.0
"Images a second that nodes offer, where nothing is killed."
WARM_S = 30.0
"Nodes begin one after the other in half of it: the first packet of one costs most."
LAST_S = 120.0
"For every node to have its last image acknowledged."
COMMITS = re.compile(r"commits: (.*)")


class Fleet:
    """All parts of it, and its nodes."""

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        mosquitto: Broker,
        server: Postgres,
        n_sites: int,
        n_nodes: int,
        has_page: bool,
        words: tuple[str, ...],
    ) -> None:
        self.broker, self.server, self.dsn = mosquitto, server, server.new_database()
        self.sites = [
            Site(folder / f"site{n}", f"site{n}", bundle, n_nodes, mosquitto.port, self.dsn)
            for n in range(n_sites)
        ]
        self.workers = [start_worker(*self.sites, words=words) for _ in range(N_WORKERS)]
        self.gateways = [site.gateway() for site in self.sites]
        self.pages = [self._page(folder / "page")] if has_page else []

    def _page(self, folder: Path) -> Process:
        folder.mkdir()
        (folder / "host.toml").write_text(f'store = "{self.dsn}"\n[web]\nport = {free_port()}\n')
        listen = ("-m", "host_decoder", "listen")
        return Process(*listen, str(folder), "--role", "web", ready="the page is at")

    @property
    def processes(self) -> list[Process]:
        return [*self.workers, *self.gateways, *self.pages]

    @property
    def acknowledged(self) -> set[tuple[str, int, int]]:
        return {one for site in self.sites for one in site.acknowledged}

    @property
    def n_acknowledged(self) -> int:
        return sum(len(node.acknowledged) for node in self.nodes)

    @property
    def nodes(self) -> list[UdpNode]:
        return [node for site in self.sites for node in site.nodes]

    @contextmanager
    def speaking(
        self, period_s: float, last_s: float = LAST_S, spread_s: float | None = None
    ) -> Iterator[None]:
        """Its nodes send meanwhile, each an image in so many seconds; in the end each waits for its
        last image to be acknowledged.
        """
        ends_s = [float("inf")]
        thread = threading.Thread(
            target=run_nodes,
            args=[
                self.nodes,
                lambda now_s: now_s > ends_s[0] + last_s,
                lambda now_s: now_s > ends_s[0],
                period_s,
                spread_s,
            ],
        )
        thread.start()
        try:
            yield
        finally:
            ends_s[0] = time.monotonic()
            thread.join()

    def cpu_s(self) -> dict[str, float]:
        """Seconds of a processor that each part has used up, with its nodes."""
        return {
            "nodes": time.process_time(),
            "gateways": sum(cpu_s(one.pid) for one in self.gateways),
            "workers": sum(cpu_s(one.pid) for one in self.workers),
            "broker": cpu_s(self.broker.pid),
            "postgres": cpu_s(self.server.pid),
        }

    def kill(self, part: str, draw: random.Random) -> None:
        """kill -9, and start it again."""
        kills: dict[str, list[Process]] = {
            "worker": [draw.choice(self.workers)],
            "gateway": [draw.choice(self.gateways)],
            "web": self.pages,
            "all": self.processes,
        }
        chosen = kills.get(part, [])
        for process in chosen:
            process.kill()
        if part in ("broker", "all"):
            self.broker.kill()
        if part in ("postgres", "all"):
            self.server.kill()
            self.server.start_again()
        if part in ("broker", "all"):
            self.broker.start()
        for process in chosen:
            process.start()

    def end(self) -> None:
        for process in self.processes:
            process.end()


@contextmanager
def running(
    folder: Path,
    bundle: Bundle,
    n_sites: int,
    n_nodes: int,
    has_page: bool,
    words: tuple[str, ...] = ("host_decoder", "listen"),
) -> Iterator[Fleet]:
    (folder / "broker").mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(has_fsync=True))
        mosquitto = stack.enter_context(broker(folder / "broker", SETTINGS))
        fleet = Fleet(folder, bundle, mosquitto, server, n_sites, n_nodes, has_page, words)
        stack.callback(fleet.end)
        for process in fleet.processes:
            process.wait_ready()
        yield fleet


def fleet_throughput(
    folder: Path,
    bundle: Bundle,
    seconds: float,
    rate: float = RATE,
    n_sites: int = 8,
    n_nodes: int = 125,
    warm_s: float = WARM_S,
) -> dict[str, float]:
    """Figures of two workers whose nodes offer them so many images a second."""
    worker = ("tests.studies.fleet.worked",)
    with running(folder, bundle, n_sites, n_nodes, has_page=False, words=worker) as fleet:
        with fleet.speaking(len(fleet.nodes) / rate, last_s=10.0, spread_s=warm_s / 2):
            time.sleep(warm_s)
            before, begun_s = fleet.n_acknowledged, time.monotonic()
            for node in fleet.nodes:
                node.answered_s.clear()
                node.n_sent = 0
            used_s = fleet.cpu_s()
            time.sleep(seconds)
            n_results, took_s = fleet.n_acknowledged - before, time.monotonic() - begun_s
            used_s = {part: one - used_s[part] for part, one in fleet.cpu_s().items()}
            answered_s = [one for node in fleet.nodes for one in node.answered_s]
            n_sent = sum(node.n_sent for node in fleet.nodes)
        for process in fleet.workers:
            process.end()
        commits_s = [
            float(one)
            for process in fleet.workers
            for line in process.said
            if (found := COMMITS.search(line))
            for one in found[1].split()
        ]
        lost, twice = check(fleet.dsn, fleet.acknowledged)
        assert (lost, twice) == (0, 0), (lost, twice)
    return {
        "fleet_offered_per_s": rate,
        "fleet_results_per_s": n_results / took_s,
        "fleet_packets_per_result": n_sent / max(1, n_results),
        "fleet_nodes": len(fleet.nodes),
        "fleet_sites": n_sites,
        "fleet_workers": N_WORKERS,
        "downlink_median_ms": 1e3 * float(np.median(answered_s)),
        "downlink_p99_ms": 1e3 * float(np.percentile(answered_s, 99)),
        "commit_median_ms": 1e3 * float(np.median(commits_s)),
        "commit_p99_ms": 1e3 * float(np.percentile(commits_s, 99)),
        **{f"fleet_cpu_{part}_ms": 1e3 * one / max(1, n_results) for part, one in used_s.items()},
    }


def fleet_killed(
    folder: Path,
    bundle: Bundle,
    n_kills: int,
    seed: int,
    n_sites: int = 2,
    n_nodes: int = 10,
    say: Callable[[str], None] = print,
) -> dict[str, float]:
    """Figures of a fleet whose parts are killed in turn."""
    draw = random.Random(seed)
    back: dict[str, list[float]] = {part: [] for part in PARTS}
    with running(folder, bundle, n_sites, n_nodes, has_page=True) as fleet:
        with fleet.speaking(PERIOD_S):
            time.sleep(3.0)
            for number in range(n_kills):
                part = PARTS[number % len(PARTS)]
                time.sleep(draw.uniform(0.2, 1.5))
                begun_s = time.monotonic()
                fleet.kill(part, draw)
                back[part].append(_answered_again(fleet, begun_s))
                say(f"{part}: all nodes answered after {back[part][-1]:.1f} s")
        fleet.end()
        lost, twice = check(fleet.dsn, fleet.acknowledged)
        n_images = len(fleet.acknowledged)
    times = [one for part in back.values() for one in part]
    return {
        "kills": n_kills,
        "acknowledged_lost": lost,
        "counted_twice": twice,
        "kills_acknowledged": n_images,
        "kills_back_median_s": float(np.median(times)),
        "kills_back_longest_s": max(times),
        **{f"kills_back_{part}_s": max(times) for part, times in back.items() if times},
    }


def _answered_again(fleet: Fleet, begun_s: float) -> float:
    """Seconds since then until every node has been answered once more."""
    before = {node: len(node.acknowledged) for node in fleet.nodes}
    while time.monotonic() < begun_s + BACK_S:
        if all(len(node.acknowledged) > n for node, n in before.items()):
            return time.monotonic() - begun_s
        time.sleep(0.05)
    raise RuntimeError(f"nobody was answered for {BACK_S:g} s: {fleet.workers[0].said[-5:]}")
