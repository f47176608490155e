"""Targets: what each target of `make` does; of those that need a run or a bundle,
latentlink.steps.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from host_training.run import RUN, RUNS, RunError
from latentlink.choice import bundle_to_use
from latentlink.said import Said
from latentlink.steps import bench, decoder, export, live, seeds, train, verdicts
from link.base import FolderLock, HeldError
from link.output import RESULTS

OF_A_RUN = {"bundle", "tensorboard"}
"Folders that training and export make in a run's."
HOST = ("HOST_DIR", "HOST_TOML")


def flash(said: Said) -> None:
    names = (
        *("HOST_PORT", "SYSTEM_IMAGE", "NODE", "USER_NAME", "SSH_KEY", "CONFIRM", "REPLACE"),
        "DRY_RUN",
    )
    if "TARGET" not in said:
        raise RunError(
            "say what becomes a node: TARGET=/dev/sdX, FILE.img or the folder of a boot partition"
        )
    settings = ["--settings", said.get("SETTINGS", "node.toml")]
    said.run("device.flash", "card", said["TARGET"], *settings, *said.options(*HOST, *names))


def image(said: Said) -> None:
    said.run("device.flash", "image", *said.options("SUITE", "MIRROR"))


def deploy(said: Said) -> None:
    said.run("device.flash", "deploy", _address(said))


def deploy_model(said: Said) -> None:
    """Only a bundle that is there: nobody wants a node to get one that was made in passing."""
    address = _address(said)
    if not {"BUNDLE", "DATASET", "RUN"} & said.values.keys():
        raise RunError(
            "say which bundle the node gets: BUNDLE=, or DATASET= or RUN= of which the "
            "newest is taken"
        )
    chosen = bundle_to_use(said)
    if not chosen.is_there:
        raise RunError(
            f"there is no bundle in {chosen.bundle}; 'make export' writes one, BUNDLE= names "
            "another folder"
        )
    said.tell(f"bundle    {chosen.bundle}")
    said.run("device.flash", "deploy", address, "--bundle", chosen.bundle, *said.options(*HOST))


def _address(said: Said) -> str:
    if "ADDRESS" not in said:
        raise RunError("say which node: ADDRESS=, as ssh takes it")
    return said["ADDRESS"]


def emulated(study: str, *arguments: str) -> Callable[[Said], None]:
    def step(said: Said) -> None:
        results = ["--results", said.results]
        options = said.options("SUITE", "MIRROR")
        said.run("tests.studies", study, *arguments, *options, *results)

    return step


FAULTS = ("flood", "dead_gateway", "pictures", "adversary", "situations", "bare_machine")
"What the study of faults measures without data sets."


def nightly(said: Said) -> None:
    for study in ("simulation", "many_nodes", "erasure", "fuzz"):
        said.run("tests.studies", study, **{RESULTS: said.results})
    said.run("tests.studies", "kills", "--results", said.results)
    said.run("tests.studies", "faults", *FAULTS, **{RESULTS: said.results})
    said.run(
        "pytest",
        "tests/link",
        "tests/device",
        "tests/studies",
        LATENTLINK_NIGHTLY="1",
    )


def test(said: Said) -> None:
    said.run("pytest", "-n", said.get("JOBS", "2"), "--dist", "loadfile", "--no-loadscope-reorder")


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
            "nothing was deleted: `make clean-runs CONFIRM=yes` deletes all of this for "
            "good, RUN= only one of them"
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


def studies(*study: str) -> Callable[[Said], None]:
    return lambda said: said.run("tests.studies", *study)


STEPS: dict[str, Callable[[Said], None]] = {
    "train": train,
    "export": export,
    "decoder": decoder,
    "live": live,
    "bench": bench,
    "seeds": seeds,
    "verdicts": verdicts,
    "experiments": studies(),
    "report": studies("report"),
    "plot": studies("plot"),
    "flash": flash,
    "image": image,
    "test-image": emulated("boot_image"),
    "test-scenarios": emulated("scenarios"),
    "test-power-cuts": emulated("power_cuts", "--longest", "90", "--limit", "400"),
    "deploy": deploy,
    "deploy-model": deploy_model,
    "test": test,
    "nightly": nightly,
    "clean-runs": clean_runs,
}
