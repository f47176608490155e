"""A process that is told to end does so, whatever it waits for."""

import signal
import subprocess
import sys
import time

import pytest

HANGS = """
import hashlib, sys
from device.ending import Ending
with Ending(lambda: print("last words", flush=True)):
    print("ready", flush=True)
    {}
print("over", flush=True)
"""
IN_C = 'hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)'
"Minutes in a library's own code, in which Python hands no signal to anybody."


def end(body, number):
    """What a process says that gets a signal in the midst of this, its exit code, and how long it
    took.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(body)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(number)
        began_s = time.monotonic()
        out, _ = process.communicate(timeout=30)
    return out, process.returncode, time.monotonic() - began_s


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_cannot_hear_the_signal_is_ended_all_the_same(number):
    out, code, took_s = end(
        f"__import__('signal').signal({int(number)}, lambda *_: None); {IN_C}", number
    )
    assert (out, code) == ("last words\n", 1)
    assert took_s < 5  # 0.7 s and what a busy machine adds


def test_one_that_ends_by_itself_is_left_alone():
    out, code, _ = end(
        "signal = __import__('signal'); signal.signal(15, lambda *_: None); signal.pause()", 15
    )
    assert (out, code) == ("over\n", 0)
