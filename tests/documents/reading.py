"""Reading: what the programs themselves say of a command that a page shows, before they begin.

What a command names (a folder of photos, a checkpoint) is put there for it, in a folder that goes
again.
"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from host_training.run import RunError
from latentlink.commands import COMMANDS
from latentlink.variables import TARGETS, VARIABLES, VariableError, read
from tests.documents.command_line import understood, words_for

ROOT = Path(__file__).parent.parent.parent
OURS = ("make", "latentlink", "python")
OTHERS = {
    *("cat", "cd", "chmod", "cp", "echo", "export", "git", "ls", "mkdir", "mv", "rm", "test"),
    *("apt", "curl", "dd", "df", "docker", "flower-supernode", "journalctl", "lsblk", "mosquitto"),
    *("mosquitto_pub", "mosquitto_sub", "pip", "podman", "python3", "rsync", "scp", "ssh"),
    *("stty", "systemctl", "tensorboard", "tee", "timedatectl", "usermod", "sudo", "."),
}
"Programs of others that a page may show; only their quoting is looked at."
PACKAGES = ("link", "device", "host_training", "export", "host_decoder", "latentlink", "tests")
WITHOUT_OPTIONS = ("tests.documents", "tests.golden", "tests.programs")
"They begin at once, and so are not asked."
OPERATORS = {"&&", "||", ";", "|", "&", "(", ")", ">", ">>", "<"}


def fault(line: str, folder: Path) -> str:
    """Why a command would not begin, or nothing; read in a folder where anything may be made."""
    shell = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True)
    if shell.returncode:
        return shell.stderr.strip()
    for words in _simple(line):
        if why := _fault_of(words, folder):
            return why
    return ""


def _simple(line: str) -> Iterator[list[str]]:
    """The commands of a line, without what the shell does with them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in OPERATORS:
            words.append(word)
            continue
        while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
            del words[0]
        if words:
            yield words
        words = [] if word not in (">", ">>", "<") else ["echo"]  # a file follows


def _fault_of(words: list[str], folder: Path) -> str:
    program, *rest = words
    program = re.sub(r"^\.venv[\w-]*/bin/", "", program)
    try:
        if program == "make":
            _make(rest, folder)
        elif program == "latentlink" or rest[:2] == ["-m", "latentlink"]:
            _latentlink(rest if program == "latentlink" else rest[2:])
        elif program == "python" and rest[:1] == ["-m"] and rest[1].partition(".")[0] in PACKAGES:
            module = _module(rest[1])
            if rest[1:] == ["tests.studies"] or rest[1].startswith(WITHOUT_OPTIONS):
                return ""
            with _as_it_was():
                understood(module, rest[2:], rest[1])
        elif program not in OTHERS | {"python"}:
            return f"{program}: no page has shown this program; add it to OTHERS if it should"
    except (ValueError, VariableError, RunError, ModuleNotFoundError) as error:
        return str(error)
    return ""


def _make(words: list[str], folder: Path) -> None:
    said = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word and not word.startswith("-")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *TARGETS}
    for target in targets:
        if target not in known and not target.isupper():
            raise ValueError(f"make {target}: there is no such target")
    for name in [name for name, value in said.items() if "…" in value]:
        if name not in VARIABLES or not any(name in TARGETS.get(one, ()) for one in targets):
            raise ValueError(f"make {' '.join(targets)} takes no {name}")
        del said[name]  # whatever it is
    for name, value in said.items():
        _put(name, value, folder)
    typed = {name: re.sub(r"([\\ ])", r"\\\1", value) for name, value in said.items()}
    flags = " ".join(f"{name}={value}" for name, value in typed.items())
    before = Path.cwd()
    os.chdir(folder)
    try:
        read(f" -- {flags}", {}, targets)
    finally:
        os.chdir(before)


def _put(name: str, value: str, folder: Path) -> None:
    """What must be there for a variable to be right."""
    path = folder / value
    if name in ("TEACHER", "START_FROM", "PLACEMENT"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    elif name == "BUNDLE":
        path.mkdir(parents=True, exist_ok=True)
        (path / "manifest.json").write_text("{}")
    elif (name == "DATASET" and "/" in value) or (name == "EXAMPLES" and ":" not in value):
        for kind in ("cat", "dog"):
            (path / kind).mkdir(parents=True, exist_ok=True)
            (path / kind / "1.png").touch()


def _latentlink(words: list[str]) -> None:
    if words[:1] in ([], ["--version"], ["--help"]) or words[1:2] == ["--help"]:
        return
    if words[0] not in COMMANDS:
        raise ValueError(f"latentlink has no command {' '.join(words[:1])}")
    command = COMMANDS[words[0]]
    if command.module == "latentlink.make" or words == ["studies"]:
        return
    with _as_it_was():
        understood(command.module, words_for(command, words[1:]), f"latentlink {words[0]}")


def _module(name: str) -> str:
    found = find_spec(name)
    if found is None:
        raise ValueError(f"there is no module {name}")
    return f"{name}.__main__" if found.submodule_search_locations else name


@contextmanager
def _as_it_was() -> Iterator[None]:
    """A program that begins takes the signals; here it only said what it understands."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
