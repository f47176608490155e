"""Running: every command that README and docs/ show, in a scratch copy of this checkout.

    python -m tests.documents.running [PAGE …]

A page is read from top to bottom as a person does it: a block that begins with ```toml FILE is
written to that file, one with ```sh is typed, and one with ```sh stays goes on beside the rest
until the page ends. ```sh dry is only read by the programs (tests.documents.reading).
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.documents.markdown import Command, commands
from tests.documents.parts import pages
from tests.documents.reading import fault

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^[ ]*```(sh|toml) *([\w./-]*)\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
LONGEST_S = 600.0
BEGINS_S = 4.0
"So long what stays is waited for before the page goes on."
ENDED = (0, 130, -signal.SIGINT)


@dataclass
class Scratch:
    """A clone of the checkout, and a home outside of it."""

    folder: Path
    home: Path
    staying: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    n_run: int = 0
    n_read: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        path = f"{self.home / 'bin'}:{self.folder / '.venv/bin'}:{os.environ['PATH']}"
        return {**own, "HOME": str(self.home), "PATH": path, "TERM": "dumb"}

    def take(self, page: Path) -> None:
        """A whole page; what is wrong is printed and counted."""
        print(f"\n{page.name}")
        for language, kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            text = (
                re.sub(r"^[ ]+(?=\S)", "", block, flags=re.MULTILINE) if block[0] == " " else block
            )
            if language == "toml":
                if kind:
                    (self.folder / kind).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / kind).write_text(text, encoding="utf-8")
            elif kind == "dry":
                for command in commands(f"```sh dry\n{text}```"):
                    self._read(command)
            else:
                self._type(text, kind)
        self._end_what_stays()

    def _read(self, command: Command) -> None:
        self.n_read += 1
        with tempfile.TemporaryDirectory() as folder:
            self._tell(command.line, fault(command.line, Path(folder)), "read")

    def _type(self, block: str, kind: str) -> None:
        """Line after line, in one shell; comments and all."""
        title = "; ".join(command.line for command in commands(f"```sh\n{block}```"))
        self.n_run += len(list(commands(f"```sh\n{block}```")))
        begun_s = time.monotonic()
        log = self.home / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", "-c", f"set +m\n{block}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(BEGINS_S if kind == "stays" else LONGEST_S)
            except subprocess.TimeoutExpired:
                if kind == "stays":
                    self.staying.append((title, process))
                    print(f"  stays  {title}", flush=True)
                    return
                os.killpg(process.pid, signal.SIGKILL)
                code = 124
        said = log.read_text(encoding="utf-8", errors="replace")[-1500:]
        why = f"it ended with {code}:\n{said}" if code or kind == "stays" else ""
        self._tell(title, why, f"{time.monotonic() - begun_s:.1f} s")

    def _end_what_stays(self) -> None:
        for title, process in reversed(self.staying):
            code = process.poll()
            if code is None:
                os.killpg(process.pid, signal.SIGINT)
                code = process.wait(20)
            self._tell(title, "" if code in ENDED else f"it ended with {code}", "ended")
        self.staying.clear()

    def _tell(self, line: str, why: str, how: str) -> None:
        print(f"  {'FAILS' if why else 'ok'}  {how}  {line}{f': {why}' if why else ''}", flush=True)
        if why:
            self.failed.append(line)


def make_scratch(place: Path) -> Scratch:
    """What git would take of this checkout, the environment that is here, and a `latentlink`."""
    folder, home = place / "latentlink", place / "home"
    home.mkdir()
    for name in _files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (home / "bin").mkdir()
    shim = home / "bin" / "latentlink"
    shim.write_text('#!/bin/sh\nexec python -m latentlink "$@"\n')
    shim.chmod(0o755)
    return Scratch(folder, home)


def _files() -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = filter(None, listed.stdout.decode().split("\0"))
    # .venv is listed where it is a link to one elsewhere
    yield from (name for name in names if name != ".venv" and os.path.lexists(ROOT / name))


def main() -> int:
    wanted = [Path(name).resolve() for name in sys.argv[1:]] or pages()
    with tempfile.TemporaryDirectory(prefix="latentlink-docs-") as folder:
        scratch = make_scratch(Path(folder))
        for page in wanted:
            scratch.take(page)
    print(
        f"\n{scratch.n_run} commands run, {scratch.n_read} read by their programs, "
        f"{len(scratch.failed)} failed"
    )
    return 1 if scratch.failed else 0


if __name__ == "__main__":
    sys.exit(main())
