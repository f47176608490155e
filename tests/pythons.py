"""Pythons: node, host and link tested on Python 3.13, and what onnx2tf 2 exports there, each in an
environment of its own: `python -m tests.pythons`. With `--all`, as in `make nightly`, all tests
that want no PyTorch, and on 3.12 too, which lies between two that are tested.

One that is not here is named and left out.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.test_boundaries import ROOT

ROOMS = ("tests/link", "tests/device", "tests/host_decoder")
QUICK = (
    "tests/link/bundle",
    "tests/link/coder",
    "tests/link/security",
    "tests/link/wire",
    "tests/device/encoder",
    "tests/device/test_node.py",
    "tests/host_decoder/decode",
    "tests/host_decoder/store",
)
NEWEST, *BETWEEN = "3.13", "3.12"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="all tests, on every Python")
    is_all = parser.parse_args().all
    codes = [
        code
        for version in ([NEWEST, *BETWEEN] if is_all else [NEWEST])
        for code in tested(version, ROOMS if is_all else QUICK)
    ]
    return max(codes, default=0)


def tested(version: str, places: tuple[str, ...]) -> Iterator[int]:
    """The exit code of each run of pytest."""
    found = subprocess.run([ROOT / "requirements/python.sh", version], stdout=subprocess.PIPE)
    if found.returncode:
        print(f"NOT TESTED: Python {version}, which is not here", flush=True)
        return
    python = found.stdout.decode().strip()
    print(f"tests     on Python {version}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        own = environment(python, Path(folder) / "host", "test.lock.txt")
        listed = subprocess.run(
            [own, "-m", "tests.libraries", *places], cwd=ROOT, check=True, stdout=subprocess.PIPE
        ).stdout.decode()
        yield pytest(own, "-n", "2", "--dist", "loadfile", *listed.split())
        own = environment(python, Path(folder) / "export", "export-3.12.lock.txt")
        yield pytest(own, "tests/parity")


def environment(python: str, folder: Path, lock: str) -> Path:
    """The Python of a new one."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    own = folder / "bin/python"
    pip: list[str | Path] = [
        own,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]
    subprocess.run([*pip, ROOT / "requirements" / lock], check=True)
    return own


def pytest(own: Path, *words: str) -> int:
    command: list[str | Path] = [own, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
