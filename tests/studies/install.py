"""Install: how long it takes from a clone to the first label, and how much a host or a node puts on
a disk; writes results/install.json.

Each in a clone and an environment of its own, packages fetched anew (no cache), by pip and by
whichever of Python 3.11 to 3.13 is here. Times depend on the network and on what else runs; the
load when it began is kept beside them.

first_label_python_3_xx_s  git clone, pip install '.[node,host]', latentlink live, to its end
with_training_s            on 3.11, make train export live; with_training_cpu_s is what it computed
host_mb, node_mb           the environment; of a node without pip and setuptools
host_listens_s             latentlink host, from its start to its word
node_resident_mb           latentlink node with models/cifar10, while it sends
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from link.output.results import write_result
from link.security.keys import provision
from tests.studies.command import MistakeError, add_results, command
from tests.worlds.replaying_node import MB, memory_of

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
N_IMAGES = 40
PATIENCE_S = 1200


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--pythons", nargs="+", choices=PYTHONS, default=PYTHONS)
    top.add_argument("--without-training", action="store_true", help="which takes 4.5 GB")
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    figures: dict[str, float] = {"load_before": os.getloadavg()[0]}
    for version in options.pythons:
        if (python := python_of(version)) is None:
            print(f"install   there is no Python {version} here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            name = version.replace(".", "_")
            begun_s = time.monotonic()
            first_label(Path(folder), python)
            figures[f"first_label_python_{name}_s"] = time.monotonic() - begun_s
        print(figures, flush=True)
    if python := python_of(PYTHONS[0]):
        if not options.without_training:
            with tempfile.TemporaryDirectory() as folder:
                before_s = cpu_s()
                figures["with_training_s"] = with_training(Path(folder), python)
                figures["with_training_cpu_s"] = cpu_s() - before_s
        with tempfile.TemporaryDirectory() as folder:
            figures |= host_alone(Path(folder), python)
        with tempfile.TemporaryDirectory() as folder:
            figures |= node_alone(Path(folder), python)
    if len(figures) == 1:
        raise MistakeError("none of these Pythons is here")
    write_result("install", figures, command=command(), folder=options.results)
    print(figures)


def python_of(version: str) -> str | None:
    """The path of one that is here."""
    found = subprocess.run(
        [ROOT / "requirements/python.sh", version], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def run(*words: str | Path, folder: Path, **environment: str) -> None:
    subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=os.environ | {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"} | environment,
        check=True,
        timeout=PATIENCE_S,
        stdout=subprocess.DEVNULL,
    )


def installed(folder: Path, python: str, extras: str) -> Path:
    """The programs of a new environment, made from a new clone."""
    run("git", "clone", "--quiet", ROOT, "clone", folder=folder)
    run(python, "-m", "venv", "venv", folder=folder)
    pip = ("venv/bin/python", "-m", "pip", "install", "--quiet", "--no-compile")
    run(*pip, f"./clone[{extras}]", folder=folder)
    return folder / "venv/bin"


def first_label(folder: Path, python: str) -> None:
    run(
        installed(folder, python, "node,host") / "latentlink",
        "live",
        "--images",
        "1",
        folder=folder,
    )


def with_training(folder: Path, python: str) -> float:
    """Seconds until what was trained has said its first label."""
    begun_s = time.monotonic()
    run("git", "clone", "--quiet", ROOT, "clone", folder=folder)
    words = ("make", "train", "export", "live", "IMAGES=1", f"PYTHON={python}")
    run(*words, folder=folder / "clone", MAKEFLAGS="")
    return time.monotonic() - begun_s


def host_alone(folder: Path, python: str) -> dict[str, float]:
    programs = installed(folder, python, "host")
    size_mb = size_of(folder / "venv")
    provision(folder / "keys", 1)
    bundle = folder / "clone/models/cifar10"
    (folder / "host.toml").write_text(
        '[link]\nport = "127.0.0.1:0"\nprofile = "udp"\npeers = ["127.0.0.1:9"]\n'
        f'[[node]]\nnode = 1\nkey = "keys/node.key"\nbundle = "{bundle}"\n'
    )
    begun_s = time.monotonic()
    with subprocess.Popen(
        [programs / "latentlink", "host", "host.toml"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stderr
        for line in host.stderr:
            if "listening" in line:
                break
            print(line, end="")
        listens_s = time.monotonic() - begun_s
        host.terminate()
    return {"host_mb": size_mb, "host_listens_s": listens_s}


def node_alone(folder: Path, python: str) -> dict[str, float]:
    programs = installed(folder, python, "node")
    run(
        programs / "python",
        "-m",
        "pip",
        "uninstall",
        "--quiet",
        "--yes",
        "setuptools",
        folder=folder,
    )
    run(programs / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "pip", folder=folder)
    size_mb = size_of(folder / "venv")
    images = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 32, 32, 3), np.uint8)
    bundle = folder / "clone/models/cifar10"
    resident_mb, _ = memory_of([programs / "latentlink"], folder, bundle, images)
    return {"node_mb": size_mb, "node_resident_mb": resident_mb}


def cpu_s() -> float:
    """Seconds that programs which have ended computed."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def size_of(folder: Path) -> float:
    """Megabytes on the disk."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink()]
    return sum(512 * path.stat().st_blocks for path in paths) / MB
