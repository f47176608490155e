"""A host in a process of its own, as `latentlink host` runs it, that tells how long commits took
and what all of it took of a core.

`python -m tests.studies.fleet.hosted host.toml` ends on SIGTERM, and then prints them.
"""

import json
import sys
import time

from host_decoder.config import read_config
from host_decoder.events import Heard
from host_decoder.interruption import Interruption
from host_decoder.receive.listener import Listener


def run() -> None:
    commits_s: list[float] = []
    begun_cpu_s: list[float] = []

    def look(event: object) -> None:
        if isinstance(event, Heard) and event.commit_s is not None:
            begun_cpu_s[:] = begun_cpu_s or [time.process_time()]
            commits_s.append(event.commit_s)

    def ignore(line: object) -> None:
        return

    with Interruption() as interruption:
        listener = Listener(read_config(sys.argv[1]), interruption, onlookers=[look])
        listener.print_lines(ignore, lambda sentence: print(sentence, file=sys.stderr, flush=True))
    cpu_s = time.process_time() - begun_cpu_s[0] if begun_cpu_s else 0.0
    print(json.dumps({"commits_s": [round(one, 6) for one in commits_s], "cpu_s": cpu_s}))


if __name__ == "__main__":
    run()
