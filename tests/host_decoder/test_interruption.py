"""Ending signals are noted and tear nothing apart; the second ends the process at once, and so does
patience.
"""

import signal
import subprocess
import sys
import time

from host_decoder.interruption import ENDING_SIGNALS, Interruption

PROGRAM = """
import os, signal, sys, time
from host_decoder.interruption import Interruption
with Interruption({patience}) as interrupted:
    for number in ({signals}):
        os.kill(os.getpid(), number)
        time.sleep(0.3)
    print(interrupted(), interrupted.name, interrupted.exit_code, flush=True)
    {then}
sys.exit(interrupted.exit_code)
"""


def run(*signals, patience=None, then="pass"):
    numbers = "".join(f"{int(number)}, " for number in signals)
    program = PROGRAM.format(patience=patience, signals=numbers, then=then)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_nothing_has_come_until_a_signal_has():
    with Interruption() as interrupted:
        assert (interrupted(), interrupted.name, interrupted.exit_code) == (False, "", 0)


def test_a_signal_is_noted_and_the_program_goes_on_to_its_own_end():
    done = run(signal.SIGTERM)
    assert done.stdout == "True SIGTERM 143\n"
    assert done.returncode == 128 + signal.SIGTERM


def test_a_second_signal_ends_the_process_where_it_is():
    done = run(signal.SIGINT, signal.SIGINT)
    assert done.stdout == ""
    assert done.returncode == 128 + signal.SIGINT


def test_a_loop_that_hangs_is_ended_when_patience_is_over():
    begun_s = time.monotonic()
    done = run(signal.SIGTERM, patience=0.5, then="time.sleep(60)")
    assert done.stdout == "True SIGTERM 143\n"
    assert done.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - begun_s < 30


def test_afterwards_signals_do_what_they_did_before():
    before = [signal.getsignal(number) for number in ENDING_SIGNALS]
    with Interruption():
        pass
    assert [signal.getsignal(number) for number in ENDING_SIGNALS] == before
