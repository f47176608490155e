"""Targets: what each target of `make` does; of those that need a run or a bundle,
latentlink.steps.
"""

import re
import shutil
from collections.abc import Callable

from host_training.run import RunError
from latentlink.choice import bundle_to_use
from latentlink.said import Said
from latentlink.steps import bench, decoder, export, global_, live, seeds, train, verdicts
from latentlink.upkeep import clean, clean_runs
from latentlink.variables import TEAM
from link.output import results

HOST = ("HOST_DIR", "HOST_TOML")


def flash(said: Said) -> None:
    names = (
        "HOST_PORT",
        "SYSTEM_IMAGE",
        "NODE",
        "USER_NAME",
        "SSH_KEY",
        "CONFIRM",
        "REPLACE",
        "DRY_RUN",
        *TEAM,
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
    said.run("device.flash", "deploy", *_addresses(said))


def deploy_model(said: Said) -> None:
    """Only a bundle that is there: nobody wants a node to get one that was made in passing."""
    addresses = _addresses(said)
    if not {"BUNDLE", "DATASET", "RUN"} & said.values.keys():
        raise RunError(
            "say which bundle the node gets: BUNDLE=, or DATASET= or RUN= of which the newest is "
            "taken"
        )
    chosen = bundle_to_use(said)
    if not chosen.is_there:
        raise RunError(
            f"there is no bundle in {chosen.bundle}; 'make export' writes one, BUNDLE= names "
            "another folder"
        )
    said.tell(f"bundle    {chosen.bundle}")
    options = said.options("WITHOUT", *HOST)
    said.run("device.flash", "deploy", *addresses, "--bundle", chosen.bundle, *options)


def _addresses(said: Said) -> list[str]:
    """All addresses that are named; % in one stands for the number of a team's member."""
    if "ADDRESS" not in said:
        raise RunError("say which node: ADDRESS=, as ssh takes it")
    named = said["ADDRESS"].split() or [""]
    if "%" not in named[0]:
        return named
    if "FOG" not in said:
        raise RunError("say how many members ADDRESS=% stands for: FOG=7")
    away = re.findall(r"\d+", said.get("WITHOUT"))
    return [
        named[0].replace("%", str(member))
        for member in range(int(said["FOG"]))
        if str(member) not in away
    ]


def emulated(study: str, *arguments: str) -> Callable[[Said], None]:
    def step(said: Said) -> None:
        place = ["--results", said.results]
        options = said.options("SUITE", "MIRROR")
        said.run("tests.studies", study, *arguments, *options, *place)

    return step


FAULTS = ("flood", "dead_gateway", "pictures", "adversary", "situations", "bare_machine")
"What the study of faults measures without data sets."


def nightly(said: Said) -> None:
    for study in ("simulation", "many_nodes", "erasure", "fuzz"):
        said.run("tests.studies", study, **{results.RESULTS: said.results})
    for study in ("kills", "fog_live"):
        said.run("tests.studies", study, "--results", said.results)
    said.run("tests.pythons", "--all")
    said.run("tests.studies", "faults", *FAULTS, **{results.RESULTS: said.results})
    said.run(
        "pytest",
        "tests/link",
        "tests/device",
        "tests/studies",
        "tests/export/encoder/test_tflite.py",
        "tests/test_end_to_end.py",
        LATENTLINK_NIGHTLY="1",
    )


def test(said: Said) -> None:
    said.run("pytest", "-n", said.get("JOBS", "3"), "--dist", "loadfile", "--no-loadscope-reorder")


def lint(said: Said) -> None:
    said.run("ruff", "check", ".")
    said.run("ruff", "format", "--check", ".")
    said.run("mypy")


def golden(said: Said) -> None:
    said.run("tests.golden.make")
    said.run("tests.golden.recording")


def docs(said: Said) -> None:
    said.run("tests.documents")


def docs_check(said: Said) -> None:
    said.run("tests.documents.running")


def site(said: Said) -> None:
    said.run("tests.documents.site")


def dist(said: Said) -> None:
    """A wheel of what is there now: what setuptools kept of an earlier one would go along."""
    shutil.rmtree("build", ignore_errors=True)
    said.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".")


def studies(*study: str) -> Callable[[Said], None]:
    return lambda said: said.run("tests.studies", *study)


STEPS: dict[str, Callable[[Said], None]] = {
    "train": train,
    "export": export,
    "decoder": decoder,
    "live": live,
    "global": global_,
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
    "lint": lint,
    "golden": golden,
    "dist": dist,
    "docs": docs,
    "docs-check": docs_check,
    "site": site,
    "clean": clean,
    "clean-runs": clean_runs,
}
