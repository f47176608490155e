"""Prometheus: figures of this process at /metrics. The one file that imports prometheus_client.

No key, no sentence and nothing that a stranger chose stands in a label.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from host_decoder.alerts.observed import Observation, Observed
from host_decoder.events import Answer, Heard
from host_decoder.outputs.sections import PrometheusConfig, is_loopback
from link.base import extras
from link.host import Rejected

MAX_NODES = 2000
REQUEST_TIMEOUT_S = 5.0
LATENCIES_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 86_400)
COMMITS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Metrics:
    """What is counted since this start."""

    def __init__(self, site: str, observation: Observation, per_node: bool = True) -> None:
        self.registry = CollectorRegistry()
        self._site, self._observation = site, observation

        def named(kind: Callable, name: str, text: str, *labels: str, **more: object):  # type: ignore[no-untyped-def]
            return kind(f"latentlink_{name}", text, labels, registry=self.registry, **more)

        self._packets = named(
            Counter, "packets", "Packets that came.", "site", "gateway", "outcome"
        )
        self._results = named(Counter, "results", "Answers, by task.", "site", "task")
        self._bytes = named(Counter, "bytes", "Of packets.", "direction")
        self._airtime = named(Counter, "airtime_seconds", "On the air.", "site", "direction")
        self._refusals = named(Counter, "refusals", "What was not used.", "reason")
        self._latency = named(
            Histogram,
            "result_latency_seconds",
            "From capture to answer.",
            buckets=LATENCIES_S,
        )
        self._commit = named(Histogram, "commit_seconds", "To store a packet.", buckets=COMMITS_S)
        self._alerts = named(Gauge, "alerts", "Raised now.", "site", "rule")
        self._pending = named(Gauge, "outbox_pending", "Not sent yet.", "output")
        self._dropped = named(Counter, "events_dropped", "Outputs were too slow for them.")
        self._nodes = named(Gauge, "nodes", "By what is known of them.", "site", "availability")
        build = named(Gauge, "build_info", "Its version.", "version")
        build.labels(extras.version()).set(1)
        self._truncated = named(
            Gauge, "per_node_truncated", "1: there are more nodes than figures of nodes."
        )
        self._of_node = {
            name: named(Gauge, f"node_{name}", text, "site", "node")
            for name, text in (
                ("last_heard_timestamp_seconds", "Unix time."),
                ("loss_ratio", "Of an hour's packets."),
                ("budget_seconds", "Airtime that it has left."),
                ("snr_db", "Of its last packet."),
            )
            if per_node
        }
        self._known: dict[int, Mapping[str, float]] = {}
        for direction in ("up", "down"):
            self._bytes.labels(direction)
            self._airtime.labels(site, direction)

    def take(self, event: Answer | Heard | Rejected, observed: Observed | None) -> None:
        """Counts it."""
        if isinstance(event, Heard):
            self._packets.labels(self._site, event.gateway, event.outcome or "other").inc()
            self._bytes.labels("up").inc(event.packet_bytes)
            if event.commit_s is not None:
                self._commit.observe(event.commit_s)
            if observed is not None and event.is_stored:
                self._count_air(observed.node.number, event.figures)
        elif isinstance(event, Rejected):
            self._refusals.labels(str(event.reason)).inc()
        elif isinstance(event, Answer):
            for task in ("label", *event.tasks):
                self._results.labels(self._site, task).inc()
            if event.age_s is not None:
                self._latency.observe(max(0.0, event.age_s + time.time() - event.received_s))

    def look(
        self,
        now_s: float,
        raised: Mapping[str, int],
        pending: Mapping[str, int],
        n_dropped: int,
    ) -> None:
        """Once in a while: what is not counted but is. `raised`: alerts by rule; `n_dropped`: since
        the last time.
        """
        presence = self._observation.presence
        silent = [presence.is_silent(node, now_s) for node in self._observation.nodes]
        for name, state in (("online", False), ("offline", True), ("unknown", None)):
            self._nodes.labels(self._site, name).set(silent.count(state))
        for rule, n in raised.items():
            self._alerts.labels(self._site, rule).set(n)
        for output, n in pending.items():
            self._pending.labels(output).set(n)
        self._dropped.inc(n_dropped)
        nodes = sorted(self._observation.nodes) if self._of_node else []
        self._truncated.set(int(len(nodes) > MAX_NODES))
        for node in nodes[:MAX_NODES]:
            self._show(node, self._observation.nodes[node])

    def _show(self, node: int, observed: Observed) -> None:
        status = observed.status
        figures = {
            "last_heard_timestamp_seconds": self._observation.presence.heard_s(node),
            "loss_ratio": observed.loss_ratio(),
            "budget_seconds": status.budget_s if status else None,
            "snr_db": observed.heard.quality.snr_db if observed.heard else None,
        }
        for name, value in figures.items():
            if value is not None:
                self._of_node[name].labels(self._site, str(node)).set(value)

    def _count_air(self, node: int, figures: Mapping[str, float]) -> None:
        """Figures of a node only grow."""
        before = self._known.get(node, {})
        self._known[node] = figures

        def more(name: str) -> float:
            return max(0.0, figures.get(name, 0.0) - before.get(name, 0.0))

        self._bytes.labels("down").inc(more("downlink_bytes"))
        self._airtime.labels(self._site, "up").inc(more("airtime_s"))
        self._airtime.labels(self._site, "down").inc(more("downlink_airtime_s"))


class MetricsServer:
    """Answers GET /metrics, and nothing else."""

    def __init__(self, config: PrometheusConfig, metrics: Metrics) -> None:
        """Raises OSError when the address is taken."""
        name, _ = config.address
        registry, is_own = metrics.registry, is_loopback(name)

        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_TIMEOUT_S
            server_version, sys_version = "latentlink", ""

            def do_GET(self) -> None:
                host = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
                if is_own and not is_loopback(host):  # a page elsewhere that names this machine
                    self.send_error(421)
                elif self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                else:
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    body = encode(registry)
                    self.send_response(200)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = _family(name)

            def handle_error(self, *_: object) -> None:
                """Whoever asked has gone."""

        self._server = Server(config.address, Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        self._server.server_close()


def _family(name: str) -> int:
    return socket.AF_INET6 if ":" in name else socket.AF_INET
