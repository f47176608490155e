"""A process that is started, and what becomes of it."""

import os
import signal
import subprocess
import sys
import time

from host_training.distributed.flower.process import start


def test_its_words_go_to_the_file_behind_what_is_there(tmp_path):
    log = tmp_path / "log"
    for word in ("one", "two"):
        command = [
            sys.executable,
            "-c",
            f"import sys; print('{word}'); print('!', file=sys.stderr)",
        ]
        assert start(command, log).wait(30) == 0
    assert sorted(log.read_text().split()) == ["!", "!", "one", "two"]


def test_it_ends_when_who_started_it_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; "
        "from host_training.distributed.flower.process import start; "
        "child = start([sys.executable, '-c', 'import time; time.sleep(60)'], "
        f"Path({str(tmp_path / 'log')!r})); print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    for _ in range(100):
        if not is_alive(child):
            return
        time.sleep(0.05)
    raise AssertionError("it outlived its parent")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
