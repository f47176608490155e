"""The emulator: a line between pseudo-terminals, opened as serial ports are."""

import fcntl
import json
import os
import pty
import select
import signal
import termios
import time
import tty
from pathlib import Path
from typing import Any

from link.emulator.cable import Cable
from link.emulator.radio import RadioLine

Emulated = Cable | RadioLine

LONGEST_SLEEP_S = 0.2
SHORTEST_SLEEP_S = 0.002
"Bytes of a fast UART are delivered in handfuls, as a USB adapter does."


class Terminal:
    """One end as its computer sees it: a raw pseudo-terminal, for one program after another."""

    def __init__(self) -> None:
        # keeping the slave open keeps the pair alive between two users
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.bytes_overrun = 0

    def fileno(self) -> int:
        return self._master

    def read(self) -> bytes:
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Hand over what fits; what nobody reads is lost, as it is on a cable."""
        try:
            n_written = os.write(self._master, data)
        except BlockingIOError:
            n_written = 0
        self.bytes_overrun += len(data) - n_written

    def allow(self) -> None:
        """Let the next program open it: one that was killed has not given it back."""
        fcntl.ioctl(self._slave, termios.TIOCNXCL)

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


def emulate(line: Emulated, link_dir: Path | None = None) -> None:
    """Print where the ends are as one JSON line, carry bytes until SIGTERM or SIGINT, then print
    the statistics.

    With link_dir the ends also stand there as the symbolic links "a", "b", ….
    """
    terminals = {end: Terminal() for end in line.ends}
    links = _link(link_dir, terminals) if link_dir else []
    started_s = time.monotonic()
    try:
        _end_on(signal.default_int_handler)
        print(json.dumps({end: terminal.path for end, terminal in terminals.items()}), flush=True)
        _carry(line, terminals)
    except KeyboardInterrupt:
        pass
    finally:
        # Ctrl-C in a terminal reaches this process twice: by itself and from its parent
        _end_on(signal.SIG_IGN)
        overrun = {"bytes_overrun": sum(terminal.bytes_overrun for terminal in terminals.values())}
        print(json.dumps({**line.statistics(time.monotonic() - started_s), **overrun}), flush=True)
        for path in links:
            path.unlink(missing_ok=True)
        for terminal in terminals.values():
            terminal.close()


def _end_on(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def _carry(line: Emulated, terminals: dict[str, Terminal]) -> None:
    while True:
        now_s = time.monotonic()
        for end, terminal in terminals.items():
            terminal.allow()
            if arrived := line.pop(end, now_s):
                terminal.write(arrived)
        due_s = line.next_due_s()
        wait_s = LONGEST_SLEEP_S if due_s is None else due_s - time.monotonic()
        timeout_s = min(max(SHORTEST_SLEEP_S, wait_s), LONGEST_SLEEP_S)
        open_ends = {terminal: end for end, terminal in terminals.items() if not line.is_full(end)}
        readable, _, _ = select.select(list(open_ends), [], [], timeout_s)
        for terminal in readable:
            line.push(open_ends[terminal], terminal.read(), time.monotonic())


def _link(link_dir: Path, terminals: dict[str, Terminal]) -> list[Path]:
    link_dir.mkdir(parents=True, exist_ok=True)
    links = []
    for end, terminal in terminals.items():
        link = link_dir / end
        if link.is_symlink():
            link.unlink()  # left over from an emulator that was killed
        link.symlink_to(terminal.path)
        links.append(link)
    return links
