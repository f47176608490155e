"""What `pip install` takes along: packages, what lies beside their programs, the libraries that
each part wants, the command.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from fnmatch import fnmatch
from importlib import import_module, metadata
from pathlib import Path

import pytest

from tests.programs import program
from tests.test_boundaries import OURS as OWN
from tests.test_boundaries import imports

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOUND = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
TOP = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")
OURS = [name.removesuffix("*") for name in FOUND]


def files() -> list[Path]:
    """But what Python and link.coder.native made of them."""
    found = [path for name in OURS for path in (ROOT / name).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts]


def test_every_package_is_named_and_every_folder_of_programs_is_one():
    assert set(OURS) == {path.parent.name for path in ROOT.glob("*/__main__.py")}
    folders = {path.parent for path in files() if path.suffix == ".py"}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_whatever_lies_beside_the_programs_is_taken_along():
    data = PROJECT["tool"]["setuptools"]["package-data"]
    others = [path for path in files() if path.suffix not in (".py", ".pyc")]
    assert others
    for path in others:
        folder = next(one for one in path.parents if (one / "__init__.py").is_file())
        package, name = ".".join(folder.relative_to(ROOT).parts), path.relative_to(folder)
        assert any(
            fnmatch(name.name, Path(form).name) and name.parent == Path(form).parent
            for form in data[package]
        ), path


def test_the_command_is_a_function_that_is_there():
    module, _, function = PROJECT["project"]["scripts"]["latentlink"].partition(":")
    assert callable(getattr(import_module(module), function))


def libraries(*extras: str) -> set[str]:
    """What pip installs with these extras, by the names under which it is imported."""
    wanted = set(PROJECT["project"]["dependencies"])
    for extra in extras:
        wanted |= set(PROJECT["project"]["optional-dependencies"][extra])
    names = {plain(re.split(r"[\[<>=;]", line)[0]) for line in wanted}
    installed = metadata.packages_distributions().items()
    return {module for module, those in installed if names & {plain(one) for one in those}}


def plain(name: str) -> str:
    """A distribution's name as an index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("link", ("host", "pictures")),
        ("device", ("node", "pictures")),
        ("host_decoder", ("host", "fleet", "parquet")),
        ("host_training", ("train", "global")),
        ("export", ("host", "train", "export")),
        ("latentlink", ()),
    ],
)
def test_every_library_that_a_part_imports_comes_with_its_extra(package, extras):
    imported = {name for path in (ROOT / package).rglob("*.py") for name in imports(path)}
    wanted = imported - sys.stdlib_module_names - OWN
    if "global" in extras:
        wanted.remove("flwr")  # which is in an environment of its own
    assert wanted - libraries(*extras) == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Made of what git knows, as from a fresh clone."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        [program("git"), "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).exists() and name.split("/")[0] in (*OURS, "models", "requirements", *TOP):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    build = "import sys, setuptools.build_meta as made; made.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(place)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [path] = place.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory) -> Path:
    """`latentlink` of an environment with that wheel and, by a link, the libraries of this one."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "these.pth").write_text(sysconfig.get_path("purelib"))
    return venv / "bin/latentlink"


def run(*words: str | Path, folder: Path) -> str:
    """What it says, in a folder that is not the checkout."""
    done = subprocess.run([*map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_it_says_its_version_and_its_commands(command, tmp_path):
    assert run(command, "--version", folder=tmp_path) == (
        f"latentlink {PROJECT['project']['version']}\n"
    )
    assert "node       run a node" in run(command, "--help", folder=tmp_path)
    assert "rn2483-sf9" in run(command, "link", "profiles", folder=tmp_path)


def test_installed_it_shows_labels_without_a_checkout(command, tmp_path):
    said = run(command, "live", "--images", "3", folder=tmp_path)
    assert "3 / 3" in said
    assert "bundle                         │ digits" in said


def test_bash_completes_by_asking_it(command, tmp_path):
    script = f"""
PATH={command.parent}:$PATH
eval "$(latentlink completion bash)"
COMP_WORDS=(latentlink link emulate --lo) COMP_CWORD=3
_latentlink
echo "${{COMPREPLY[@]}}"
"""
    assert run(program("bash"), "-c", script, folder=tmp_path) == "--loss\n"
