"""A team of real member processes on this machine, and the host's end of their uplinks."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from link.bundle.bundle import Bundle
from link.carriers.carrier import CarrierSettings, open_carrier
from link.host.interface import NodeEntry, Update
from link.host.receiver import Receiver
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.security.keys import provision
from link.wire.packet import Chunk
from tests.worlds.team_bundle import make_team_bundle, random_images

NODE = 5
UDP = get_profile("udp")


def free_ports(n_ports: int) -> list[int]:
    """UDP ports of this machine that nobody has."""
    opened = [open_carrier(CarrierSettings(UDP, "127.0.0.1:0")) for _ in range(n_ports)]
    numbers = [one.port for one in opened]  # type: ignore[attr-defined]
    for one in opened:
        one.close()
    return numbers


class TeamHost:
    """Takes and acknowledges what any of the team's modems sends, in a thread of its own."""

    def __init__(self, key: bytes, bundle, answers: bool = True) -> None:
        timing = LinkTiming(UDP) if answers else None
        self._receiver = Receiver({NODE: NodeEntry(key, bundle, has_downlink=answers)}, timing)
        self._udp = open_carrier(CarrierSettings(UDP, "127.0.0.1:0"))
        self.port = self._udp.port  # type: ignore[attr-defined]
        self.updates: dict[int, Update] = {}
        self.n_updates = 0
        "What changed what is known of an image."
        self._stored: dict[int, list[Chunk]] = {}
        self.refused: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "TeamHost":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._udp.close()

    def wait_for(self, n_images: int, timeout_s: float = 30.0) -> None:
        wait_until(lambda: len(self.updates) >= n_images, timeout_s, lambda: len(self.updates))

    def _chunks(self, image: int) -> list[Chunk]:
        return self._stored.setdefault(image, [])

    def _keep(self, update: Update) -> None:
        """As a host's store does: a chunk that is there is there, however long ago it came."""
        known, chunk = self._chunks(update.image), update.chunk
        if (chunk.version, chunk.index) not in [(one.version, one.index) for one in known]:
            known.append(chunk)
            self.updates[update.image] = update
            self.n_updates += 1

    def _serve(self) -> None:
        while not self._is_over.is_set():
            for received in self._udp.receive(0.01):
                for heard in self._receiver.receive(received.packet, time.monotonic()):
                    event = self._receiver.compared(heard, lambda _, __, i: self._chunks(i))
                    if isinstance(event, Update):
                        self._keep(event)
                    elif hasattr(event, "sentence"):
                        self.refused.append(event.sentence)
                    if event.counter is not None:
                        self._receiver.confirm(NODE, event.counter)
                while (downlink := self._receiver.next_packet(time.monotonic())) is not None:
                    self._udp.send(downlink.packet, received.origin)  # type: ignore[call-arg]
                    self._receiver.transmitted(time.monotonic())


class TeamOf:
    """A folder with a bundle, keys and settings of each member, and their processes; a context."""

    def __init__(
        self, folder: Path, n_images: int = 12, n_members: int = 3, bundle: Path | None = None
    ) -> None:
        """With a small bundle, or a copy of another."""
        self.folder = folder
        if bundle is None:
            self.bundle = make_team_bundle(folder / "bundle", n_groups=n_members)
        else:
            shutil.copytree(bundle, folder / "bundle")
            self.bundle = Bundle.load(folder / "bundle", "host")
        self.show(random_images(n_images))
        self.ports = free_ports(n_members)
        key = None
        for member in range(n_members):
            key = provision(folder / f"keys-{member}", NODE, key=key).key
        assert key is not None
        self.key = key
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.said: dict[int, list[dict]] = {member: [] for member in range(n_members)}
        "Lines of each member's console."
        self.newest: dict[int, dict] = {}
        "What each member told last of an image that it was done with."
        self.errors: dict[int, list[str]] = {member: [] for member in range(n_members)}

    def show(self, images: np.ndarray) -> None:
        """uint8 (N, H, W, C): what the cameras of all see."""
        self.images = images
        np.savez(self.folder / "replay.npz", images=images)

    @property
    def way(self) -> str:
        """[team]'s peers, point to point."""
        return "peers = " + json.dumps([f"127.0.0.1:{port}" for port in self.ports])

    def write(
        self,
        member: int,
        host_port: int | None,
        source: str = "",
        team: str = "",
        port: str | None = None,
        way: str | None = None,
        link: str = "",
        has_source: bool = True,
    ) -> Path:
        """node.toml of a member; without a host's port it has no modem."""
        text = f'node = {NODE}\nbundle = "bundle"\nkey_dir = "keys-{member}"\n'
        if has_source:
            text += f'[source]\nkind = "replay"\npath = "replay.npz"\n{source}\n'
        if host_port is not None:
            text += (
                f'[link]\nport = "127.0.0.1:0"\nprofile = "udp"\n'
                f'peers = ["127.0.0.1:{host_port}"]\n{link}\n'
            )
        text += (
            f"[team]\nmember = {member}\nmembers = {len(self.ports)}\n"
            f'port = "{port or f"127.0.0.1:{self.ports[member]}"}"\n'
            f"{self.way if way is None else way}\n{team}\n"
        )
        path = self.folder / f"node-{member}.toml"
        path.write_text(text)
        return path

    def start(
        self,
        *members: int,
        options: Sequence[str] = (),
        stage_ms: Sequence[float] | None = None,
    ) -> None:
        """Begin the members whose settings are written; watched ones where times of each segment
        are given, or none of them (tests.worlds.watched_member).
        """
        for member in members:
            program = ["device"]
            if stage_ms is not None:
                log = self.folder / f"watched-{member}.json"
                program = ["tests.worlds.watched_member", str(log), *map(str, stage_ms), "--"]
            command = [sys.executable, "-m", *program, str(self.folder / f"node-{member}.toml")]
            self.processes[member] = process = subprocess.Popen(
                [*command, "--console", "json", *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for stream, keep in (
                (process.stdout, lambda line, m=member: self._hear(m, line)),
                (process.stderr, self.errors[member].append),
            ):
                threading.Thread(target=lambda s=stream, k=keep: [k(line) for line in s]).start()

    def _hear(self, member: int, line: str) -> None:
        """A whole line; who is killed may leave half of one."""
        if line.endswith("\n"):
            self.said[member].append(said := json.loads(line))
            if said["event"] == "team":
                self.newest[member] = said

    def kill(self, member: int) -> None:
        """SIGKILL, as a power cut."""
        process = self.processes.pop(member)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def events(self, member: int, event: str = "team") -> list[dict]:
        return [line for line in list(self.said[member]) if line["event"] == event]

    def wait_for_image(self, sequence: int, member: int, timeout_s: float = 30.0) -> None:
        """Until that member was done with the image of this number."""

        def has_come() -> bool:
            return any((line["sequence"] or 0) >= sequence for line in self.events(member))

        wait_until(has_come, timeout_s, lambda: (self.said[member][-3:], self.errors))

    def finish(self, timeout_s: float = 30.0) -> None:
        """Until all have ended by themselves."""
        for member, process in self.processes.items():
            assert process.wait(timeout_s) == 0, self.errors[member]

    def __enter__(self) -> "TeamOf":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


def wait_until(
    is_so: Callable[[], bool], timeout_s: float, found: Callable[[], object] = lambda: ""
) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"in vain for {timeout_s} s: {found()}"
        time.sleep(0.02)
