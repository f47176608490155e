"""A guest: an image in QEMU with a root shell on its console, its serial port on one end of an
emulated line.

image (virt) ── serial port ── `link emulate` ── terminal ── `host_decoder listen` ── answers
"""

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from device.flash.boot import MACHINES, qemu_command

ROOT = Path(__file__).parents[2]
POLL_S = 0.2
ANSWER = re.compile(r"ANSWER-BEGINS\n(.*)ANSWER-ENDS\n", re.DOTALL)


class Guest:
    """One start of an image; what it writes stays in it. Leaving the context cuts the power."""

    def __init__(
        self,
        image: Path,
        folder: Path,
        line: Path,
        machine: str = "virt",
        network: str = "none",
        options: Sequence[str] = (),
    ) -> None:
        """`network` is QEMU's -nic; `options` are further words for it."""
        folder.mkdir(parents=True, exist_ok=True)
        words = [*qemu_command(image, folder, line, MACHINES[machine], keeps=True), *options]
        if network != "none":
            words[words.index("-nic") + 1] = network
        terminal = re.split(r"[=, ]", MACHINES[machine].console)[1]
        words[words.index("-append") + 1] += f" systemd.debug_shell={terminal}"
        console = words.index("-chardev") + 1
        self._console_path = folder / "console.sock"
        self._console_path.unlink(missing_ok=True)
        log = f"logfile={folder / 'console.log'},logappend=on"
        words[console] = f"socket,id=console,path={self._console_path},server=on,wait=off,{log}"
        self.log = folder / "console.log"
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def ask(self, command: str, timeout_s: float = 60) -> str:
        """What a root shell in the guest prints for that command; TimeoutError when it does not
        answer.
        """
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(str(self._console_path))
            console.settimeout(POLL_S)
            # The quotes keep the shell's echo of this line from looking like its answer.
            console.sendall(f"\necho ANS''WER-BEGINS; {command}; echo ANS''WER-ENDS\n".encode())
            heard, until_s = "", time.monotonic() + timeout_s
            while not (found := ANSWER.search(heard)):
                if time.monotonic() > until_s:
                    raise TimeoutError(
                        f"the guest did not answer {command!r}; {self.log} ends {heard[-300:]!r}"
                    )
                with contextlib.suppress(TimeoutError):
                    heard += console.recv(4096).decode(errors="replace").replace("\r", "")
        return found[1].strip()

    def cut_power(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def cpu_s(self) -> float:
        """Processor time of QEMU: user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()


class Line:
    """`python -m link emulate` between two terminals: `a` is the node's, `b` the host's."""

    def __init__(self, profile: str, folder: Path) -> None:
        self.a = folder / "a"
        self.b = folder / "b"
        command = [
            sys.executable,
            "-m",
            "link",
            "emulate",
            "--link",
            profile,
            "--link-dir",
            str(folder),
        ]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # it says the names when they are there

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()


class Host:
    """`python -m host_decoder listen`, a process as a person runs it; events one by one, sentences
    in host.log.
    """

    def __init__(self, config: Path) -> None:
        command = [sys.executable, "-m", "host_decoder", "listen", str(config)]
        self.log = config.with_name("host.log")
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=said, bufsize=0
            )
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._rest = b""

    def events(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Until the time is over; TimeoutError then."""
        until_s = time.monotonic() + timeout_s
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                yield json.loads(line)
            if time.monotonic() > until_s:
                raise TimeoutError
            if self._selector.select(POLL_S):
                read = self._output.read(65536)
                if not read:
                    raise RuntimeError(f"the host ended: {self.log.read_text()[-500:]}")
                self._rest += read

    def __enter__(self) -> "Host":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
