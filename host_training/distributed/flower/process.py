"""Process: a program in a session of its own, whose words go to a file, and that ends when this one
is killed.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from link.base import die_with_parent


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Begin it; whoever started it ends it."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(),
            env=environment,
        )
