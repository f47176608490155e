"""The order of the tests: files that take long begin first, so that at the end no worker is left
alone with one. And one thread for each worker: two that share two cores only wait for each other.

Bytecode is kept, where the environment forbids it too, though there beside what is installed and
not beside its sources: every process that a test starts would else compile PyTorch anew, which
takes longer than to load it.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.path.join(sys.prefix, "bytecode")
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": sys.pycache_prefix}

LONG = (
    "tests/device/flash/test_team_to_labels.py",
    "tests/device/fog/test_member.py",
    "tests/export/decoders/test_add.py",
    "tests/host_training/training/test_trainer.py",
    "tests/test_end_to_end.py",
    "tests/studies/fuzz/test_fuzz.py",
    "tests/export/encoder/test_tflite.py",
    "tests/device/flash/test_bundle_update.py",
    "tests/device/test_node.py",
    "tests/device/test_many_nodes.py",
    "tests/host_decoder/live/test_run.py",
)
"The longest first; the others follow in their own order."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {path: number for number, path in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))


def pytest_sessionfinish() -> None:
    """Bytecode of what lay in the folders of tests goes; numbered as they are, it would pile up."""
    if sys.pycache_prefix and "PYTEST_XDIST_WORKER" not in os.environ:
        for folder in Path(sys.pycache_prefix + tempfile.gettempdir()).glob("pytest-of-*"):
            shutil.rmtree(folder, ignore_errors=True)
