"""The spool keeps what was heard, over kills too, and says what it lets go of."""

import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from link.carriers.carrier import Received
from link.gateway.spool import Spool, SpoolError
from link.wire.control import Quality


def heard(*packets: bytes) -> list[Received]:
    return [Received(packet, Quality(7.5, None)) for packet in packets]


def test_what_was_heard_is_there_after_a_new_start_until_it_is_removed(tmp_path):
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        first, second = spool.put(heard(b"one", b"two"), unix_s=100.25)
        assert (first.packet, first.unix_s, first.quality) == (b"one", 100.25, Quality(7.5, None))
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        assert spool.after(0, 10) == [first, second]
        assert spool.after(first.seq, 10) == [second]
        spool.remove([first.seq, 999])
        assert spool.get([first.seq, second.seq]) == [second]
        assert len(spool) == 1


def test_no_number_is_given_twice(tmp_path):
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        [one] = spool.put(heard(b"one"), 1.0)
        spool.remove([one.seq])
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        [two] = spool.put(heard(b"two"), 1.0)
    assert two.seq > one.seq


def test_of_too_much_the_oldest_is_let_go_of_and_counted(tmp_path):
    with closing(Spool(tmp_path / "spool.sqlite", most=3)) as spool:
        for number in range(5):
            spool.put(heard(bytes([number])), 1.0)
        assert [one.packet[0] for one in spool.after(0, 10)] == [2, 3, 4]
        assert (len(spool), spool.n_dropped) == (3, 2)


def test_a_killed_gateway_finds_what_it_heard(tmp_path):
    script = (
        "import os, signal; from pathlib import Path; from link.carriers.carrier import Received; "
        "from link.gateway.spool import Spool; "
        f"Spool(Path({str(tmp_path / 'spool.sqlite')!r})).put([Received(b'kept')], 5.0); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=os.getcwd())
    assert done.returncode == -signal.SIGKILL
    with closing(Spool(tmp_path / "spool.sqlite")) as spool:
        [kept] = spool.after(0, 10)
    assert (kept.packet, kept.unix_s) == (b"kept", 5.0)


def test_a_spool_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / "spool.sqlite").write_bytes(b"no database at all, but long enough to be one" * 40)
    with pytest.raises(SpoolError, match=r"the spool .*spool.sqlite cannot be used"):
        Spool(tmp_path / "spool.sqlite")
