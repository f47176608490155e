"""A device of a run, with all its files: digits to learn from, the run's folder, its node.toml; and
the run's server in small, which counts every update.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.training import run_folder
from device.training.run_folder import RunFolder
from device.training.shard import write
from host_training.data.digits import load
from host_training.distributed.learner.network import describe, weights
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS
from link.security import signature
from link.update import message
from link.update.message import Form, Round
from link.update.outer_step import Held
from link.update.settings import RunSettings

ROOT = Path(__file__).parent.parent.parent
SHAPE, N_IMAGES, DEVICE = (8, 8, 1), 200, 3
SERVER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
START_S = 30.0
NODE = """
[learn]
run = "run"
device = 3
key = "learn.key"
shard = "shard"
state_dir = "state"
socket = "learn.sock"
"""


class LearningDevice:
    """One device's folder, and the process that learns in it."""

    def __init__(self, folder: Path, more: str = "", **settings: Any) -> None:
        """`more`: further keys of [learn]."""
        self.folder = folder
        torch.manual_seed(0)
        digits = load().train
        model = AutoEncoder(ModelConfig.of(PRESETS["digits"].recipe.model, SHAPE, 10))
        described = describe(model)
        usual: dict[str, Any] = dict(
            n_rounds=20, n_steps=2, batch_images=16, n_devices=4, up_bytes=(900,)
        )
        said = RunSettings(network=described.name, **{**usual, **settings})
        run = folder / "run"
        run.mkdir()
        (run / run_folder.SETTINGS).write_text(said.to_json())
        (run / run_folder.NETWORK).write_text(described.text)
        (run / run_folder.SERVER).write_text(signature.signer_text(SERVER_KEY))
        (run / run_folder.CLASSES).write_text(json.dumps([f"digit {n}" for n in range(10)]))
        np.save(run / run_folder.INITIAL, weights(model))
        labelled = zip(digits.images[:N_IMAGES], digits.labels[:N_IMAGES].tolist(), strict=True)
        write(folder / "shard", SHAPE, labelled)
        self.node_toml = folder / "node.toml"
        self.node_toml.write_text(NODE + more)
        self.run = RunFolder(run)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it takes messages."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "latentlink", "learn", str(self.node_toml)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            if "messages come in" in line:
                return
        raise AssertionError("it did not start")

    def kill(self) -> None:
        """As a power cut."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> tuple[int, float]:
        """Its exit code when it is told to end, and how long it took."""
        assert self.process is not None
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_S), time.monotonic() - began_s

    def exchange(self, said: bytes = b"", timeout_s: float = START_S) -> bytes:
        """What it answers to a message of the server."""
        with self.connect(timeout_s) as connection:
            connection.sendall(len(said).to_bytes(4, "big") + said)
            return answer(connection)

    def connect(self, timeout_s: float = START_S) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        connection.connect(str(self.folder / "learn.sock"))
        return connection


def answer(connection: socket.socket) -> bytes:
    length = int.from_bytes(_exactly(connection, 4), "big")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise EOFError
        content += part
    return content


class CountingServer:
    """Tells that it counted every update of the device, and moves the weights a little."""

    def __init__(self, run: RunFolder) -> None:
        self.settings = run.settings
        self.held, self.round_ = Held.first(run.initial, run.settings), 0

    def close(self) -> bytes:
        before = self.held.hash
        moved = self.held.weights * np.float32(0.999)
        self.held = Held.first(moved, self.settings)
        listed = ((DEVICE, self.round_),)
        told = Round(self.round_, listed, Form.WHOLE, self.held.pack(), self.held.hash)
        self.round_ += 1
        return message.pack_round(told, self.settings.run_id, before, SERVER_KEY)
