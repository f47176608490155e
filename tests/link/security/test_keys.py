"""No counter is ever given twice, whatever ends the process and whenever; and a node without a key
does not speak.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.base import durable
from link.security import keys
from link.security.keys import (
    BLOCK,
    COUNTER_END,
    EARLIEST_UNIX_S,
    FIRST_BLOCK,
    LATEST_UNIX_S,
    LOST_BEGIN,
    CounterStore,
    KeyStateError,
    begin_counter,
    parse_key,
    provision,
    read_key,
)


@pytest.fixture
def folder(tmp_path):
    provision(tmp_path / "keys", node=3, begin=0)
    return tmp_path / "keys"


def take(folder, n_counters):
    """A start that takes some counters and is then killed."""
    store = CounterStore(folder)
    given_out = [store.next() for _ in range(n_counters)]
    store._lock.close()  # all that a kill does
    return given_out


def take_and_end(folder, n_counters):
    with CounterStore(folder) as store:
        return [store.next() for _ in range(n_counters)]


def stored_counter(folder):
    return json.loads((folder / "counter.json").read_text())["next_counter"]


def test_a_provisioned_node_has_a_secret_key_and_counts_from_where_it_is_told(folder):
    assert read_key(folder).node == 3
    assert len(read_key(folder).key) == 16
    assert (folder / "node.key").read_text() == read_key(folder).hex + "\n"
    assert (folder / "node.key").stat().st_mode & 0o777 == 0o600
    assert take(folder, 3) == [0, 1, 2]
    assert sorted(path.name for path in folder.iterdir()) == ["counter.json", "node.key"]


def is_of_today(counter):
    return abs(counter / (1 << 16) - time.time()) < 60


def test_counting_begins_at_the_time_of_day_and_so_above_all_that_was_used(tmp_path):
    provision(tmp_path, 1)
    assert is_of_today(CounterStore(tmp_path).next())
    begins = {begin_counter(1_800_000_000.7) for _ in range(20)}
    assert len(begins) > 10, "the low bits are random"
    assert {begin >> 16 for begin in begins} == {1_800_000_000}
    assert max(begin_counter(LATEST_UNIX_S - 1) for _ in range(20)) < COUNTER_END


@pytest.mark.parametrize("unix_s", [0.0, EARLIEST_UNIX_S - 1.0, float(LATEST_UNIX_S), 1e12])
def test_where_the_clock_was_never_set_counting_begins_low_and_at_random(unix_s):
    begins = [begin_counter(unix_s) for _ in range(20)]
    assert len(set(begins)) > 10
    assert max(begins) < LOST_BEGIN


def test_a_new_key_begins_no_lower_than_the_folder_has_counted(folder):
    take(folder, 70)
    (folder / "node.key").unlink()
    before = stored_counter(folder)
    provision(folder, 3, begin=5)
    assert take(folder, 1) == [before]


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


@given(
    st.lists(
        st.tuples(st.sampled_from([take, take_and_end]), st.integers(0, 3 * BLOCK)),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=25, deadline=None)
def test_no_counter_is_given_twice_across_kills_and_ends(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("keys")
    provision(folder, 1, begin=0)
    given_out = [counter for start, n_counters in runs for counter in start(folder, n_counters)]
    assert given_out == sorted(set(given_out))
    n_wasted = sum(BLOCK for start, n_counters in runs if start is take and n_counters)
    assert not given_out or given_out[-1] < len(given_out) + n_wasted


def test_an_orderly_end_wastes_no_counter_and_a_killed_start_a_few(folder):
    assert [take_and_end(folder, 1) for _ in range(20)] == [[n] for n in range(20)]
    first = take(folder, 1)
    assert take(folder, 1) == [first[0] + FIRST_BLOCK]
    assert (1 << 20) / FIRST_BLOCK > 30 * 24 * 3600 / 10, "a month of starts, one every ten seconds"


def test_an_end_on_a_full_disk_is_one_all_the_same(folder, monkeypatch):
    with CounterStore(folder) as store, monkeypatch.context() as patch:
        store.next()
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        store.close()
    assert take(folder, 1) == [FIRST_BLOCK]


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
from link.security.keys import CounterStore
store = CounterStore(sys.argv[1])
for _ in range(int(sys.argv[2])):
    print(store.next(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_processes_leave_no_counter_to_be_used_again(folder):
    given_out = []
    for n_counters in (1, BLOCK, BLOCK + 1):
        done = subprocess.run(
            [sys.executable, "-c", SPEAKER, folder, str(n_counters)],
            capture_output=True,
            text=True,
            check=False,
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
        patch.setattr(
            keys if step == "write" else os, {"write": "_state"}.get(step, step), power_cut
        )
        with pytest.raises(OSError, match="power cut"):
            store.next()
    given_out += take(folder, 10)
    assert len(set(given_out)) == len(given_out)


def test_a_full_disk_gives_no_counter_and_the_next_try_does(folder, monkeypatch):
    with CounterStore(folder) as store:
        with monkeypatch.context() as patch:
            patch.setattr(
                os,
                "fsync",
                lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
            )
            for _ in range(2):
                with pytest.raises(OSError, match="No space left"):
                    store.next()
        assert store.next() == 0
        assert stored_counter(folder) == FIRST_BLOCK


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


def test_a_node_without_its_key_does_not_speak(folder):
    (folder / "node.key").unlink()
    with pytest.raises(
        KeyStateError,
        match=r"node\.key is missing, so this node does not speak: remove .* provision",
    ):
        read_key(folder)
    (folder / "counter.json").unlink()
    with pytest.raises(KeyStateError, match=r"node\.key is missing, so this node does not speak"):
        CounterStore(folder, node=3)


def test_a_key_that_is_no_text_is_named(folder):
    (folder / "node.key").write_bytes(b"\xff\xfe")
    with pytest.raises(
        KeyStateError, match=r"node\.key is damaged, so this node does not speak: remove"
    ):
        read_key(folder)


def test_a_missing_counter_begins_anew_where_the_node_s_number_is_known(folder):
    (folder / "counter.json").unlink()
    with pytest.raises(
        KeyStateError,
        match=r"counter\.json is missing; remove node\.key and counter\.json, provision",
    ):
        CounterStore(folder)
    with CounterStore(folder, node=3) as store:
        begin = store.next()
        assert (
            store.notice == f"{folder}/counter.json is missing, and node 3 counts on from {begin}"
        )
        assert is_of_today(begin)
    with CounterStore(folder, node=3) as store:
        assert (store.node, store.notice, store.next()) == (3, None, begin + 1)


def test_a_counter_that_is_lost_again_begins_elsewhere(folder):
    begins = set()
    for _ in range(3):
        (folder / "counter.json").unlink()
        with CounterStore(folder, node=3) as store:
            begins.add(store.next())
    assert len(begins) > 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": 1, "node": 3, "next_counter": 64}',
        b'{"format": 2, "node": 3, "next_counter": 64}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_counter_is_set_aside_where_the_node_s_number_is_known(folder, text):
    (folder / "counter.json").write_bytes(text)
    for _ in range(2):
        with pytest.raises(
            KeyStateError,
            match=r"counter\.json is damaged \(.*\); remove node\.key and counter\.json",
        ):
            CounterStore(folder)
    with CounterStore(folder, node=3) as store:
        assert "counter.json is damaged (" in str(store.notice)
        told = f"it is now counter.json.damaged-1, and node 3 counts on from {store.next()}"
        assert told in str(store.notice)
    assert (folder / "counter.json.damaged-1").read_bytes() == text
    assert read_key(folder).node == 3


@pytest.mark.parametrize(
    "change",
    [
        {"next_counter": None},
        {"next_counter": -1},
        {"next_counter": 64.5},
        {"next_counter": True},
        {"next_counter": (1 << 48) + 1},
        {"node": 0},
        {"node": "3"},
    ],
)
def test_a_state_that_cannot_be_is_damaged(folder, change):
    state = {"format": 2, "node": 3, "next_counter": 64, **change}
    durable.write_state(folder / "counter.json", state)
    with pytest.raises(KeyStateError, match=r"counter\.json is damaged"):
        CounterStore(folder)
    with CounterStore(folder, node=3) as store:
        assert is_of_today(store.next())


def test_a_digit_that_changed_on_the_card_is_noticed(folder):
    take(folder, 1)
    text = (folder / "counter.json").read_text()
    for changed in (
        text.replace('"next_counter": 4', '"next_counter": 1'),
        text.replace('"node": 3', '"node": 4'),
    ):
        assert changed != text
        (folder / "counter.json").write_text(changed)
        with pytest.raises(
            KeyStateError, match=r"counter\.json is damaged \(its checksum is wrong\)"
        ):
            CounterStore(folder)


def test_the_counters_of_another_node_are_refused(folder):
    with pytest.raises(
        KeyStateError,
        match=r"counter\.json is for node 3, not 4: give each node its own folder of keys",
    ):
        CounterStore(folder, node=4)
    assert take(folder, 1) == [0]


@pytest.mark.parametrize("counter", [0, 1, 10, BLOCK - 1, BLOCK, BLOCK + 1, 1_000_000])
def test_counters_go_on_where_they_are_told_to_and_never_back(folder, counter):
    with CounterStore(folder) as store:
        given_out = [store.next() for _ in range(10)]
        store.advance_to(counter)
        given_out += [store.next() for _ in range(BLOCK + 2)]
        assert given_out[10] == max(10, counter)
        assert given_out[-1] < stored_counter(folder)
    given_out += take(folder, 2)
    assert given_out == sorted(set(given_out))


def test_counters_that_others_used_are_passed_over_by_the_next_start_too(folder):
    store, written = CounterStore(folder), set()
    for counter in range(1000):
        store.pass_over(counter)
        written.add(stored_counter(folder))
        assert stored_counter(folder) > counter
    assert len(written) < 10
    assert [store.next(), store.next()] == [999, 1000]
    store._lock.close()  # all that a kill does
    with CounterStore(folder) as later:
        assert later.unused > 1000


def test_what_a_full_disk_does_not_take_counts_for_this_start(folder, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with CounterStore(folder) as store:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                store.pass_over(5000)
        assert store.next() == 5000


def test_counters_cannot_go_on_beyond_their_end(folder):
    with CounterStore(folder) as store:
        with pytest.raises(
            KeyStateError, match="node 3 cannot go on at counter 281474976710656; provision it anew"
        ):
            store.advance_to(1 << 48)
        store.advance_to((1 << 48) - 1)
        assert store.next() == (1 << 48) - 1
        with pytest.raises(KeyStateError, match="node 3 has used all of its counters"):
            store.next()


def test_threads_never_share_a_counter(folder):
    with CounterStore(folder) as store, ThreadPoolExecutor(4) as threads:
        given_out = list(threads.map(lambda _: store.next(), range(1000)))
    assert sorted(given_out) == list(range(1000))


@pytest.mark.parametrize("text", ["", "xyz", "00" * 15, "00" * 17])
def test_a_key_that_is_none_is_named_with_its_place(folder, text):
    (folder / "node.key").write_text(text)
    with pytest.raises(KeyStateError, match=r"node\.key holds no key: 32 hex digits are expected"):
        read_key(folder)


def test_a_key_that_a_full_disk_left_empty_is_made_again(folder):
    (folder / "node.key").write_text("")
    provision(folder, 5)
    assert read_key(folder).node == 5


@pytest.mark.parametrize("what", ["node.key", "counter.json"])
def test_a_file_that_is_none_is_named(folder, what):
    (folder / what).unlink()
    (folder / what).mkdir()
    with pytest.raises(
        KeyStateError,
        match=rf"{what} cannot be read \(Is a directory\), so this node does not speak",
    ):
        read_key(folder)


@pytest.mark.parametrize("what", ["node.key", "counter.json"])
def test_a_file_that_never_ends_or_never_begins_is_not_waited_for(folder, what):
    (folder / what).unlink()
    (folder / what).symlink_to("/dev/zero")
    with pytest.raises(
        KeyStateError,
        match=rf"{what} cannot be read \(it is no file\), so this node does not speak",
    ):
        read_key(folder)
    (folder / what).unlink()
    os.mkfifo(folder / what)
    with pytest.raises(KeyStateError, match=r"\(it is no file\)"):
        read_key(folder)
    (folder / what).unlink()
    with (folder / what).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(KeyStateError, match="it has more than"):
        read_key(folder)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_key_in_a_configuration_is_read_alike(mark):
    text = f"{mark} 000102030405060708090a0b0c0d0e0f\n"
    assert parse_key(text, origin="host.toml") == bytes(range(16))
    with pytest.raises(KeyStateError, match=r"host\.toml, node 1 holds no key"):
        parse_key("secret", origin="host.toml, node 1")


def test_two_processes_cannot_count_in_one_folder(folder):
    with (
        CounterStore(folder),
        pytest.raises(KeyStateError, match="another process already speaks with the key"),
    ):
        CounterStore(folder)
    assert take(folder, 1) == [0]


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(KeyStateError, match="does not exist; provision the node there first"):
        CounterStore(tmp_path / "nowhere")


def test_the_last_counter_is_not_followed_by_the_first(folder):
    durable.write_state(
        folder / "counter.json", {"format": 2, "node": 3, "next_counter": (1 << 48) - BLOCK}
    )
    with CounterStore(folder) as store:
        assert [store.next() for _ in range(BLOCK)][-1] == (1 << 48) - 1
        with pytest.raises(KeyStateError, match="node 3 has used all of its counters"):
            store.next()


def test_closed_counters_reserve_no_more(folder):
    store = CounterStore(folder)
    store.close()
    with pytest.raises(KeyStateError, match="were closed"):
        store.next()
