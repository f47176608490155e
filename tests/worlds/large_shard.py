"""A shard of more than 10 GB, most of it holes in its file, and a process that learns from it."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from device.training.shard import IMAGES, LABELS
from host_training.distributed.learner.network import describe, weights
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS

ROOT = Path(__file__).parent.parent.parent
N_IMAGES, SHAPE = 3_400_000, (32, 32, 3)
LEARN = """
import re, sys
import numpy as np
from pathlib import Path
from device.training import description
from device.training.learner import Learner
from device.training.network import Network
from device.training.shard import Shard
from link.update import RunSettings

network = Network(description.read(Path(sys.argv[2]).read_bytes()))
shard = Shard(Path(sys.argv[1]), network.image.shape, network.n_classes, 32, (0, 1), 4, True)
settings = RunSettings(network="0" * 16, n_steps=20, batch_images=32)
weights = np.load(sys.argv[3])
learned = Learner(network, shard, settings, Path(sys.argv[1])).train(weights, 0)
assert learned.n_images == 640
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(len(shard), int(peak[1]) / 1000)
"""


def write(folder: Path) -> None:
    """All images black and of class 0."""
    folder.mkdir()
    header = np.lib.format.header_data_from_array_1_0
    for name, row in ((IMAGES, np.zeros((1, *SHAPE), np.uint8)), (LABELS, np.zeros(1, "<u2"))):
        with (folder / name).open("wb") as file:
            said = header(row) | {"shape": (N_IMAGES, *row.shape[1:])}
            np.lib.format.write_array_header_1_0(file, said)
            file.truncate(file.tell() + N_IMAGES * row.nbytes)
    assert (folder / IMAGES).stat().st_size > 10e9


def learn(folder: Path) -> tuple[int, float]:
    """How many images the shard has, and the most memory, in MB, that a process took that learned
    from 640 of them.
    """
    write(folder / "shard")
    model = AutoEncoder(ModelConfig.of(PRESETS["plain-5-long"].recipe.model, SHAPE, 10))
    (folder / "network.json").write_text(describe(model).text)
    np.save(folder / "initial.npy", weights(model))
    given = [str(folder / name) for name in ("shard", "network.json", "initial.npy")]
    done = subprocess.run(
        [sys.executable, "-c", LEARN, *given], cwd=ROOT, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    n_images, peak_mb = done.stdout.split()
    return int(n_images), float(peak_mb)
