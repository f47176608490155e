"""Outside programs are asked for in one place; a bare machine is one whose PATH lacks them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import BASIC, PACKAGES, link_all_but_these

TESTS = Path(__file__).parent
CALLS = {"run", "Popen", "check_call", "check_output", "call", "which"}


def named_programs(path: Path) -> list[str]:
    """Programs that a file calls, or looks for, by their bare name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CALLS
        ):
            continue
        if not (
            isinstance(node.func.value, ast.Name) and node.func.value.id in ("subprocess", "shutil")
        ):
            continue
        first = node.args[0] if node.args else None
        first = first.elts[0] if isinstance(first, ast.List) and first.elts else first
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append(f"{path.name}:{node.lineno} {first.value}")
    return found


def test_no_test_calls_a_program_without_asking_whether_it_is_there():
    named = [line for path in TESTS.rglob("test_*.py") for line in named_programs(path)]
    helpers = [TESTS / "worlds/broker.py", TESTS / "device/flash/conftest.py"]
    assert [*named, *(line for path in helpers for line in named_programs(path))] == []


def test_a_program_called_by_its_bare_name_would_be_found_out(tmp_path):
    (tmp_path / "careless.py").write_text(
        'import subprocess\nsubprocess.run(["mosquitto_passwd", "-b"])\n'
    )
    assert named_programs(tmp_path / "careless.py") == ["careless.py:2 mosquitto_passwd"]


def test_a_bare_path_has_what_every_machine_has_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name in ("git", "sort", "mosquitto", "mosquitto_passwd", "qemu-aarch64"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    link_all_but_these(tmp_path / "bare")
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == ["git", "sort"]
    assert PACKAGES.keys() > BASIC


@pytest.mark.parametrize(
    "asked", ['program("mosquitto_passwd")', 'needs("mosquitto", "mosquitto_passwd")']
)
def test_a_test_without_its_program_is_skipped_by_the_name_of_what_it_calls(tmp_path, asked):
    is_mark = asked.startswith("needs")
    body = (
        f"pytestmark = {asked}\ndef test_it(): assert False"
        if is_mark
        else f"def test_it(): {asked}; assert False"
    )
    (tmp_path / "test_it.py").write_text(
        f"from device.flash import tools\ntools.SYSTEM_PATH = ''\n"
        f"from tests.programs import needs, program\n{body}\n"
    )
    environment = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    said = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tmp_path
    ).stdout
    assert "1 skipped" in said
    assert "mosquitto_passwd" in said
    assert "apt install mosquitto" in said
