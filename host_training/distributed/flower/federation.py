"""Federation: Flower's processes of a run, started, watched, and started again.

    with Federation(folder, environment, gateways) as federation:
        federation.begin()
        while not federation.is_finished:
            federation.watch()

A SuperLink (the host) and, on this machine, a SuperNode for each gateway that is named here; those
elsewhere are started there (docs/global.md). Whatever ends too early is started again: Flower's
processes, and the run itself, which goes on behind the last round that is on the disk. All of
Flower's own files are in `folder/flower`; nothing it does asks a stranger.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from host_training.distributed.flower import certificates
from host_training.distributed.flower.process import start
from host_training.distributed.flower.serve import PROCESS, ROUNDS
from host_training.distributed.server.folder import STATE, Gateway, write_gateways
from link.base import FolderLock, HeldError

ROOT = Path(__file__).parents[3]
"Where our packages lie."
LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 120.0
"For a SuperLink or a run to begin, on a busy machine."
COMMAND_TIMEOUT_S = 90.0
POLL_S = 0.5
AGAIN_S = 20.0
"""Between two starts of a process: a SuperLink lets a SuperNode that was killed in again only when
it has missed it for a minute.
"""
BUNDLE = """[project]
name = "latentlink"
version = "1.0.0"
dependencies = []
[tool.flwr.app]
publisher = "latentlink"
[tool.flwr.app.components]
serverapp = "host_training.distributed.flower.app:server_app"
clientapp = "host_training.distributed.flower.app:client_app"
[tool.flwr.app.config]
folder = {folder}
"""
CONNECTION = """[superlink]
default = "run"
[superlink.run]
address = "{host}:{port}"
root-certificates = {authority}
"""
ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "OMP_NUM_THREADS": "1",
}


class FederationError(RuntimeError):
    """Flower does not do what it should; the message says what, and where its log is."""


@dataclass(frozen=True)
class LocalGateway:
    """A SuperNode on this machine."""

    devices: tuple[int, ...]
    sockets: Path
    "Folder of the devices' sockets, one by each number."


class Federation:
    """A run's processes; as a context manager they are ended on leaving."""

    def __init__(
        self,
        folder: Path,
        environment: Path,
        gateways: Sequence[LocalGateway],
        tell: Callable[[str], object] = print,
    ) -> None:
        """`folder`: of the run (folder.Folder); `environment`: with Flower (.venv-global)."""
        self.folder, self._programs = folder.resolve(), environment.resolve() / "bin"
        self._gateways, self._tell = tuple(gateways), tell
        self._own = self.folder / "flower"
        self._tls = self._own / "tls"
        self.ports = self._choose_ports()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._again_s: dict[str, float] = {}
        self.n_starts = 0
        "How often the run began, the first time counted."
        path = f"{self._programs}{os.pathsep}{os.environ.get('PATH', '')}"
        own = {"PATH": path, "FLWR_HOME": str(self._own / "home"), "PYTHONPATH": str(ROOT)}
        self._environment = {**os.environ, **ENVIRONMENT, **own}

    def begin(self) -> None:
        """Everything that the run needs, and the run itself."""
        if not (self._programs / "flower-superlink").exists():
            raise FederationError(
                f"there is no Flower in {self._programs}; make global installs it"
            )
        certificates.make_certificates(self._tls, [LOOPBACK, "localhost"])
        for number in range(len(self._gateways)):
            certificates.make_gateway_key(self._gateway_key(number))
        self._write_settings()
        self._start_superlink()
        self._register()
        for number in range(len(self._gateways)):
            self.start_supernode(number)
        self._submit()

    @property
    def is_finished(self) -> bool:
        """Whether the run's server has said that it ends."""
        return any(event["event"] == "ends" for event in read_events(self.folder))

    @property
    def server_pid(self) -> int | None:
        """The process that serves the run; None where none does."""
        try:
            FolderLock(self.folder / STATE).close()
        except HeldError:
            with suppress(OSError, ValueError):
                return int((self.folder / PROCESS).read_text())
        except FileNotFoundError:
            pass  # it never began
        return None

    def pid(self, name: str) -> int:
        """A process by its name: superlink, supernode-0 …"""
        return self._processes[name].pid

    def watch(self) -> None:
        """Start again what has ended."""
        for name, process in list(self._processes.items()):
            if process.poll() is None or time.monotonic() < self._again_s.get(name, 0.0):
                continue
            self._again_s[name] = time.monotonic() + AGAIN_S
            self._tell(f"{name} ended ({process.returncode}), it is started again")
            if name == "superlink":
                self._end_server()
                self._start_superlink()
            else:
                self.start_supernode(int(name.rpartition("-")[2]))
        if self.server_pid is None and not self.is_finished:
            self._tell("the run's server ended, the run is submitted again")
            self._submit()

    def start_supernode(self, number: int) -> None:
        gateway = self._gateways[number]
        self._start(
            f"supernode-{number}",
            "flower-supernode",
            *("--root-certificates", self._tls / certificates.AUTHORITY),
            *("--superlink", f"{LOOPBACK}:{self.ports[0]}"),
            *("--auth-supernode-private-key", self._gateway_key(number)),
            *("--host", LOOPBACK, "--port", self.ports[1 + number]),
            *("--node-config", f"sockets={json.dumps(str(gateway.sockets))}"),
        )

    def close(self) -> None:
        """End all that was started."""
        self._end_server()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> "Federation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_superlink(self) -> None:
        self._start(
            "superlink",
            "flower-superlink",
            *("--ssl-ca-certfile", self._tls / certificates.AUTHORITY),
            *("--ssl-certfile", self._tls / certificates.CERTIFICATE),
            *("--ssl-keyfile", self._tls / certificates.KEY),
            *("--host", LOOPBACK, "--port", self.ports[0]),
            *("--database", self._own / "superlink.sqlite"),
            *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        )
        trusted = ssl.create_default_context(cafile=str(self._tls / certificates.AUTHORITY))
        self._wait(lambda: _answers(f"https://{LOOPBACK}:{self.ports[0]}/health", trusted))

    def _register(self) -> None:
        """The gateways' keys; Flower's numbers for them go into the run's folder."""
        known = self._own / "nodes.json"
        nodes: dict[str, int] = json.loads(known.read_text()) if known.exists() else {}
        for number in range(len(self._gateways)):
            public = self._gateway_key(number).with_suffix(".pub")
            key = public.read_text()
            if key not in nodes:
                nodes[key] = int(self._command("supernode", "register", public)["node-id"])
                known.write_text(json.dumps(nodes))
        keys = [self._gateway_key(each).with_suffix(".pub") for each in range(len(self._gateways))]
        write_gateways(
            self.folder,
            [
                Gateway(number, nodes[keys[number].read_text()], gateway.devices)
                for number, gateway in enumerate(self._gateways)
            ],
        )

    def _submit(self) -> None:
        self._command("run", self._own / "bundle")
        self.n_starts += 1
        self._wait(lambda: self.server_pid is not None or self.is_finished)

    def _end_server(self) -> None:
        """The orphan of a SuperLink that is gone: it would serve the run beside the new one."""
        if pid := self.server_pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._wait(lambda: self.server_pid is None)

    def _command(self, *words: object) -> Mapping[str, str]:
        """What `flwr` says, as JSON; FederationError where it fails."""
        command = [str(self._programs / "flwr"), *map(str, words), "--format", "json"]
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        try:
            said = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            said = {}
        if not said.get("success"):
            raise FederationError(
                f"flwr {' '.join(map(str, words))}: {done.stdout}{done.stderr}; its host's log is "
                f"{self._own / 'superlink.log'}"
            )
        return said

    def _wait(self, is_so: Callable[[], bool]) -> None:
        until_s = time.monotonic() + START_TIMEOUT_S
        while not is_so():
            if time.monotonic() > until_s:
                raise FederationError(
                    f"Flower did not begin within {START_TIMEOUT_S:.0f} s; see {self._own}/*.log"
                )
            time.sleep(POLL_S)

    def _start(self, name: str, *command: object) -> None:
        program = str(self._programs / str(command[0]))
        words = [program, *map(str, command[1:])]
        log = self._own / f"{name}.log"
        self._processes[name] = start(words, log, self._environment)

    def _gateway_key(self, number: int) -> Path:
        return self._own / "gateways" / f"{number}.key"

    def _write_settings(self) -> None:
        """The connection that `flwr` takes, and the bundle that names our two apps."""
        (self._own / "home").mkdir(exist_ok=True)
        (self._own / "bundle").mkdir(exist_ok=True)
        authority = json.dumps(str(self._tls / certificates.AUTHORITY))
        connection = CONNECTION.format(host=LOOPBACK, port=self.ports[0], authority=authority)
        (self._own / "home" / "config.toml").write_text(connection)
        bundle = BUNDLE.format(folder=json.dumps(str(self.folder)))
        (self._own / "bundle" / "pyproject.toml").write_text(bundle)

    def _choose_ports(self) -> list[int]:
        """Free ones, and the same again when the run goes on: gateways know the first."""
        self._own.mkdir(parents=True, exist_ok=True)
        path = self._own / "ports.json"
        ports: list[int] = json.loads(path.read_text()) if path.exists() else []
        probes = [_probe() for _ in range(1 + len(self._gateways) - len(ports))]
        ports += [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        path.write_text(json.dumps(ports))
        return ports


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What the run's server has told so far, in order; a line that is still being written is not
    there.
    """
    try:
        text = (folder / ROUNDS).read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _probe() -> socket.socket:
    """Bound to a port that is free."""
    probe = socket.socket()
    probe.bind((LOOPBACK, 0))
    return probe


def _answers(url: str, trusted: ssl.SSLContext) -> bool:
    try:
        with urlopen(url, timeout=5, context=trusted) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
