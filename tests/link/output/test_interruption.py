"""Ctrl-C while a program loads ends it by a sentence; before and after, it is what it was."""

import signal
import subprocess
import sys

from link.output.interruption import EXIT_CODE, loading

PROGRAM = """
import os, signal
from link.output import loading
with loading("device"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        pass  # as a library does that takes every exception for its own
print("still here")
"""


def test_an_interrupt_while_loading_ends_the_process_at_once_with_a_sentence():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == EXIT_CODE == 130
    assert done.stderr == "device: interrupted before it began; nothing is lost\n"
    assert done.stdout == ""


def test_what_ctrl_c_did_before_it_does_again_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with loading("device"):
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
