"""What was said on the command line, and how the steps are run: as processes, one after the
other.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from link.output import results

VENV = ".venv"
PYTHON = Path(f"{VENV}/bin/python")


class StepError(Exception):
    """A step ended with this exit code, and has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def option_of(name: str) -> str:
    """A variable as an option of the commands: --max-drop for MAX_DROP."""
    return f"--{name.lower().replace('_', '-')}"


@dataclass(frozen=True)
class Said:
    """Variables by name, as they were typed."""

    values: Mapping[str, str]
    is_dry: bool = False
    "Steps are shown and not run."
    is_training: bool = False
    "The seed is the training's."

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def path(self, name: str) -> Path | None:
        return Path(self.values[name]).expanduser() if name in self.values else None

    def options(self, *names: str) -> list[str]:
        """--max-drop 2 for MAX_DROP=2, and so for each that was said; of a path, ~ is the home
        folder.
        """
        return [
            word
            for name in names
            if name in self.values
            for word in (option_of(name), os.path.expanduser(self.values[name]))
        ]

    @property
    def results(self) -> str:
        """The folder of figures: one's own, unless the project's is meant."""
        return self.get("RESULTS", str(results.OWN))

    def tell(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def run(self, module: str, *arguments: str | Path, **environment: str) -> None:
        """A module of the environment, to its end; Ctrl-C reaches it too, and its word is the
        last.
        """
        command = [str(PYTHON), "-m", module, *map(str, arguments)]
        if self.is_dry or self.get("V") == "1":
            print(shlex.join(command), flush=True)
        if self.is_dry:
            return
        data_dir = {"DATA_DIR": self["DATA_DIR"]} if "DATA_DIR" in self else {}
        environment = {**os.environ, **data_dir, **environment}
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            code = subprocess.run(command, env=environment, check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)
        if code:
            raise StepError(code if code > 0 else 128 - code)
