"""A node's process as a person starts it, which replays images and sends them to nobody."""

import itertools
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from link.picture import Replay
from link.security.keys import provision

MB = 1e6


def memory_of(
    latentlink: Sequence[str | Path], folder: Path, bundle: Path, images: np.ndarray
) -> tuple[float, float]:
    """Megabytes that the node's process holds while it sends those images, and that it ever held;
    `latentlink` are the words that start the programs, the folder is its own.
    """
    provision(folder / "keys", 1)
    Replay(images).write(folder / "replay.npz")
    (folder / "node.toml").write_text(
        f'node = 1\nbundle = "{bundle.resolve()}"\nkey_dir = "keys"\n'
        '[source]\nkind = "replay"\npath = "replay.npz"\ninterval_s = 0.2\n'
        '[link]\nport = "127.0.0.1:0"\nprofile = "udp"\npeers = ["127.0.0.1:9"]\n'
        "downlink = false\n"
    )
    command = [*latentlink, "node", folder / "node.toml"]
    node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    resident_mb = peak_mb = 0.0
    assert node.stdout
    for _ in itertools.islice(node.stdout, len(images)):
        resident_mb = max(resident_mb, _status_mb(node.pid, "VmRSS"))
        peak_mb = _status_mb(node.pid, "VmHWM")
    node.terminate()
    node.wait()
    return resident_mb, peak_mb


def _status_mb(process: int, name: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MB
    raise ProcessLookupError(f"process {process} has ended")
