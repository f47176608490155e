"""A worker in a process of its own, as `latentlink host` runs it, that tells how long its
transactions took.

`python -m tests.studies.fleet.worked FOLDER ...` ends on SIGTERM, and then prints them.
"""

import sys

from host_decoder.config import read_config
from host_decoder.fleet.program import work
from host_decoder.interruption import Interruption


def run() -> None:
    commits_s: list[float] = []
    configs = [read_config(path) for path in sys.argv[1:]]
    with Interruption() as interruption:
        work(configs, interruption, lambda line: None, _say, committed=commits_s.append)
    _say("commits: " + " ".join(f"{one:.6f}" for one in commits_s))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run()
