"""Live: an emulated line, a node or a team of them, and a host, on one screen.

    replay file → [node process] ↔ pseudo-terminal ↔ [line process: slow, lossy]
    screen, store ← [this process] ↔ pseudo-terminal ↔ [the same line process]

Only packets cross the line. Of a team every member is such a process with a modem of its own on the
one channel, and they hear each other over UDP. The picture and the truth on the screen come from
the node's own console. However it ends, no process is left behind, and unless it is killed no
folder: the children are ended in order, then the run's folder goes.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_decoder.config import KnownNode
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer, Event, Explainer, Notice
from host_decoder.gateway_config import GatewayConfig
from host_decoder.live.crew import Crew
from host_decoder.live.options import (
    LiveError,
    LiveOptions,
    Team,
    draw_replay,
    free_addresses,
    node_toml,
    profile_of,
    read_replay,
    with_team,
)
from host_decoder.live.processes import Child, ChildError, line_command
from host_decoder.receive.gateways import listen, timing_of
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from host_decoder.view.summary import Title
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally
from host_decoder.view.terminal import Screen
from link.bundle import Bundle
from link.carriers import CarrierSettings
from link.host import Rejected
from link.security import provision, provision_team

NODE = 1
START_TIMEOUT_S = 60.0
"For the line to say where its ends are; a loaded machine starts slowly."
QUIET_S = 1.0
"""Once the node is done and its last image could be here, how long to wait before what is missing
counts as lost.
"""
TEAM_QUIET_S = 4.0
"So much longer, for what a member that took over has still to send."
SILENCE_S = 20.0
"Without a first answer, until the person is told why nothing is to be seen."
STORE_PATIENCE_S = 3.0
FREQUENCY_HZ = 869_525_000
"Modems have to be told one; nothing radiates."


@dataclass(frozen=True)
class LiveResult:
    """What a run came to."""

    tally: Tally
    first_label_s: float | None
    "From the start of the command to the first answer."
    line: dict[str, Any]
    "Statistics of the emulated line."
    link: dict[str, Any]
    "What the host counted of its link to the node, link.host.statistics.NodeStatistics.to_json."
    is_interrupted: bool


class LiveRun:
    """One run, everything checked on construction; `started_s` is the monotonic time at which the
    command began.
    """

    def __init__(
        self, options: LiveOptions, started_s: float, should_stop: Callable[[], bool]
    ) -> None:
        self.profile = profile_of(options)
        self.bundle = Bundle.load(options.bundle, side="host")
        self.options = with_team(options, self.bundle, self.profile)
        self._replay = read_replay(options.replay, self.bundle)
        self._n_images = min(options.images or len(self._replay), len(self._replay))
        self.tally = Tally(self.profile, self._team())
        self._first_label_s: float | None = None
        self._started_s = started_s
        self._should_stop = should_stop
        self._explainer = Explainer()
        self._quiet_since_s = self._answered_s = self._stored_s = 0.0
        self._silent_since_s: float | None = None
        """Since the node was started; None once an answer came, or the person was told that none
        does.
        """
        self._link: dict[str, Any] = {"node": NODE}

    @property
    def title(self) -> Title:
        loss = "" if self.options.loss == "none" else f", loss {self.options.loss}"
        bundle = f"{self.bundle.data_set} {self.bundle.id.hex()}"
        node = str(NODE) if self.options.fog is None else f"{NODE} ({self.options.fog} members)"
        return Title(bundle, f"emulated {self.profile.name}{loss}", node, self._n_images)

    def run(self, screen: Screen) -> LiveResult:
        """Until every image has come through or is lost, or should_stop(); ChildError when a
        process dies.
        """
        with tempfile.TemporaryDirectory(prefix="latentlink-live-") as name:
            folder = Path(name)
            key = self._provision(folder / "keys")
            with (
                Child("the emulated line", line_command(self.options)) as line,
                Store(self.options.store or folder / "store.sqlite") as store,
            ):
                node = KnownNode(NODE, key, self.bundle, has_downlink=self.options.has_downlink)
                if ends := self._ends(line):
                    *ports, own_port = ends.values()
                    gateway = self._gateway(own_port)
                    verdict = (
                        None
                        if self.options.verdict is None
                        else VerdictConfig(self.options.verdict)
                    )
                    with closing(Host([node], store, (), timing_of([gateway]), verdict)) as host:
                        self._join(ports, gateway, line, host, folder, screen)
                line.stop()
                statistics = [json.loads(written.text) for written in line.take_lines()]
            return LiveResult(
                self.tally,
                self._first_label_s,
                (statistics or [{}])[-1],
                self._link,
                self._should_stop(),
            )

    def _join(
        self,
        ports: Sequence[str],
        gateway: GatewayConfig,
        line: Child,
        host: Host,
        folder: Path,
        screen: Screen,
    ) -> None:
        """Each node at its end of the line, the host at another."""
        for sentence in host.notices:
            screen.notice(sentence)
        if self._n_images < len(self._replay):
            seed = self.options.seed
            screen.notice(
                f"{self._n_images} of {len(self._replay)} images of the replay file, drawn by "
                f"seed {seed}"
            )
        options = draw_replay(self.options, self._replay, folder)
        configs = self._write_configs(options, ports, folder)
        with closing(listen(host, [gateway], self._should_stop)) as events:
            for event in events:  # the port is open before the node speaks
                self._show(event, screen)
                if isinstance(event, Notice):
                    break
            kill, seed = self.options.kill, self.options.seed
            self._crew = Crew(configs, NODE, self.tally, screen, kill, seed)
            with closing(self._crew):
                self._silent_since_s = time.monotonic()
                for event in events:
                    self._crew.look()
                    if event is not None:
                        self.tally.n_lost = host.figures(NODE)["lost"]
                    self._show(event, screen)
                    self._check_store(host)
                    self._tell_silence(screen)
                    if not line.is_running and not self._should_stop():
                        raise ChildError(line.why_ended())
                    if self._is_over():
                        break
        self._link = {"node": NODE, **host.figures(NODE)}

    def _tell_silence(self, screen: Screen) -> None:
        """The node asks on, ever more rarely, until something comes through, and that may be
        never.
        """
        if self.tally.n_answered:
            self._silent_since_s = None
        elif (
            self._silent_since_s is not None and time.monotonic() > self._silent_since_s + SILENCE_S
        ):
            self._silent_since_s = None
            screen.notice(
                f"no image has come through in {SILENCE_S:g} s, over a line with loss "
                f"{self.options.loss} and bit errors {self.options.bit_errors:g}; the node goes on "
                "trying, Ctrl-C ends the run"
            )

    def _check_store(self, host: Host) -> None:
        """A host in the field waits for its store; somebody who watches would only see that nothing
        happens.
        """
        if host.trouble is None:
            self._stored_s = time.monotonic()
        elif time.monotonic() > self._stored_s + STORE_PATIENCE_S:
            raise LiveError(host.trouble)

    def _team(self) -> TeamTally | None:
        """A team, and which image is which: all members replay the same."""
        if self.options.fog is None:
            return None
        replay = self._replay
        if self._n_images < len(replay):
            replay = replay.drawn(self._n_images, self.options.seed)
        return TeamTally(self.options.fog, list(map(replay.label, range(len(replay)))))

    def _provision(self, folder: Path) -> bytes:
        """The key of the node, or of all members of the team, each with a counter of its own."""
        if self.options.fog is None:
            return provision(folder, NODE).key
        return provision_team(folder, NODE, self.options.fog)[0].key

    def _write_configs(
        self, options: LiveOptions, ports: Sequence[str], folder: Path
    ) -> list[Path]:
        """A node.toml for each node."""
        addresses = free_addresses(len(ports))
        configs = []
        for number, port in enumerate(ports):
            team = Team(number, addresses) if self.options.fog else None
            text = node_toml(options, NODE, port, self._frequency_hz, team)
            configs.append(folder / f"node-{number}.toml")
            configs[-1].write_text(text, encoding="utf-8")
        return configs

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
                    f"{line.name} has not started within {START_TIMEOUT_S:g} s; try again on a "
                    "less busy machine"
                )
        return None

    def _show(self, event: Event | Notice | None, screen: Screen) -> None:
        if isinstance(event, Answer):
            if self._first_label_s is None:
                self._first_label_s = time.monotonic() - self._started_s
            self._quiet_since_s = self._answered_s = time.monotonic()
            row = self.tally.add_answer(event, time.time())
            if row.position is not None:
                screen.show(self.tally, row)
        elif isinstance(event, Rejected):
            self._quiet_since_s = time.monotonic()
            self.tally.add_rejected(event)
            if sentence := self._explainer.explain(event, time.monotonic()):
                screen.notice(sentence)
        elif isinstance(event, Notice) and event.is_problem:
            screen.notice(event.sentence)
        screen.tick(self.tally)

    def _is_over(self) -> bool:
        """The node is done, and every image is here or had its time to arrive."""
        last_s = max(self._quiet_since_s, self._crew.said_s)
        if self._crew.is_done:
            return self._is_past(last_s) or self.tally.n_settled >= self.tally.n_captured
        if self.tally.team and self.tally.team.n_through >= self._n_images:
            return self._is_past(last_s + TEAM_QUIET_S)
        # It may still ask, ever more rarely, for a report that is lost again and again.
        return self.tally.n_settled >= self._n_images and self._is_past(self._answered_s)

    def _is_past(self, since_s: float) -> bool:
        return time.monotonic() > since_s + 2 * self._crew.airtime_s + QUIET_S

    def _gateway(self, port: str) -> GatewayConfig:
        settings = CarrierSettings(self.profile, port, frequency_hz=self._frequency_hz)
        return GatewayConfig(
            "line", settings, region="wire", has_downlink=self.options.has_downlink
        )

    @property
    def _frequency_hz(self) -> int | None:
        return FREQUENCY_HZ if self.profile.is_radio else None
