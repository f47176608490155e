"""Children are read without pause and ended without remains."""

import os
import signal
import sys
import time

import pytest

from host_decoder.live.processes import Child


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def wait_until(condition, timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "took too long"
        time.sleep(0.01)


def test_a_child_that_says_much_is_never_blocked():
    script = "import sys\nfor i in range(20000): print('x' * 50); print('y' * 50, file=sys.stderr)"
    with Child("talker", python(script)) as child:
        wait_until(lambda: not child.is_running)
        child.why_ended()
        assert len(child.take_lines()) == 20_000


def test_lines_come_with_their_time_and_can_be_waited_for():
    with Child("clock", python("print('tick', flush=True); input()")) as child:
        before_s = time.time()
        [line] = child.take_lines(wait_s=10.0)
        assert line.text == "tick"
        assert abs(line.at_s - before_s) < 10
        assert child.take_lines() == []


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "import sys; sys.exit('no such port')",
            "the node ended with exit code 1, saying:\n  no such port",
        ),
        ("import sys; sys.exit(3)", "the node ended with exit code 3 without a word"),
        ("import os; os.abort()", "the node was ended by signal SIGABRT without a word"),
    ],
)
def test_why_a_child_ended(script, sentence):
    with Child("the node", python(script)) as child:
        wait_until(lambda: not child.is_running)
        assert child.why_ended() == sentence


def test_only_the_last_words_are_kept():
    with Child(
        "talker", python("import sys\nfor i in range(99): print(i, file=sys.stderr)")
    ) as child:
        wait_until(lambda: not child.is_running)
        assert child.why_ended().split()[-2:] == ["97", "98"]
        assert "\n  5\n" not in child.why_ended()


def test_its_last_lines_can_be_taken_after_the_end():
    script = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: "
        "sys.exit(print('bye')))\nprint('up', flush=True)"
    )
    with Child("polite", python(script + "\nsignal.pause()")) as child:
        child.take_lines(wait_s=10.0)
        child.stop()
        assert [line.text for line in child.take_lines()] == ["bye"]


def test_a_child_that_will_not_end_is_killed_with_its_own_children(monkeypatch):
    monkeypatch.setattr("host_decoder.live.processes.STOP_TIMEOUT_S", 0.2)
    script = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with Child("stubborn", python(script)) as child:
        [line] = child.take_lines(wait_s=10.0)
    assert not child.is_running
    wait_until(lambda: not is_alive(int(line.text)))


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child that its parent was killed"
)
def test_children_do_not_outlive_a_parent_that_is_killed():
    sleeper = "import time; print(1, flush=True); time.sleep(60)"
    parent = (
        "import sys, time; from host_decoder.live.processes import Child\n"
        f"child = Child('sleeper', [sys.executable, '-c', {sleeper!r}])\n"
        "child.take_lines(wait_s=10.0)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with Child("orchestrator", python(parent)) as orchestrator:
        [line] = orchestrator.take_lines(wait_s=10.0)
        assert is_alive(int(line.text))
        os.kill(orchestrator.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(int(line.text)))


def is_alive(pid: int) -> bool:
    """A killed grandchild may stay as a zombie until init reaps it."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
