"""A host at an emulated line, with real ports: it answers, explains, waits for its port, and ends when it is told."""

import json
import os
import subprocess
import sys
import time
from contextlib import closing

import pytest

from host_decoder.events import Answer, Notice, Refusal
from host_decoder.processes import Child
from host_decoder.service import Host, listen
from link.serial_port import open_port
from tests.host_decoder.small import KEY, NODE, SmallNode, right_label
from tests.link.small import random_symbols

PATIENCE_S = 20.0


def start_line(link_dir, *options) -> Child:
    """Two ends at link_dir/a and link_dir/b, ready for use."""
    command = [sys.executable, "-m", "link", "emulate", "serial-115200", "--link-dir", str(link_dir), *options]
    child = Child("the line", command)
    assert child.take_lines(wait_s=PATIENCE_S), child.why_ended()
    return child


@pytest.fixture
def line(tmp_path):
    with start_line(tmp_path / "line"):
        yield tmp_path / "line"


@pytest.fixture
def host_toml(tmp_path, bundle, other_bundle, line):
    (tmp_path / "node.key").write_text(KEY.hex())
    path = tmp_path / "host.toml"
    path.write_text(
        f'store = "host.sqlite"\nbundles = "{other_bundle.path.parent}"\n'
        f'[link]\nport = "{line / "b"}"\nprofile = "serial-115200"\n'
        f'[[node]]\nid = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
    )
    return path


class Waiting:
    """Takes what a listener says until it has said what a test waits for."""

    def __init__(self, events) -> None:
        self._events = events
        self.heard: list = []

    def until(self, kind, n=1) -> list:
        """The next n events of a kind."""
        deadline_s = time.monotonic() + PATIENCE_S
        found: list = []
        for event in self._events:
            assert time.monotonic() < deadline_s, f"heard only {self.heard}"
            if event is not None:
                self.heard.append(event)
            if isinstance(event, kind):
                found.append(event)
            if len(found) == n:
                break
        return found


def test_what_crosses_a_real_line_is_answered_or_explained(line, node_entry, store, bundle, other_bundle):
    host = Host([node_entry], store, [other_bundle])
    symbols = [random_symbols(bundle.tables, seed) for seed in range(4)]
    node = SmallNode(bundle)
    with (
        open_port(str(line / "a"), 115_200) as port,
        closing(listen(host, str(line / "b"), 115_200, lambda: False)) as events,
    ):
        waiting = Waiting(events)
        [notice] = waiting.until(Notice)
        assert "listening on" in notice.sentence
        first = node.frames(symbols[0])
        stranger = SmallNode(bundle, key=bytes(16)).frames(symbols[0])
        foreign = SmallNode(other_bundle, start=100).frames(random_symbols(other_bundle.tables, 0))
        for frames in (first, stranger, foreign, first, b"garbage\0"):
            port.write(frames)
        [answer] = waiting.until(Answer)
        assert answer.label == right_label(symbols[0])
        refusals = waiting.until(Refusal, n=4)
        said = {refusal.reason: refusal.sentence for refusal in refusals}
        assert set(said) == {"not opened", "other bundle", "replay", "noise"}
        assert str(other_bundle.path) in said["other bundle"]
        later = SmallNode(bundle, start=101)
        port.write(later.frames(symbols[1]))
        [answer] = waiting.until(Answer)
        assert answer.label == right_label(symbols[1])
    assert {row["reason"]: row["n"] for row in store.statistics()["refusals"]} == {
        "not opened": 1,
        "other bundle": 1,
        "replay": 1,
        "noise": 1,
    }


def test_a_port_that_vanishes_is_waited_for(tmp_path, node_entry, store, bundle):
    port_b, node = str(tmp_path / "line" / "b"), SmallNode(bundle)
    symbols = random_symbols(bundle.tables, 0)
    with closing(listen(Host([node_entry], store), port_b, 115_200, lambda: False, retry_s=0.05)) as events:
        waiting = Waiting(events)
        [notice] = waiting.until(Notice)
        assert notice.is_problem
        assert "does not exist" in notice.sentence
        assert "trying again" in notice.sentence
        for _ in range(2):
            with start_line(tmp_path / "line"), open_port(str(tmp_path / "line" / "a"), 115_200) as port:
                [notice] = waiting.until(Notice)
                assert not notice.is_problem
                port.write(node.frames(symbols))
                [answer] = waiting.until(Answer)
                assert answer.label == right_label(symbols)
            [notice] = waiting.until(Notice)
            assert notice.is_problem
            assert "vanished" in notice.sentence
            if "does not exist" not in notice.sentence:
                waiting.until(Notice)  # then it is gone for good


def test_the_command_prints_json_lines_and_ends_after_a_count(host_toml, line, bundle, tmp_path):
    symbols = [random_symbols(bundle.tables, seed) for seed in range(3)]
    command = [sys.executable, "-m", "host_decoder", "listen", str(host_toml), "--count", "3"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with listener, open_port(str(line / "a"), 115_200) as port:
        assert listener.stderr
        assert "listening on" in listener.stderr.readline()
        node = SmallNode(bundle)
        port.write(b"garbage\0" + b"".join(node.frames(row) for row in symbols))
        out, err = listener.communicate(timeout=PATIENCE_S)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["refusal", "answer", "answer", "answer"]
    assert (events[0]["reason"], events[0]["n"]) == ("noise", 1)
    assert [event["label"] for event in events[1:]] == [right_label(row) for row in symbols]
    assert "came damaged" in err
    assert listener.returncode == 0
    assert (tmp_path / "host.sqlite").exists()


def test_the_command_ends_when_nothing_comes_or_on_sigterm(host_toml):
    command = [sys.executable, "-m", "host_decoder", "listen", str(host_toml), "--view"]
    idle = subprocess.Popen([*command, "--idle-timeout", "0.2"], stdout=subprocess.PIPE, text=True)
    out, _ = idle.communicate(timeout=PATIENCE_S)
    assert idle.returncode == 0
    assert "0 / ?" in out
    stopped = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert stopped.stdout
    assert "over serial-115200, node 7" in stopped.stdout.readline()
    stopped.terminate()
    out, _ = stopped.communicate(timeout=PATIENCE_S)
    assert stopped.returncode == 0
    assert "images answered" in out
