"""What `pip install .` takes along: packages, what lies beside their programs, the command."""

import tomllib
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOUND = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
OURS = [name.removesuffix("*") for name in FOUND]


def files() -> list[Path]:
    return [path for name in OURS for path in (ROOT / name).rglob("*") if path.is_file()]


def test_every_package_is_named_and_every_folder_of_programs_is_one():
    assert set(OURS) == {path.parent.name for path in ROOT.glob("*/__main__.py")}
    folders = {path.parent for path in files() if path.suffix == ".py"}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_whatever_lies_beside_the_programs_is_taken_along():
    data = PROJECT["tool"]["setuptools"]["package-data"]
    others = [path for path in files() if path.suffix not in (".py", ".pyc")]
    assert others
    for path in others:
        package = ".".join(path.parent.relative_to(ROOT).parts)
        assert any(fnmatch(path.name, form) for form in data[package]), path


def test_the_command_is_a_function_that_is_there():
    module, _, function = PROJECT["project"]["scripts"]["latentlink"].partition(":")
    assert callable(getattr(import_module(module), function))
