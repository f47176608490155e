"""One command looks at whatever is here, and ends with 1 where something cannot work."""

import subprocess
import sys
from pathlib import Path

import pytest

from latentlink import doctor
from link.checkup.finding import Finding

ROOT = Path(__file__).parents[2]
FILES = {
    "host/host.toml": "[link]\n",
    "node/node.toml": 'key_dir = "keys"\n',
    "other/mine.toml": 'node = 1\nkey_dir = "keys"\n',
    "checkout/Makefile": "",
    "checkout/latentlink/make.py": "",
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A host folder, nodes and a checkout that are only named; nothing else is here."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(doctor, "INSTALLED_NODE", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    found: dict[str, list[Finding]] = {"host": [], "node": [], "checkout": []}
    for kind in found:
        monkeypatch.setitem(doctor.CHECKS, kind, lambda path, kind=kind: found[kind])
    return found


def told(monkeypatch, capsys, *words: str) -> tuple[int, list[str]]:
    monkeypatch.setattr(sys, "argv", ["latentlink doctor", *words])
    code = doctor.main()
    return code, capsys.readouterr().out.splitlines()


def test_what_is_named_is_known_by_what_it_is(places, monkeypatch, capsys):
    words = ("host", "node", "other/mine.toml", "host/host.toml", "checkout")
    code, lines = told(monkeypatch, capsys, *words)
    assert code == 0
    assert lines == [
        "host      host/host.toml: nothing is missing",
        "node      node/node.toml: nothing is missing",
        "node      other/mine.toml: nothing is missing",
        "host      host/host.toml: nothing is missing",
        "checkout  checkout: nothing is missing",
    ]


def test_what_is_in_the_way_comes_first_and_ends_with_1(places, monkeypatch, capsys):
    places["host"] += [Finding("worth knowing", is_hint=True)]
    assert told(monkeypatch, capsys, "host") == (
        0,
        ["host      host/host.toml", "  note    worth knowing"],
    )
    places["host"] += [Finding("in the way")]
    code, lines = told(monkeypatch, capsys, "host", "node")
    assert code == 1
    assert lines[1:] == [
        "  wrong   in the way",
        "  note    worth knowing",
        "node      node/node.toml: nothing is missing",
    ]


def test_a_place_where_nothing_is_is_named(places, monkeypatch, capsys):
    code, [line] = told(monkeypatch, capsys, "home")
    assert code == 1
    assert line == "home: there is no host.toml, no node.toml and no checkout of latentlink"


def test_unasked_it_looks_at_what_is_here(places, monkeypatch, capsys, tmp_path):
    host = tmp_path / "home" / "latentlink" / "host.toml"
    assert told(monkeypatch, capsys)[1] == [f"host      {host}: nothing is missing"]
    monkeypatch.chdir(tmp_path / "node")
    assert told(monkeypatch, capsys)[1] == ["node      node.toml: nothing is missing"]
    monkeypatch.chdir(tmp_path / "checkout")
    assert told(monkeypatch, capsys)[1] == [
        f"checkout  {tmp_path / 'checkout'}: nothing is missing"
    ]


def test_a_checkout_without_environment_room_or_make_is_told_so(tmp_path, monkeypatch):
    def sentences() -> str:
        return " ".join(one.sentence for one in doctor._check_checkout(tmp_path))

    monkeypatch.setattr(doctor, "SETUP_BYTES", 1 << 60)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "make is not installed: apt install make" in sentences()
    assert "there is no .venv: make setup" in sentences()
    assert "make setup needs" in sentences()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    assert "the .venv is half made: make setup" in sentences()
    (tmp_path / ".venv/.ready").touch()
    assert "make setup" not in sentences()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "may not write into" in sentences()


def test_it_wants_nothing_but_the_standard_library(tmp_path):
    (tmp_path / "host.toml").touch()
    command = [sys.executable, "-S", "-m", "latentlink", "doctor", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "onnxruntime, paho, rich are not installed: pip install" in done.stdout
