"""Store: where a run's server stands, on its disk: a round is there before anybody hears of it.

    state            hashes of all rounds so far; the memory, what all ends hold, whom to trust
    rounds/000007    what was told of each round, signed
    trained.json     who trained when

The state is written last, and says how many rounds there are: a kill before it leaves the round
open, and it ends again with whatever comes then.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from host_training.distributed.server.filters import Trust
from link.base import durable
from link.update import Layout, RunSettings
from link.update.message import Accepted
from link.update.outer_step import Held

STATE, ROUNDS, TRAINED = "state", "rounds", "trained.json"
FORMAT = 2
CHECKSUM_BYTES = 8


@dataclass(frozen=True, eq=False)
class Stand:
    """Where a server stands."""

    hashes: Sequence[bytes]
    "Before the first round, and after each one."
    memory: np.ndarray
    "float32 (P,): what its messages had no room for."
    held: Held
    trained: Collection[Accepted]
    trust: Trust = field(default_factory=Trust)


class Store:
    """A folder of one run."""

    def __init__(self, folder: Path, settings: RunSettings, layout: Layout) -> None:
        (folder / ROUNDS).mkdir(parents=True, exist_ok=True)
        self._folder, self._settings, self._layout = folder, settings, layout

    def keep(self, stand: Stand, told: bytes) -> None:
        """Where it stands after a round, of which the devices are told that."""
        durable.write(self._folder / TRAINED, json.dumps(sorted(stand.trained)))
        durable.write(self._round(len(stand.hashes) - 2), told)
        head = {
            "format": FORMAT,
            "run": self._settings.run_id.hex(),
            "hashes": [each.hex() for each in stand.hashes],
            "odds": sorted(stand.trust.odds.items()),
            "recent": stand.trust.recent,
        }
        held = stand.held
        arrays = (stand.memory, held.weights, held.velocity, held.statistics)
        content = json.dumps(head).encode() + b"\n" + b"".join(each.tobytes() for each in arrays)
        durable.write(self._folder / STATE, content + _checksum(content))

    def stand(self) -> Stand | None:
        """None where no round has ended yet; ValueError for another run's, or a damaged one."""
        path = self._folder / STATE
        if not path.exists():
            return None
        content = path.read_bytes()
        content, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
        if _checksum(content) != checksum:
            raise ValueError(f"{path} is damaged; begin the run again in another folder")
        text, _, rest = content.partition(b"\n")
        head, run = json.loads(text), self._settings.run_id
        if head["format"] != FORMAT or head["run"] != run.hex():
            raise ValueError(
                f"{self._folder} holds run {head['run']}, these settings make run {run.hex()}; "
                "give the settings it began with, or another folder"
            )
        n_weights = self._layout.size
        n_velocity = n_weights if self._settings.outer_momentum else 0
        ends = np.cumsum([n_weights, n_weights, n_velocity])
        memory, *held = np.split(np.frombuffer(rest, np.float32), ends)
        trained = json.loads((self._folder / TRAINED).read_bytes())
        hashes = [bytes.fromhex(each) for each in head["hashes"]]
        trust = Trust(dict(head["odds"]), tuple(head["recent"]))
        return Stand(hashes, memory, Held(*held), {(device, one) for device, one in trained}, trust)

    def told(self, round_: int) -> bytes:
        """What devices were told of a round."""
        return self._round(round_).read_bytes()

    def _round(self, round_: int) -> Path:
        return self._folder / ROUNDS / f"{round_:06}"


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:CHECKSUM_BYTES]
