"""What a newcomer meets first: the Makefile, the set-up, and results files that can be traced."""

import ast
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import export.command_line
import host_decoder.commands
from latentlink.targets import STEPS
from latentlink.variables import TARGETS, VARIABLES
from link.output.results import check_result
from tests.programs import program
from tests.scale import IS_NIGHTLY

ROOT = Path(__file__).parent.parent


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """As a person types it, also where make is what runs the tests."""
    typed = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(
        [program("make"), *words], cwd=ROOT, env=typed, capture_output=True, text=True
    )


def test_help_explains_every_target_and_variable():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"variables"}
    text = make("help").stdout
    assert {
        line.split()[0] for line in text.splitlines() if re.match(r"[a-z-]+ {2,}\S", line)
    } == targets
    assert targets >= STEPS.keys()
    assert all(f"\n  {name}=" in text for name in VARIABLES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("live", "dataset=cifar10"),
            "there is no variable dataset; did you mean DATASET? `make help` lists them",
        ),
        (("live", "DOWNLINK=maybe"), "DOWNLINK=maybe: it must be yes or no, or be left out"),
        (("test", "JOBS=many"), "JOBS=many: it must be a whole number from 1 to 256"),
        (("train", "DATASET=cifar10", "PRESET=digits"), "preset 'digits' does not fit cifar10"),
        (("lint", "SEED=1"), "lint takes no SEED"),
    ],
)
def test_what_make_does_not_know_ends_before_anything_begins(words, sentence):
    done = make(*words)
    assert done.returncode == 2
    said, end = done.stderr.splitlines()
    assert said.startswith(f"make: {sentence}")
    assert end.startswith("make: ***")
    assert done.stdout == ""


def test_a_path_reaches_its_program_as_it_was_typed(tmp_path):
    folder = tmp_path / 'it\'s $(shell touch pwned) "a"; touch pwned'
    (folder / "my photos" / "cat").mkdir(parents=True)
    done = make("-n", "train", f"DATASET={folder}/my photos", f"RUN={folder}/a run")
    [step] = [shlex.split(line) for line in done.stdout.splitlines() if "-m host_training" in line]
    assert step[1:] == [
        *(
            "-m",
            "host_training",
            "train",
            "--dataset",
            f"{folder}/my photos",
            "--run",
            f"{folder}/a run",
        ),
    ]
    flash = make(
        "-n", "flash", f"TARGET={folder}/card", f"SETTINGS={folder}/node.toml"
    ).stdout.splitlines()[-1]
    assert shlex.split(flash)[4:] == [f"{folder}/card", "--settings", f"{folder}/node.toml"]
    assert list(tmp_path.rglob("pwned")) == []
    assert not (ROOT / "pwned").exists()


def test_what_somebody_measures_changes_no_file_of_the_project():
    said = {
        "live": ["--bundle", "b"],
        "export": ["--checkpoint", "c", "--out", "o"],
        "rotate": ["--bundle", "b", "--out", "o"],
    }
    folders = [
        host_decoder.commands._parser().parse_args(["live", *said["live"]]).results,
        export.command_line.parser().parse_args(said["export"]).results,
        export.command_line.rotation_parser().parse_args(said["rotate"]).results,
    ]
    assert {str(folder) for folder in folders} == {"runs/results"}
    for target in ("live", "bench", "seeds", "verdicts", "export", "nightly", "test-image"):
        assert "RESULTS" in TARGETS[target]
    ignored = [
        program("git"),
        "check-ignore",
        "runs/results/a.json",
        "runs/bundles/cifar10/manifest.json",
    ]
    done = subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 2


def test_every_step_is_a_target_of_one_line_that_calls():
    makefile = (ROOT / "Makefile").read_text()
    recipes = re.findall(r"((?:^\t.*\n)+)", makefile.partition("\ntrain:")[2], re.MULTILINE)
    assert recipes == ["\t$(LATENTLINK) $@ $(filter $(TARGETS),$(MAKECMDGOALS))\n"]


def set_up(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "requirements" / "setup.sh"), str(tmp_path / "venv"), python]
    return subprocess.run(command, capture_output=True, text=True)


def test_set_up_without_that_python_says_what_to_install(tmp_path):
    done = set_up(tmp_path, "python-of-nowhere")
    assert done.returncode == 1
    assert re.fullmatch(
        r"setup: there is no 'python-of-nowhere' here; install Python 3\.11, 3\.12 or 3\.13, .*\n",
        done.stderr,
    )


def test_set_up_by_another_version_names_both(tmp_path):
    other = tmp_path / "python3.9"
    other.write_text("#!/bin/sh\necho 3.9\n")  # what it answers when asked for its version
    other.chmod(0o755)
    done = set_up(tmp_path, str(other))
    assert done.returncode == 1
    assert "is Python 3.9 and what is pinned is for 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_set_up_names_the_python_that_made_what_is_there(tmp_path):
    made = tmp_path / "venv/bin/python"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/sh\necho 3.13\n")
    made.chmod(0o755)
    done = set_up(tmp_path, sys.executable)
    assert done.returncode == 1
    assert "venv was made by Python 3.13 and" in done.stderr
    assert "say make setup PYTHON=python3.13" in done.stderr


@pytest.mark.parametrize(("version", "exported_by"), [("3.11", ""), ("3.13", "onnx2tf 2 exports")])
def test_set_up_takes_the_python_that_is_there_and_says_so(
    tmp_path, monkeypatch, version, exported_by
):
    """An environment that cannot be filled, by a uv and a pip that say what they were told."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for place, body in {
        f"bin/python{version}": f"echo {version}",
        "venv/bin/python": f'[ "$2" = pip ] && echo pip "$@" || echo {version}',
        "bin/uv": "echo uv $*; exit 1",
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    found = subprocess.run(
        [ROOT / "requirements/python.sh", "3.14.15", version], capture_output=True, text=True
    ).stdout
    assert found == f"{tmp_path}/bin/python{version}\n"
    done = set_up(tmp_path, found.strip())
    assert done.returncode == 0
    assert f"by uv, with Python {version} from {tmp_path}/bin/python{version} " in done.stdout
    assert exported_by in done.stdout
    first, second = (tmp_path / "venv/setup.log").read_text().splitlines()
    lock = f"train-{'3.11' if version == '3.11' else '3.12'}.lock.txt"
    assert first.startswith("uv pip install --quiet --python")
    assert second.startswith("pip -m pip install")
    assert first.endswith(lock)
    assert second.endswith(lock)


def test_set_up_on_a_full_disk_says_how_much_is_missing(tmp_path, monkeypatch):
    df = tmp_path / "bin" / "df"
    df.parent.mkdir()
    df.write_text("#!/bin/sh\necho Filesystem\necho /dev/sda1 9000 8877 123 99% /\n")
    df.chmod(0o755)
    monkeypatch.setenv("PATH", f"{df.parent}:{os.environ['PATH']}")
    done = set_up(tmp_path, sys.executable)
    assert done.returncode == 1
    assert "needs 4500 MB and 123 MB are free" in done.stderr


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_set_up_without_network_says_so_and_is_not_taken_for_done(tmp_path, monkeypatch):
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_NO_CACHE": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    done = set_up(tmp_path, sys.executable)
    assert done.returncode == 1
    assert "is the network there? Then run 'make setup' again" in done.stderr


def test_a_second_set_up_waits_for_the_first_and_does_not_do_it_again(tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    command = [str(ROOT / "requirements" / "setup.sh"), str(venv), sys.executable]
    with (venv / ".lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout
            assert (
                second.stdout.readline() == "setup: another make is at it; waiting for that one\n"
            )
            (venv / ".ready").touch()
            fcntl.flock(first, fcntl.LOCK_UN)
            assert second.stdout.read() == ""
    assert second.returncode == 0
    assert not (venv / "bin").exists()


def test_a_bundle_that_is_not_there_is_named_before_anything_runs():
    done = make("live", "BUNDLE=nowhere")
    assert done.returncode != 0
    assert "there is no bundle in nowhere; 'make export' writes one" in done.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results").glob("*.json")), ids=lambda path: path.stem
)
def test_every_results_file_has_the_one_shape(path):
    result = json.loads(path.read_text())
    check_result(result)
    assert result["study"] == path.stem


PACKAGES = ("link", "device", "host_decoder", "export", "host_training", "latentlink")
TESTED_ELSEWHERE = {
    "link/fog/course.py": "tests/link/fog/test_session.py",
    "link/fog/interface.py": "tests/link/fog/test_session.py",
    "link/fog/presence.py": "tests/link/fog/test_session.py",
    "link/fog/underway.py": "tests/link/fog/test_session.py",
    "link/node/interface.py": "tests/link/node/test_sender.py",
    "device/flash/image.py": "tests/device/flash/test_aarch64.py",
    "device/flash/rootfs.py": "tests/device/flash/test_aarch64.py",
    "device/computers.py": "tests/device/test_energy.py",
    "device/training/layers.py": "tests/device/training/test_network.py",
    "host_decoder/fleet/partition.py": "tests/host_decoder/fleet/test_worker.py",
    "host_decoder/fleet/program.py": "tests/host_decoder/fleet/test_worker.py",
    "host_decoder/store/followed.py": "tests/host_decoder/store/test_shared.py",
    "link/gateway/port.py": "tests/host_decoder/test_gateway_config.py",
    "host_decoder/commands.py": "tests/host_decoder/live/test_run.py",
    "host_decoder/arguments.py": "tests/host_decoder/live/test_run.py",
    "host_decoder/errors.py": "tests/host_decoder/test_config.py",
    "host_decoder/store/database/access.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/history/desk.py": "tests/host_decoder/store/history/test_reading.py",
    "host_decoder/store/history/images.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/keeping.py": "tests/host_decoder/store/history/test_reading.py",
    "host_decoder/store/database/migration.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/names.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/database/opening.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/database/partitions.py": (
        "tests/host_decoder/store/database/test_postgres.py"
    ),
    "host_decoder/store/history/comparison.py": "tests/host_decoder/store/history/test_jobs.py",
    "host_decoder/store/database/settings.py": "tests/host_decoder/store/test_retention.py",
    "host_decoder/store/database/schema.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/store/database/sqlite_file.py": "tests/host_decoder/store/database/test_file.py",
    "host_decoder/store/history/statistics.py": "tests/host_decoder/store/test_store.py",
    "host_decoder/teach/encoder.py": "tests/host_decoder/teach/test_command.py",
    "host_decoder/teach/examples.py": "tests/host_decoder/teach/test_question.py",
    "host_decoder/teach/options.py": "tests/host_decoder/teach/test_command.py",
    "export/universal/features.py": "tests/export/universal/test_build.py",
    "export/encoder/flatbuffer_worker.py": "tests/parity/test_parity.py",
    "export/encoder/tensorflow_worker.py": "tests/export/encoder/test_tflite.py",
    "host_training/commands.py": "tests/host_training/test_run.py",
    "host_training/distributed/flower/app.py": "tests/studies/global_real/test_global_real.py",
    "host_training/distributed/flower/wire.py": "tests/studies/global_real/test_global_real.py",
    "host_training/distributed/learner/objective.py": (
        "tests/host_training/distributed/learner/test_worker.py"
    ),
    "host_training/models/architecture.py": "tests/host_training/models/test_autoencoder.py",
    "host_training/presets/branches.py": "tests/host_training/presets/test_presets.py",
    "host_training/presets/dense.py": "tests/host_training/presets/test_presets.py",
    "host_training/presets/distilled.py": "tests/host_training/presets/test_presets.py",
    "host_training/presets/photos.py": "tests/host_training/presets/test_presets.py",
    "host_training/presets/preset.py": "tests/host_training/presets/test_presets.py",
    "host_training/presets/residual.py": "tests/host_training/presets/test_presets.py",
    "host_training/training/cuda_graph.py": "tests/host_training/training/test_trainer.py",
    "latentlink/choice.py": "tests/latentlink/test_steps.py",
    "latentlink/make.py": "tests/test_house.py",
    "latentlink/targets.py": "tests/latentlink/test_steps.py",
    "latentlink/upkeep.py": "tests/latentlink/test_steps.py",
}
"Modules without a test file of their name, and the one that shows what they do."


def test_every_module_has_a_test_file_of_its_name_or_is_known_to_be_shown_elsewhere():
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    without = {module for module in modules if not file_for(module).is_file()}
    assert without == TESTED_ELSEWHERE.keys()
    assert all((ROOT / file).is_file() for file in TESTED_ELSEWHERE.values())


def file_for(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.name}"


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_what_stands_under_a_name_can_be_read_alone(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            is_head = node is module.body[0] if module.body else False
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not is_head:
                text = str(node.value.value)
                assert not text.startswith("Of "), f"{path.relative_to(ROOT)}: {text!r}"


def test_the_map_for_who_changes_something_names_every_room_and_nothing_that_is_not_there():
    text = (ROOT / "docs/develop.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Za-z_./-]+/[A-Za-z_./-]*|Makefile|[.]ci/run)`", text))
    made = {"runs/results"}
    missing = {path for path in named - made if not (ROOT / path).exists()}
    assert missing == set()
    rooms = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert rooms - named == set()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((ROOT / "docs" / link).exists() for link in links)
