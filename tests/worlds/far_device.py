"""A learning device behind a narrow line, its gateway and the line, each a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from host_training.distributed.server.rules import Rules
from host_training.distributed.server.server import Server
from link.security import provision, signature
from tests.worlds.learning_device import DEVICE, ROOT, SERVER_KEY, LearningDevice, answer

NODE = 7
WAIT_S = 60.0
FAR = """
node = 7
key_dir = "keys"
[learn.link]
port = "{port}"
profile = "{profile}"
region = "wire"
"""
GATEWAY = """
run = "run"
sockets = "sockets"
state_dir = "gateway"
[link]
port = "{port}"
profile = "{profile}"
region = "wire"
[[device]]
device = 3
node = 7
key = "keys/node.key"
"""


class FarDevice:
    """As a context: a line, a gateway and a device on it; and the run's server, in this process."""

    def __init__(self, folder: Path, profile: str, loss: str) -> None:
        self.device = LearningDevice(folder, down_bytes=(600,), up_bytes=(700,), max_lateness=4)
        self.folder = folder
        provision(folder / "keys", NODE)
        command = ["link", "emulate", "--link", profile, "--loss", loss, "--seed", "1"]
        self._line = self._start(command, stdout=subprocess.PIPE)
        assert self._line.stdout is not None
        ports = json.loads(self._line.stdout.readline())
        near, far = ports.values()
        toml = self.device.node_toml
        lines = toml.read_text().splitlines()
        kept = "\n".join(line for line in lines if not line.startswith("socket"))
        toml.write_text(kept + FAR.format(port=far, profile=profile))
        (folder / "gateway.toml").write_text(GATEWAY.format(port=near, profile=profile))
        self.gateway: subprocess.Popen[str] | None = None

    def start_gateway(self) -> None:
        self.gateway = self._start(["latentlink", "gateway", str(self.folder / "gateway.toml")])
        until_s = time.monotonic() + WAIT_S
        while not (self.folder / "sockets" / str(DEVICE)).exists():
            assert time.monotonic() < until_s
            time.sleep(0.05)

    def kill_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.send_signal(signal.SIGKILL)
        self.gateway.wait()
        (self.folder / "sockets" / str(DEVICE)).unlink()

    def new_server(self) -> Server:
        """That knows this device alone."""
        run = self.device.run
        key = signature.read_key(self.folder / "learn.key").public_key()
        rules = Rules(is_filtered=False)
        return Server(run.settings, run.layout, run.initial, SERVER_KEY, {DEVICE: key}, rules=rules)

    def say(self, message: bytes) -> bytes:
        """As Flower's relay does at the gateway."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT_S)
            connection.connect(str(self.folder / "sockets" / str(DEVICE)))
            connection.sendall(len(message).to_bytes(4, "big") + message)
            return answer(connection)

    def _start(self, words: list[str], **more: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            **more,  # type: ignore[call-overload]
        )

    def __enter__(self) -> "FarDevice":
        self.start_gateway()
        self.device.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.device.process, self.gateway, self._line):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
