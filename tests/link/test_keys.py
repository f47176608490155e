"""No counter is ever given twice, whatever ends the process and whenever; and a node without state does not speak."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link import keys
from link.keys import BLOCK, CounterStore, KeyStateError, parse_key, provision, read_key


@pytest.fixture
def folder(tmp_path):
    provision(tmp_path / "keys", node=3)
    return tmp_path / "keys"


def take(folder, n_counters):
    """A process that takes some counters and is then killed: closing writes nothing."""
    with CounterStore(folder) as store:
        return [store.next() for _ in range(n_counters)]


def stored_counter(folder):
    return json.loads((folder / "counter.json").read_text())["next_counter"]


def test_a_provisioned_node_has_a_secret_key_and_counts_from_zero(folder):
    assert read_key(folder).node == 3
    assert len(read_key(folder).key) == 16
    assert (folder / "node.key").read_text() == read_key(folder).hex + "\n"
    assert (folder / "node.key").stat().st_mode & 0o777 == 0o600
    assert take(folder, 3) == [0, 1, 2]
    assert sorted(path.name for path in folder.iterdir()) == ["counter.json", "node.key"]


def test_each_node_gets_another_key(tmp_path):
    assert provision(tmp_path / "a", 1).key != provision(tmp_path / "b", 1).key


def test_a_key_does_not_show_when_printed(folder):
    assert read_key(folder).hex not in repr(read_key(folder))


def test_a_key_that_is_there_is_not_replaced(folder):
    before = read_key(folder)
    with pytest.raises(KeyStateError, match=r"already holds a node\.key; to replace it remove"):
        provision(folder, 3)
    assert read_key(folder) == before


@pytest.mark.parametrize("node", [0, 255, -1])
def test_a_node_number_that_does_not_exist_is_refused(tmp_path, node):
    with pytest.raises(KeyStateError, match=f"node is {node}, a node has a number from 1 to 254"):
        provision(tmp_path, node)


@given(st.lists(st.integers(0, 3 * BLOCK), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_no_counter_is_given_twice_across_kills(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("keys")
    provision(folder, 1)
    given_out = [counter for n_counters in runs for counter in take(folder, n_counters)]
    assert given_out == sorted(set(given_out))
    assert given_out[-1:] <= [sum(runs) + BLOCK * len(runs)]


@pytest.mark.parametrize("n_counters", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_a_counter_is_on_the_disk_before_it_is_given(folder, n_counters):
    with CounterStore(folder) as store:
        for _ in range(n_counters):
            assert store.next() < stored_counter(folder)


def test_counters_within_one_process_are_consecutive(folder):
    assert take(folder, 200) == list(range(200))


def test_a_start_that_sends_nothing_costs_no_counter(folder):
    take(folder, 0)
    take(folder, 0)
    assert take(folder, 1) == [0]


SPEAKER = """
import os, signal, sys
from link.keys import CounterStore
store = CounterStore(sys.argv[1])
for _ in range(int(sys.argv[2])):
    print(store.next(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_processes_leave_no_counter_to_be_used_again(folder):
    given_out = []
    for n_counters in (1, BLOCK, BLOCK + 1):
        done = subprocess.run(
            [sys.executable, "-c", SPEAKER, folder, str(n_counters)], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        given_out += [int(line) for line in done.stdout.split()]
    assert len(given_out) == 2 * BLOCK + 2
    assert len(set(given_out)) == len(given_out)
    assert not set(take(folder, 10)) & set(given_out)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_power_cut_at_any_step_of_storing_gives_no_counter_twice(folder, monkeypatch, step):
    given_out = take(folder, 10)

    def power_cut(*_args, **_kwargs):
        raise OSError(errno.EIO, "power cut")

    with CounterStore(folder) as store, monkeypatch.context() as patch:
        patch.setattr(keys if step == "write" else os, {"write": "_state"}.get(step, step), power_cut)
        with pytest.raises(OSError, match="power cut"):
            store.next()
    given_out += take(folder, 10)
    assert len(set(given_out)) == len(given_out)


def test_a_full_disk_gives_no_counter_and_the_next_try_does(folder, monkeypatch):
    with CounterStore(folder) as store:
        with monkeypatch.context() as patch:
            patch.setattr(
                os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
            )
            for _ in range(2):
                with pytest.raises(OSError, match="No space left"):
                    store.next()
        assert store.next() == 0
        assert stored_counter(folder) == BLOCK


def test_the_disk_holds_the_new_file_before_the_old_one_is_replaced(folder, monkeypatch):
    steps = []

    def watch(name):
        real = getattr(os, name)

        def noted(*arguments):
            steps.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, noted)

    watch("fsync")
    watch("replace")
    take(folder, 1)
    assert steps == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("name", ["node.key", "counter.json"])
def test_a_node_that_lost_its_state_does_not_speak(folder, name):
    (folder / name).unlink()
    with pytest.raises(KeyStateError, match=rf"{name} is missing, so this node does not speak: remove .* provision"):
        read_key(folder)
    if name == "counter.json":
        with pytest.raises(KeyStateError, match=r"counter\.json is missing"):
            CounterStore(folder)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": 1, "node": 3}',
        b'{"format": 2, "node": 3, "next_counter": 64}',
        b'{"format": 1, "node": 3, "next_counter": -1}',
        b'{"format": 1, "node": 3, "next_counter": 64.5}',
        b'{"format": 1, "node": 3, "next_counter": true}',
        b'{"format": 1, "node": 0, "next_counter": 64}',
        b'{"format": 1, "node": 3, "next_counter": 281474976710657}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_counter_is_refused_and_left_as_it_is(folder, text):
    (folder / "counter.json").write_bytes(text)
    for _ in range(2):
        with pytest.raises(KeyStateError, match=r"counter\.json is damaged.*so this node does not speak: remove"):
            CounterStore(folder)
    assert (folder / "counter.json").read_bytes() == text


@pytest.mark.parametrize("text", ["", "xyz", "00" * 15, "00" * 17])
def test_a_key_that_is_none_is_named_with_its_place(folder, text):
    (folder / "node.key").write_text(text)
    with pytest.raises(KeyStateError, match=r"node\.key holds no key: 32 hex digits are expected"):
        read_key(folder)


def test_a_key_in_a_configuration_is_read_alike():
    assert parse_key(" 000102030405060708090a0b0c0d0e0f\n", origin="host.toml") == bytes(range(16))
    with pytest.raises(KeyStateError, match=r"host\.toml, node 1 holds no key"):
        parse_key("secret", origin="host.toml, node 1")


def test_two_processes_cannot_count_in_one_folder(folder):
    with CounterStore(folder), pytest.raises(KeyStateError, match="another process already speaks with the key"):
        CounterStore(folder)
    assert take(folder, 1) == [0]


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(KeyStateError, match="does not exist; provision the node there first"):
        CounterStore(tmp_path / "nowhere")


def test_the_last_counter_is_not_followed_by_the_first(folder):
    state = {"format": 1, "node": 3, "next_counter": (1 << 48) - BLOCK}
    (folder / "counter.json").write_text(json.dumps(state))
    with CounterStore(folder) as store:
        assert [store.next() for _ in range(BLOCK)][-1] == (1 << 48) - 1
        with pytest.raises(KeyStateError, match="node 3 has used all of its counters"):
            store.next()


def test_closed_counters_reserve_no_more(folder):
    store = CounterStore(folder)
    store.close()
    with pytest.raises(KeyStateError, match="were closed"):
        store.next()
