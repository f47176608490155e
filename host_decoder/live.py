"""Live: an emulated line, a node and a host, in three processes, on one screen.

    replay file → [node process] → pseudo-terminal → [line process: slow, lossy] → pseudo-terminal → [this process]

Only packets cross the line. The picture and the truth that the view shows come from the node's own console.
Whatever happens, no process and no folder is left behind: the children are ended in order, then the run's folder goes.
"""

import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from host_decoder.config import HostNode
from host_decoder.errors import HostError
from host_decoder.events import Answer, Event, Explainer, Notice, Refusal
from host_decoder.processes import Child, ChildError
from host_decoder.service import Host, listen
from host_decoder.store import Store
from host_decoder.tally import Sent, Tally
from host_decoder.view import Title, View
from link.bundle import Bundle
from link.channel import parse_loss
from link.keys import provision
from link.profiles import get_profile

NODE = 1
START_TIMEOUT_S = 60.0
"For the line to say where its ends are; a loaded machine starts slowly."
QUIET_S = 1.0
"Once the node is done and its last image could be here, how long to wait before what is missing counts as lost."


class LiveError(HostError):
    """The run cannot begin or go on; the message says why and what to do."""


@dataclass(frozen=True)
class LiveOptions:
    """What one live run is made of."""

    bundle: Path
    replay: Path
    "Images uint8 (N, H, W, C), labels and classes in an .npz file."
    link: str = "lora-sf7"
    loss: str = "none"
    "Of frames (radio) or bytes (serial), as link.channel.parse_loss reads it."
    bit_errors: float = 0.0
    images: int | None = None
    "None: all of the replay file."
    interval_s: float = 0.0
    seed: int = 0
    store: Path | None = None
    "None: in the run's folder, gone at the end."


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    tally: Tally
    first_label_s: float | None
    "From the start of the command to the first answer."
    line: dict[str, Any]
    "Statistics of the emulated line."
    is_interrupted: bool


class LiveRun:
    """One run, everything checked on construction; `started_s` is the monotonic time at which the command began."""

    def __init__(self, options: LiveOptions, started_s: float, should_stop: Callable[[], bool]) -> None:
        if options.link.startswith("/"):
            raise LiveError(
                f"live emulates its line and cannot use the port {options.link}; name a link profile, "
                "or run `python -m host_decoder listen` here and `python -m device` on the node"
            )
        self.options = options
        try:
            self.profile = get_profile(options.link)
            parse_loss(options.loss)
        except ValueError as error:
            raise LiveError(str(error)) from None
        self.bundle = Bundle.load(options.bundle, side="host")
        _check_replay(options.replay, self.bundle)
        self.tally = Tally()
        self._first_label_s: float | None = None
        self._started_s = started_s
        self._should_stop = should_stop
        self._explainer = Explainer()
        self._is_node_done = False
        self._quiet_since_s = 0.0

    @property
    def title(self) -> Title:
        loss = "" if self.options.loss == "none" else f", loss {self.options.loss}"
        return Title(f"{self.bundle.data_set} {self.bundle.id.hex()}", f"emulated {self.profile.name}{loss}", str(NODE))

    def run(self, view: View) -> Outcome:
        """Until every image has come through or is lost, or should_stop(); ChildError when a process dies."""
        with tempfile.TemporaryDirectory(prefix="latentlink-live-") as name:
            folder = Path(name)
            key = provision(folder / "keys", NODE).key
            with (
                Child("the emulated line", self._line_command()) as line,
                Store(self.options.store or folder / "store.sqlite") as store,
            ):
                host = Host([HostNode(NODE, key, self.bundle)], store)
                if ends := self._ends(line):
                    self._join(ends, line, host, folder, view)
                line.stop()
                statistics = [json.loads(written.text) for written in line.take_lines()]
            return Outcome(self.tally, self._first_label_s, (statistics or [{}])[-1], self._should_stop())

    def _join(self, ends: dict[str, str], line: Child, host: Host, folder: Path, view: View) -> None:
        """The node at one end of the line, the host at the other."""
        config = folder / "node.toml"
        config.write_text(self._node_toml(ends["a"]), encoding="utf-8")
        with closing(listen(host, ends["b"], self.profile.bitrate_bps, self._should_stop)) as events:
            self._show(next(events, None), view)  # the port is open before the node speaks
            with Child(
                "the node", [sys.executable, "-m", "device", str(config), "--console", "json", "--once"]
            ) as node:
                for event in events:
                    is_node_running = node.is_running
                    self._read_console(node, view)
                    self._show(event, view)
                    if not line.is_running and not self._should_stop():
                        raise ChildError(line.why_ended())
                    if not is_node_running:
                        self._take_leave(node, view)
                    if self._is_over():
                        return

    def _take_leave(self, node: Child, view: View) -> None:
        """The node's last words; ChildError when it ended without being done."""
        why = node.why_ended()
        self._read_console(node, view)
        if not self._is_node_done:
            raise ChildError(why)

    def _ends(self, line: Child) -> dict[str, str] | None:
        """Where the line's ends are, as its first word says; None when interrupted before."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._should_stop():
            is_running = line.is_running
            if written := line.take_lines(wait_s=0.05):
                ends: dict[str, str] = json.loads(written[0].text)
                return ends
            if not is_running:
                raise ChildError(line.why_ended())
            if time.monotonic() > deadline_s:
                raise LiveError(
                    f"{line.name} has not started within {START_TIMEOUT_S:g} s; try again on a less busy machine"
                )
        return None

    def _read_console(self, node: Child, view: View) -> None:
        for written in node.take_lines():
            self._quiet_since_s = time.monotonic()
            try:
                said = json.loads(written.text)
                if said.get("done"):
                    self._is_node_done = True
                    continue
                row = self.tally.add_sent(Sent.from_json(said, written.at_s), NODE)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ChildError(
                    f"{node.name} wrote what is no line of its console ({error}): {written.text[:80]}"
                ) from None
            if row.answer is not None:
                view.show(self.tally, row)

    def _show(self, event: Event | Notice | None, view: View) -> None:
        if isinstance(event, Answer):
            if self._first_label_s is None:
                self._first_label_s = time.monotonic() - self._started_s
            self._quiet_since_s = time.monotonic()
            row = self.tally.add_answer(event, time.time())
            if row.sent is not None:
                view.show(self.tally, row)
        elif isinstance(event, Refusal):
            self._quiet_since_s = time.monotonic()
            self.tally.add_refusal(event)
            if sentence := self._explainer.explain(event, time.time()):
                view.notice(sentence)
        elif isinstance(event, Notice) and event.is_problem:
            view.notice(event.sentence)
        view.tick(self.tally)

    def _is_over(self) -> bool:
        """The node is done, and every image is here or had its time to arrive."""
        if not self._is_node_done:
            return False
        newest = self.tally.newest
        airtime_s = newest.sent.airtime_s if newest and newest.sent else 0.0
        is_quiet = time.monotonic() > self._quiet_since_s + 2 * airtime_s + QUIET_S
        return is_quiet or self.tally.n_complete >= self.tally.n_sent

    def _line_command(self) -> list[str]:
        options = self.options
        return [
            *(sys.executable, "-m", "link", "emulate", options.link),
            *("--loss", options.loss, "--bit-errors", str(options.bit_errors), "--seed", str(options.seed)),
        ]

    def _node_toml(self, port: str) -> str:
        """JSON's strings and numbers are TOML's."""
        options = self.options
        limit = "" if options.images is None else f"limit = {options.images}\n"
        return (
            f"node = {NODE}\n"
            f"bundle = {_toml(options.bundle.resolve())}\n"
            'key_dir = "keys"\n'
            "[source]\n"
            'kind = "replay"\n'
            f"path = {_toml(options.replay.resolve())}\n"
            f"interval_s = {options.interval_s}\n{limit}"
            "[link]\n"
            f"port = {_toml(port)}\n"
            f"profile = {_toml(options.link)}\n"
        )


def _toml(text: object) -> str:
    return json.dumps(str(text), ensure_ascii=False)


def _check_replay(path: Path, bundle: Bundle) -> None:
    """Readable, and labelled in the bundle's words: otherwise every answer would count as wrong."""
    if not path.is_file():
        raise LiveError(f"there is no replay file {path}; `python -m host_training replay` writes one")
    try:
        with np.load(path, allow_pickle=False) as file:
            classes = [str(name) for name in file["classes"]] if "classes" in file else []
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise LiveError(f"replay file {path} cannot be read ({error}); write it again") from None
    if unknown := [name for name in classes if name not in bundle.classes]:
        raise LiveError(
            f"replay file {path} has the class '{unknown[0]}', bundle {bundle.path} knows "
            f"{', '.join(bundle.classes[:12])}; replay the data set that the bundle was made for"
        )
