"""Devices of a run on this machine: each a process of its own, `latentlink learn`, with a shard, a
key and a folder of its own.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.training import shard
from host_training.data.dataset import Split
from host_training.distributed.flower.process import start
from link.security import signature

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"With more, sums are rounded otherwise: the replay has as many."
HONEST, LYING = "device.training", "tests.studies.global_real.liar"
AGAIN_S = 20.0
"After which a device that was killed is started again."
TRAINED = re.compile(r"^learn: round (\d+): \d+ images", re.MULTILINE)
CONFIG = """[learn]
run = "{run}"
device = {number}
key = "device.key"
shard = "shard"
state_dir = "state"
socket = "{socket}"
"""


@dataclass(frozen=True)
class Place:
    """Where one device keeps what is its own."""

    folder: Path
    number: int

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def key(self) -> Path:
        return self.folder / "device.key"

    @property
    def shard(self) -> Path:
        return self.folder / "shard"

    def trained(self) -> set[int]:
        """The rounds of which it says that it trained them."""
        return {int(number) for number in TRAINED.findall(self.log.read_text(errors="replace"))}


def deal(folder: Path, run: Path, split: Split, n_devices: int, seed: int = 0) -> list[Place]:
    """Images dealt one by one to the devices, and what each one needs besides; the host gets its
    public key.
    """
    places = [Place(folder / "nodes" / str(number), number) for number in range(n_devices)]
    order = np.random.default_rng(seed).permutation(len(split))
    for place in places:
        own = split.subset(order[place.number :: n_devices])
        place.folder.mkdir(parents=True, exist_ok=True)
        height, width, channels = own.images.shape[1:]
        images = zip(own.images, map(int, own.labels), strict=True)
        shard.write(place.shard, (height, width, channels), images)
        key = signature.make_key(place.key)
        (run / "devices" / f"{place.number}.pub").write_text(signature.signer_text(key))
    return places


class Crew:
    """Their processes; as a context manager they are ended on leaving."""

    def __init__(
        self, places: Sequence[Place], run: Path, sockets: Path, liars: Sequence[int] = ()
    ) -> None:
        self._places, self._liars = places, set(liars)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._again_s: dict[int, float] = {}
        self._dead: set[int] = set()
        self.peak_rss_mb = 0.0
        "The largest of any honest device so far."
        for place in places:
            text = CONFIG.format(run=run, number=place.number, socket=sockets / str(place.number))
            place.config.write_text(text)

    def start(self, number: int) -> None:
        module = LYING if number in self._liars else HONEST
        place = self._places[number]
        command = [sys.executable, "-m", module, str(place.config)]
        self._processes[number] = start(command, place.log, {**os.environ, **ONE_THREAD})

    def kill(self, number: int, is_for_good: bool = False) -> None:
        """As a power cut would."""
        self._processes[number].send_signal(signal.SIGKILL)
        self._processes[number].wait()
        if is_for_good:
            self._dead.add(number)
        self._again_s[number] = time.monotonic() + AGAIN_S

    def watch(self) -> None:
        """Who ended and is not dead for good is started again, after a while."""
        for number, process in self._processes.items():
            if process.poll() is None:
                if number not in self._liars:
                    self.peak_rss_mb = max(self.peak_rss_mb, _peak_rss_mb(process.pid))
            elif number not in self._dead and time.monotonic() > self._again_s.get(number, 0.0):
                self._again_s[number] = time.monotonic() + AGAIN_S
                self.start(number)

    def __enter__(self) -> "Crew":
        for place in self._places:
            self.start(place.number)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


def _peak_rss_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0
