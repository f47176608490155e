"""`latentlink doctor`: what is missing, a sentence each with what to do.

It looks at a host folder, at a node's settings and at a checkout: at those that are named, else at
those that are here. Only the standard library is imported until the rest was found.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from latentlink.said import PYTHON
from link.checkup import Finding, check_disk, prevents
from link.output import program, readable_output
from link.settings import host_folder

NODE_TOML = "node.toml"
INSTALLED_NODE = Path("/etc/latentlink/node.toml")
"Where flashing puts a node's settings."
SETUP_BYTES = 4_500_000_000
OF_A_NODE = re.compile(r"^\s*key_dir\s*=", re.MULTILINE)
"A key of node.toml that host.toml has not."
ABOUT = "Say what is missing, a sentence each with what to do; exit 1 where something cannot work."
Place = tuple[str, Path]
"host, node or checkout, and its file or folder."


def main() -> int:
    readable_output()
    parser = program.Parser(prog="latentlink doctor", description=ABOUT)
    parser.add_argument(
        "places",
        type=Path,
        nargs="*",
        metavar="PLACE",
        help="a host folder, a node.toml or a checkout (default: those that are here)",
    )
    places, n_wrong = [], 0
    for path in parser.parse_args().places:
        if named := _of(path):
            places += named
        else:
            print(f"{path}: there is no host.toml, no node.toml and no checkout of latentlink")
            n_wrong += 1
    for kind, path in places or ([] if n_wrong else _here()):
        n_wrong += _tell(kind, path, list(CHECKS[kind](path)))
    return 1 if n_wrong else 0


def _tell(kind: str, path: Path, found: Sequence[Finding]) -> bool:
    """Whether something keeps it from working."""
    print(f"{kind:<9} {path}{'' if found else ': nothing is missing'}", flush=True)
    for finding in sorted(found, key=lambda finding: finding.is_hint):
        print(f"  {'note ' if finding.is_hint else 'wrong'}   {finding.sentence}", flush=True)
    return prevents(found)


def _of(path: Path) -> list[Place]:
    """What lies there."""
    if path.is_file():
        is_node = OF_A_NODE.search(path.read_text(encoding="utf-8", errors="replace"))
        return [("node" if is_node else "host", path)]
    names = {"host": host_folder.HOST_TOML, "node": NODE_TOML}
    found = [(kind, path / name) for kind, name in names.items() if (path / name).is_file()]
    return [*found, *([("checkout", path)] if _is_checkout(path) else [])]


def _here() -> list[Place]:
    """Where nothing is, a host folder is what is missing."""
    host = host_folder.host_toml(host_folder.default_folder())
    nodes = [path for path in (Path(NODE_TOML), INSTALLED_NODE) if path.is_file()]
    found = [("node", path) for path in nodes]
    if _is_checkout(Path.cwd()):
        found.append(("checkout", Path.cwd()))
    return [*found, *([("host", host)] if host.is_file() or not found else [])]


def _is_checkout(path: Path) -> bool:
    return (path / "Makefile").is_file() and (path / "latentlink" / "make.py").is_file()


def _check_checkout(path: Path) -> Iterator[Finding]:
    if shutil.which("make") is None:
        yield Finding("make is not installed: apt install make", is_hint=True)
    if not (path / PYTHON).exists():
        yield Finding("there is no .venv: make setup", is_hint=True)
        if (free_bytes := shutil.disk_usage(path).free) < SETUP_BYTES:
            yield Finding(
                f"make setup needs {SETUP_BYTES / 1e9:.1f} GB and {free_bytes / 1e9:.1f} GB are "
                "free; make room, or install without training: pip install '.[node,host]'",
                is_hint=True,
            )
    elif not (path / PYTHON.parent.parent / ".ready").exists():
        yield Finding("the .venv is half made: make setup", is_hint=True)
    yield from check_disk(path)
    if not os.access(path, os.W_OK):
        yield Finding(f"this account may not write into {path}, where runs/ is made")


def _check_host(path: Path) -> Iterator[Finding]:
    found: Iterator[Finding] = import_module("host_decoder.service.checkup").check_host(path)
    return found


def _check_node(path: Path) -> Iterator[Finding]:
    found: Iterator[Finding] = import_module("device.checkup").check_node(path)
    return found


CHECKS = {"host": _check_host, "node": _check_node, "checkout": _check_checkout}

if __name__ == "__main__":
    sys.exit(main())
