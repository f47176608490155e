"""Once: what takes long to make is made by one of a run's workers, and read by the others."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What `make` gives, and leaves in a folder of its own, which all workers share: nobody changes
    it.
    """
    own = factory.getbasetemp()
    top = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, made = top / name, top / f"{name}.pickle"
    with open(top / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            part = made.with_suffix(".part")
            part.write_bytes(pickle.dumps(make(folder)))
            part.rename(made)
    found: Made = pickle.loads(made.read_bytes())
    return found
