"""Where a server stands: what was kept is there again, and what is none is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from host_training.distributed.server.filters import Trust
from host_training.distributed.server.store import STATE, Stand, Store
from link.update.layout import Layout
from link.update.outer_step import Held
from link.update.settings import RunSettings

SETTINGS = RunSettings(network="00" * 8, outer_momentum=0.5)
LAYOUT = Layout(("a",), ((5,),))
VECTOR = np.arange(5, dtype=np.float32)
STAND = Stand(
    [bytes(8), b"\x01" * 8], VECTOR, Held(VECTOR + 1, VECTOR + 2), {(3, 0), (4, 0)},
    Trust({3: -1.25, 4: 8.0}, (0.5, 0.125)),
)  # fmt: skip


def test_where_it_stood_it_stands_again(tmp_path):
    store = Store(tmp_path, SETTINGS, LAYOUT)
    assert store.stand() is None
    store.keep(STAND, b"told")
    again = Store(tmp_path, SETTINGS, LAYOUT)
    stand = again.stand()
    assert stand is not None
    assert (stand.hashes, stand.trained) == (STAND.hashes, STAND.trained)
    assert stand.trust == STAND.trust
    assert stand.memory.tobytes() == VECTOR.tobytes()
    assert stand.held.hash == STAND.held.hash
    assert again.told(0) == b"told"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    store = Store(tmp_path, SETTINGS, LAYOUT)
    store.keep(STAND, b"told")

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("host_training.distributed.server.store.durable.write", full)
    with pytest.raises(OSError, match="No space"):
        store.keep(replace(STAND, hashes=[*STAND.hashes, b"\x02" * 8]), b"more")
    stand = store.stand()
    assert stand is not None
    assert len(stand.hashes) == 2


def test_another_runs_and_a_damaged_one_are_named(tmp_path):
    Store(tmp_path, SETTINGS, LAYOUT).keep(STAND, b"told")
    with pytest.raises(ValueError, match="these settings make run"):
        Store(tmp_path, replace(SETTINGS, seed=1), LAYOUT).stand()
    state = tmp_path / STATE
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged; begin the run again"):
        Store(tmp_path, SETTINGS, LAYOUT).stand()
