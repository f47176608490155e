"""What latentlink.service asks of systemd, for a node that is a folder: start it, hear READY, start
it when it dies.

python -m tests.worlds.service ROOT start|stop|is-active|show|…      as update.sh calls systemctl
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESTART_S = 0.2


def main(root: Path, verb: str) -> int:
    folder = root / "run"
    folder.mkdir(exist_ok=True)
    if verb == "start":
        words = [sys.executable, "-m", "tests.worlds.service", str(root), "supervise"]
        silent = subprocess.DEVNULL
        manager = subprocess.Popen(
            words, cwd=ROOT, start_new_session=True, stdin=silent, stdout=silent, stderr=silent
        )
        (folder / "manager").write_text(str(manager.pid))
    elif verb == "stop":
        _stop(folder)
    elif verb == "is-active":
        return 0 if (folder / "ready").exists() else 3
    elif verb == "show":
        print((folder / "restarts").read_text())
    elif verb == "supervise":
        supervise(root, folder)
    return 0


def _stop(folder: Path) -> None:
    try:
        manager = int((folder / "manager").read_text())
        os.kill(manager, signal.SIGTERM)
        while (folder / "running").exists():
            time.sleep(0.02)
    except (FileNotFoundError, ProcessLookupError):
        pass
    (folder / "manager").unlink(missing_ok=True)


def supervise(root: Path, folder: Path) -> None:
    """Restart=always, until it is told to stop."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    (folder / "running").touch()
    (folder / "notify").unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(folder / "notify"))
    listener.settimeout(0.05)
    release = root / "opt/latentlink/current"
    environment = os.environ | {"PYTHONPATH": f"{release}", "NOTIFY_SOCKET": str(folder / "notify")}
    command = [sys.executable, "-P", "-m", "device", "--console", "none"]
    command += [
        "--last-good",
        str(root / "var/lib/latentlink/node.toml.good"),
        str(root / "etc/latentlink/node.toml"),
    ]
    n_restarts = -1
    with (folder / "journal").open("ab") as journal:
        while not stopped:
            n_restarts += 1
            (folder / "restarts").write_text(str(n_restarts))
            node = subprocess.Popen(command, env=environment, cwd=root, stderr=journal)
            (folder / "pid").write_text(str(node.pid))
            while node.poll() is None and not stopped:
                try:
                    if b"READY=1" in listener.recv(4096):
                        (folder / "ready").touch()
                except TimeoutError:
                    pass
            node.terminate()
            node.wait()
            (folder / "ready").unlink(missing_ok=True)
            time.sleep(RESTART_S)
    (folder / "running").unlink()


if __name__ == "__main__":
    sys.exit(
        main(Path(sys.argv[1]), next(word for word in sys.argv[2:] if not word.startswith("-")))
    )
