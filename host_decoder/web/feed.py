"""Feed: from the host's loop to the page's process, without ever keeping the loop waiting.

    page = Page(config, …)             the port is taken, or an error says why not
    with page.running(database):
        page.tell(event)               returns at once; what does not fit is left out

The page is a process of its own: it knows no key, whatever it does costs the host a line of JSON
for each answer, and when it dies it is started again.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from host_decoder.config import HostConfig
from host_decoder.errors import HostError
from host_decoder.events import Answer, Duty, Heard, Notice
from host_decoder.store.database.access import Database
from host_decoder.web.config import WebConfig
from host_decoder.web.deeds import Deeds, Mute, Order
from host_decoder.web.door import NAME
from link.base import die_with_parent, extras
from link.host import Rejected

MAX_WAITING = 4000
"Lines for a page that does not read: seconds of a busy host."
PAUSE_S = 3.0
"Before a page that died is started again."
END_S = 2.0
NEEDED = ("starlette", "uvicorn")
GAP = {"event": "gap"}
RESULT = (
    *("node", "image", "label", "top", "confidence", "is_anomaly", "is_complete", "received_s"),
)
"What the page is told of an answer as it stands in its line."


class PageError(HostError):
    """The page cannot be had; the message says what to do."""


class Page:
    """The page's process, and what waits for it."""

    def __init__(
        self,
        config: WebConfig,
        store: str,
        nodes: Iterable[Mapping[str, Any]],
        bundles: Iterable[Path],
        door: Path,
        site: str,
        say: Callable[[str], None],
        alerts: Mapping[str, Any] | None = None,
        mute: Mute | None = None,
        order: Order | None = None,
    ) -> None:
        """`nodes`: site, node, name and what else host.toml says of each but its key; `door`: the
        file with who may come in; `alerts`: what host_decoder.web.alarms.Alarms is made of.
        """
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise PageError(
                f"the page needs {' and '.join(missing)}: {extras.install('fleet')}, or take [web] "
                "out of host.toml"
            )
        self.url = config.url
        self._bundles, self._mute, self._order = list(bundles), mute, order
        self._site = site
        self._say = say
        self._socket = _listening(config)
        web = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(config).items()
        }
        self._told = {
            "web": web,
            "store": store,
            "door": str(door),
            "nodes": list(nodes),
            "bundles": [str(path) for path in self._bundles],
            "alerts": alerts,
            "socket": self._socket.fileno(),
        }
        self._waiting: deque[Mapping[str, Any]] = deque(maxlen=MAX_WAITING)
        self._is_there = threading.Event()
        self._is_over = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def tell(self, event: Answer | Rejected | Heard | Notice | Duty) -> None:
        """What the page shows of it, if anything."""
        line = line_of(event, self._site)
        if line is not None:
            self.put(line)

    def put(self, line: Mapping[str, Any]) -> None:
        """A line of `line_of`, or that something was missed."""
        if len(self._waiting) == MAX_WAITING:
            self._waiting.clear()
            line = GAP
        self._waiting.append(line)
        self._is_there.set()

    @contextmanager
    def running(self, database: Database) -> Iterator[None]:
        """While entered it is there for browsers; what they decide is done to the database."""
        self._deeds = Deeds(database, self._bundles, self._mute, self._order)
        self._thread.start()
        try:
            yield
        finally:
            self._close()

    def _close(self) -> None:
        """At once: the page holds nothing that could be lost."""
        with self._lock:
            self._is_over = True
            if self._process is not None:
                self._process.kill()
        self._is_there.set()
        self._thread.join(END_S)
        self._close_socket()

    def _close_socket(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        """The page's process, again and again until the end."""
        has_said = False
        while True:
            try:
                with self._lock:
                    if self._is_over:
                        return
                    process = self._process = self._start()
            except OSError as error:
                why = f"the page cannot be started ({error}); it is tried again"
            else:
                threading.Thread(target=self._decide, args=[process], daemon=True).start()
                self._write(process)
                why = f"the page ended with code {process.wait()}; it is started again"
            if not self._is_over and not has_said:
                has_said = True
                self._say(why)
            self._wait(PAUSE_S)

    def _wait(self, time_s: float) -> None:
        """Or until the end."""
        until_s = time.monotonic() + time_s
        while not self._is_over and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.1))

    def _start(self) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C is the host's alone, which then ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "host_decoder.web"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._socket.fileno()],
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        """Until it or the host ends; here the thread may wait for the page as long as it likes."""
        assert process.stdin is not None
        try:
            _send(process, self._told)
            while not self._is_over and process.poll() is None:
                self._is_there.wait(1.0)
                self._is_there.clear()
                while self._waiting:
                    _send(process, self._waiting.popleft())
                process.stdin.flush()
        except BrokenPipeError:
            return

    def _decide(self, process: subprocess.Popen[bytes]) -> None:
        """What people decided at the page, until it ends: a line each, and an answer to each."""
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith(b"\n"):
                return  # it died while it wrote
            asked = json.loads(line)
            try:
                self._deeds.do(asked)
                error = None
            except HostError as reason:
                error = str(reason)
            self._waiting.append({"event": "decided", "number": asked["number"], "error": error})
            self._is_there.set()


def of_config(
    web: WebConfig,
    host: HostConfig,
    folder: Path,
    say: Callable[[str], None],
    mute: Callable[[int, float], None] | None = None,
    order: Callable[[int, str], None] | None = None,
) -> Page:
    """The page of the host that host.toml in that folder describes; no key goes there. `mute` and
    `order`: of its nodes.
    """
    bundles = {
        bundle.path: None for node in host.nodes for bundle in (node.bundle, *node.earlier_bundles)
    }
    nodes = [
        {
            "site": host.site,
            "node": node.number,
            "bundle": node.bundle.id.hex(),
            "name": node.name,
            "latitude": node.latitude,
            "longitude": node.longitude,
            "period_s": node.period_s,
        }
        for node in host.nodes
    ]
    alerts = {
        "folder": str(host.state_dir),
        "site": host.site,
        "rules": [rule.title for rule in host.outputs.alerts],
    }
    own_mute = None if mute is None else lambda site, node, until_s: mute(node, until_s)
    own_order = None if order is None else lambda site, node, word: order(node, word)
    place = folder / NAME
    return Page(
        web, str(host.store), nodes, bundles, place, host.site, say, alerts, own_mute, own_order
    )


def line_of(event: Answer | Rejected | Heard | Notice | Duty, site: str) -> dict[str, Any] | None:
    """What the page is told of an event; None: nothing."""
    if isinstance(event, Answer):
        return result_line(event.to_json(), site)
    if isinstance(event, Duty):
        return {"event": "duty", "site": site, **asdict(event)}
    if isinstance(event, Notice) and event.is_problem:
        return {"event": "problem", "sentence": event.sentence}
    return None


def result_line(said: Mapping[str, Any], site: str) -> dict[str, Any]:
    """`said`: what Answer.to_json says."""
    return {
        "event": "result",
        "site": site,
        "key": f"{site}:{said['node']}:{said['image']}",
        "revision": said["chunks"],
        **{name: said[name] for name in RESULT},
    }


def _send(process: subprocess.Popen[bytes], content: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(content).encode() + b"\n")


def _listening(config: WebConfig) -> socket.socket:
    """Taken by the host itself, so that a port that is taken is said at once."""
    family = socket.AF_INET6 if ":" in config.address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.address, config.port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise PageError(
            f"the page cannot be at {config.address} port {config.port} ({error.strerror}); name "
            "another port in [web] of host.toml"
        ) from None
    return listening
