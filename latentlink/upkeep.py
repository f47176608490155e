"""Upkeep: what is taken away again, caches at once and runs when that is confirmed."""

import shutil
from pathlib import Path

from host_training.run import RUN, RUNS, RunError
from latentlink.said import VENV, Said
from link.base import FolderLock, HeldError

OF_A_RUN = {"bundle", "tensorboard"}
"Folders that training and export make in a run's."
CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")


def clean(said: Said) -> None:
    """Caches alone: runs, data and .venv stay."""
    tops = [path for path in Path().iterdir() if path.is_dir() and path.name != VENV]
    for path in (*map(Path, CACHES), *(path for top in tops for path in top.rglob("__pycache__"))):
        if said.is_dry:
            print(f"rm -rf {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


def clean_runs(said: Said) -> None:
    """Say what would go, with its size, and let it go when that is confirmed."""
    named = said.path("RUN")
    if named is not None and not (named.is_dir() and (_lies_in_runs(named) or _is_run(named))):
        raise RunError(
            f"{named} is not the folder of a run and of nothing else; no other is deleted here"
        )
    folders = sorted(path for path in RUNS.glob("*") if path.is_dir()) if named is None else [named]
    for folder in folders:
        n_bytes = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
        n_bundles = len({path.parent for path in folder.rglob("manifest.json")})
        print(
            f"{folder}: {n_bytes / 1e6:.1f} MB" + (f", bundles: {n_bundles}" if n_bundles else "")
        )
    if not folders:
        print("there are no runs")
    elif said.get("CONFIRM") != "yes" or said.is_dry:
        print(
            "nothing was deleted: `make clean-runs CONFIRM=yes` deletes all of this for good, RUN= "
            "only one of them"
        )
    else:
        for folder in folders:
            _delete(folder)


def _lies_in_runs(folder: Path) -> bool:
    return RUNS.resolve() in folder.resolve().parents


def _is_run(folder: Path) -> bool:
    """Whether training has written there, and nobody keeps folders of his own beside it."""
    inner = {path.name for path in folder.iterdir() if path.is_dir()}
    return inner <= OF_A_RUN and any((folder / name).is_file() for name in (RUN, "last.pt"))


def _delete(folder: Path) -> None:
    try:
        with FolderLock(folder):
            if folder.is_symlink():  # what it leads to is somebody's who put it elsewhere
                folder.unlink()
            else:
                shutil.rmtree(folder)
        print(f"{folder}: deleted")
    except HeldError:
        print(f"{folder}: left, since something is training there")
