"""Service: what one of a fleet's workers does for all of them, while it leads: alerts, outputs and
Home Assistant, jobs, and letting go of what is old.

    service = Service(configs, owner, say)
    service.lead(worker.is_leader)      often: begins, or ends, what the leader does

It follows what all workers store, so it says what is stored and nothing else. What was raised and
announced is handed on through the store, so the next leader says nothing of it again.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from host_decoder.alerts import watch
from host_decoder.config import HostConfig
from host_decoder.errors import HostError
from host_decoder.events import Notice
from host_decoder.fleet import news
from host_decoder.fleet.words import RULES
from host_decoder.outputs import discovery
from host_decoder.outputs.outputs import Outputs
from host_decoder.store.database.access import Database
from host_decoder.store.database.opening import open_database
from host_decoder.store.followed import Follower
from host_decoder.store.history.desk import muted_nodes
from host_decoder.store.history.worker import job_worker
from host_decoder.store.leases import Leases
from host_decoder.store.retention import Retention
from link.base import durable
from link.bundle import Bundle

LOOK_S, RETRY_S, END_S = 0.5, 2.0, 3.0
TIDY_S = 1.0
HANDED_ON = (watch.FILE, discovery.FILE)
"Files of a host folder that the next leader wants, wherever it is."


class Service:
    """One worker's, whether it leads or not."""

    def __init__(
        self, configs: Sequence[HostConfig], owner: str, say: Callable[[Notice], None]
    ) -> None:
        """`say`: called in the service's own thread."""
        self._configs, self._owner, self._say = configs, owner, say
        self._bundles: dict[str, Bundle] = {
            bundle.id.hex(): bundle
            for config in configs
            for node in config.nodes
            for bundle in (node.bundle, *node.earlier_bundles)
        }
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def lead(self, is_leader: bool) -> None:
        """Returns at once, but at the end."""
        if is_leader and self._thread is None:
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=[self._over], name="fleet service", daemon=True
            )
            self._thread.start()
        elif not is_leader and self._thread is not None:
            self.close()

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(END_S)
            self._thread = None

    # The thread

    def _run(self, over: threading.Event) -> None:
        said = ""
        while not over.is_set():
            try:
                self._serve(over)
            except HostError as error:
                if str(error) != said:
                    said = str(error)
                    self._say(Notice(f"{error}; jobs and outputs wait", is_problem=True))
                over.wait(RETRY_S)

    def _serve(self, over: threading.Event) -> None:
        """Until the end; StoreError when the store is away."""
        dsn = str(self._configs[0].store)
        with ExitStack() as stack:
            database = open_database(dsn)
            stack.callback(database.close)
            leases = Leases(database, self._owner)
            self._unpack(leases)
            outputs = {
                config.site: stack.enter_context(Outputs(config)) for config in self._configs
            }
            stack.enter_context(job_worker(database))
            follower = stack.enter_context(Follower(dsn))
            retention = Retention(database, self._configs[0].keep)
            packed: dict[Path, float] = {}
            muted_s: dict[tuple[str, int], float] = {}
            for config in self._configs:
                rules = [rule.title for rule in config.outputs.alerts]
                leases.hand_on(RULES + config.site, json.dumps(rules))
            tidied_s = 0.0
            while not over.is_set():
                for line in follower.lines(LOOK_S):
                    found = None if line is None else news.read(line, self._bundles)
                    if found is not None and found[0] in outputs:
                        outputs[found[0]].look(found[1])
                for one in outputs.values():
                    for notice in one.notices():
                        self._say(notice)
                if time.monotonic() >= tidied_s + TIDY_S:
                    tidied_s = time.monotonic()
                    retention.step(time.time())
                    self._mute(database, outputs, muted_s)
                    self._pack(leases, packed)

    def _mute(
        self,
        database: Database,
        outputs: Mapping[str, Outputs],
        muted_s: dict[tuple[str, int], float],
    ) -> None:
        """What people said at pages since; what they said before is among what is handed on."""
        asked = muted_nodes(database)
        is_first = not muted_s
        for (site, node), until_s in asked.items():
            is_new = muted_s.get((site, node)) != until_s
            if is_new and site in outputs and (until_s > time.time() or not is_first):
                try:
                    outputs[site].mute(node, until_s)
                except HostError as error:
                    self._say(Notice(f"{site}: {error}"))
            muted_s[site, node] = until_s

    def _files(self) -> list[tuple[str, Path]]:
        return [
            (f"{config.site}/{name}", config.state_dir / name)
            for config in self._configs
            for name in HANDED_ON
        ]

    def _pack(self, leases: Leases, packed: dict[Path, float]) -> None:
        """What has changed, for whoever leads next."""
        for name, path in self._files():
            with suppress(OSError):
                changed_s = path.stat().st_mtime
                if packed.get(path) != changed_s:
                    leases.hand_on(name, path.read_text(encoding="utf-8"))
                    packed[path] = changed_s

    def _unpack(self, leases: Leases) -> None:
        for name, path in self._files():
            content = leases.handed(name)
            if content is not None:
                durable.write(path, content)
