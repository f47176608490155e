"""Training tells how it goes: in a pipe a line for every epoch, in a terminal a bar beside them
that fits.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

TRAINS = """
import time
from host_training.training.progress import StageProgress
with StageProgress("duphil", 300, 0, 3) as shown:
    for step in range(1, 301):
        shown.step()
        if step % 100 == 0:
            time.sleep(1.01)
            shown.epoch(step // 100, "accuracy 91.2 %, R 7.7, Rc 3.2")
"""
LINES = [f"duphil, epoch {n} of 3: accuracy 91.2 %, R 7.7, Rc 3.2" for n in (1, 2, 3)]


def test_in_a_pipe_there_is_a_line_for_each_epoch_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == LINES


def test_in_a_terminal_of_80_columns_the_bar_keeps_to_its_line():
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    run = subprocess.Popen([sys.executable, "-c", TRAINS], stdin=far, stdout=far, stderr=far)
    os.close(far)
    seen = b""
    try:
        while part := os.read(near, 65536):
            seen += part
    except OSError:
        pass  # how a pseudo-terminal says that the other side has closed it
    os.close(near)
    assert run.wait() == 0
    lines = [
        line.rstrip() for line in seen.decode().replace("\n", "\r").split("\r") if line.strip()
    ]
    bars = [line for line in lines if "steps" in line]
    assert len(bars) > 2
    assert all(len(bar) <= 80 and "█" in bar for bar in bars[1:])
    cells = [len(re.sub(r"^.*?% | \d+/300 steps.*$", "", bar)) for bar in bars]
    assert min(cells) >= 20
    assert [line for line in lines if "epoch" in line] == LINES
