"""Libraries: which test files want none that is not here, whichever they import, and whatever those
import in turn.

`python -m tests.libraries FOLDER|FILE…` lists them: on a Python without PyTorch these are the tests
of node, host and link.
"""

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.test_boundaries import OURS, ROOT, modules_imported


def main() -> None:
    for place in map(ROOT.joinpath, sys.argv[1:]):
        for path in [place] if place.is_file() else sorted(place.rglob("test_*.py")):
            if not missing(path):
                print(path.relative_to(ROOT))


def missing(path: Path) -> set[str]:
    """Libraries that a test file, its conftest files or their modules import and that are not
    here.
    """
    seen: set[Path] = set()
    ahead = [path, *(parent / "conftest.py" for parent in path.parents if ROOT in parent.parents)]
    wanted: set[str] = set()
    while ahead:
        path = ahead.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for module in imported(path):
            top = module.partition(".")[0]
            if top in OURS:
                ahead += files_of(module)
            else:
                wanted.add(top)
    return {name for name in wanted if not is_here(name)}


@cache
def imported(path: Path) -> set[str]:
    return modules_imported(path)


@cache
def files_of(module: str) -> list[Path]:
    """What is loaded when it is imported: its file, and the faces of the folders it lies in."""
    path = ROOT.joinpath(*module.split("."))
    faces = [parent / "__init__.py" for parent in (path, *path.parents) if ROOT in parent.parents]
    return [path.with_suffix(".py"), *faces]


@cache
def is_here(name: str) -> bool:
    return name in sys.stdlib_module_names or find_spec(name) is not None


if __name__ == "__main__":
    main()
