"""Watched member: python -m tests.worlds.watched_member LOG [MS …] -- node.toml …: a member as
`python -m device` runs it, that leaves in LOG what it computed and what it took for genuine.

With MS, of each segment, a part takes that long, however fast this machine is: after it has been
computed the member sleeps for the rest.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from device.__main__ import main
from device.encoder.parts import Parts
from link.fog.interface import Run
from link.fog.session import TeamSession


@dataclass
class Watched:
    """What one start of a member did."""

    computed: list[tuple[int, int, int, float]] = field(default_factory=list)
    "Image, segment, group, seconds."
    accepted: list[str] = field(default_factory=list)
    "Frames that were genuine and new, in hexadecimal."
    cpu_s: float = 0.0
    "Processor time between its first and its last part; what parts take is left out."
    n_forged: int = 0
    n_refused: int = 0
    "All others: those whose tag was tried, and those that were not even tried."

    @classmethod
    def read(cls, path: Path) -> "Watched":
        return cls(**json.loads(path.read_text()))


def watch(watched: Watched, stage_s: list[float]) -> None:
    """From now on, in this process."""
    compute, receive, computed = Parts.__call__, TeamSession.receive, TeamSession.computed
    last_s = 0.0
    others_s = 0.0
    "Processor time of parts, and of all before the first."

    def timed(self: Parts, segment: int, group: int, inputs: np.ndarray) -> np.ndarray:
        nonlocal last_s, others_s
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        others_s = others_s or began_cpu_s
        made = compute(self, segment, group, inputs)
        others_s += time.process_time() - began_cpu_s
        if stage_s:
            time.sleep(max(0.0, began_s + stage_s[segment] - time.perf_counter()))
        last_s = stage_s[segment] if stage_s else time.perf_counter() - began_s
        return made

    def noted(self: TeamSession, run: Run, output: np.ndarray, now_s: float) -> None:
        watched.computed.append((run.image, run.segment, run.group, last_s))
        watched.cpu_s = time.process_time() - others_s
        computed(self, run, output, now_s)

    def listened(self: TeamSession, frame: bytes, now_s: float) -> bool:
        is_accepted = receive(self, frame, now_s)
        if is_accepted:
            watched.accepted.append(frame.hex())
        watched.n_forged, watched.n_refused = self.n_forged, self.n_refused
        return is_accepted

    Parts.__call__ = timed  # type: ignore[method-assign]
    TeamSession.computed = noted  # type: ignore[method-assign]
    TeamSession.receive = listened  # type: ignore[method-assign]


if __name__ == "__main__":
    at = sys.argv.index("--")
    log, *stage_ms = sys.argv[1:at]
    found = Watched()
    watch(found, [float(ms) / 1000 for ms in stage_ms])
    code = main(sys.argv[at + 1 :])
    Path(log).write_text(json.dumps(asdict(found)))
    sys.exit(code)
