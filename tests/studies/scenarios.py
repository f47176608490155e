"""Scenarios: what goes wrong with a node in the field, done to one in QEMU.

Each scenario has a card of its own, and a host that listens as long as it lasts; what is awaited
are labels there, and sentences on the node's console or from the host. In the end everything that
the host stored must be a bitstream that this machine's encoder makes of the same photographs, and
the card's file system is checked. Writes results/scenarios.json. Power cuts have a program of their
own (tests.studies.power_cuts).
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from device.flash.boot import MACHINES
from device.flash.firstboot import SEED
from device.flash.partitions import FAT_TYPES, read_table
from device.flash.rootfs import BOOT_LABEL, PYTHON_OF, Debian
from device.flash.tools import find
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.host.interface import Reason
from link.output.results import write_result
from tests.studies.boot_image import BUNDLE, PROFILE, prepare, symbols_here
from tests.studies.command import add_results, command
from tests.studies.power_cuts import check_file_system, stored
from tests.worlds.guest import Guest, Host, Line

LABELS = 8
WIRED = "user,model=virtio-net-pci,restrict=on"
UNANSWERED = "hubport,hubid=0,model=virtio-net-pci"
"A cable at whose other end there is nobody: no address is ever given."
SETTINGS, OPT, STATE = "/etc/latentlink/node.toml", "/opt/latentlink", "/var/lib/latentlink"
POLL_S = 0.5


class ScenarioError(Exception):
    """What was awaited did not come."""


class Bench:
    """A folder with card.img, host.toml and what is heard from both ends."""

    def __init__(self, folder: Path, line: Line, host: Host, limit_s: float) -> None:
        self.folder = folder
        self.image = folder / "card.img"
        self._line = line
        self._host = host
        self.limit_s = limit_s
        self.n_labels = 0
        self.cpu_s = 0.0
        self.sentences: list[str] = []
        self._guest: Guest | None = None

    def start(self, network: str = "none", options: tuple[str, ...] = ()) -> Guest:
        """A log of its own for each start."""
        log = self.folder / "console.log"
        if log.exists():
            log.rename(self.folder / f"console-{time.monotonic_ns()}.log")
        self._guest = Guest(self.image, self.folder, self._line.a, network=network, options=options)
        return self._guest

    def await_labels(self, n: int = LABELS) -> None:
        until = self.n_labels + n
        try:
            for event in self._host.events(self.limit_s):
                self.n_labels += event["event"] == "answer" and event["is_complete"]
                if self.n_labels >= until:
                    return
        except TimeoutError:
            raise ScenarioError(f"only {self.n_labels - until + n} of {n} labels came") from None

    def await_sentence(self, log: Path, sentence: str) -> None:
        """In a log; the line that holds it is kept for the result."""
        line = self._await_line(log, sentence)
        self.sentences.append(line[max(0, line.index(sentence) - 60) :].strip())

    def await_host(self, sentence: str) -> None:
        self.await_sentence(self._host.log, sentence)

    def await_shell(self, guest: Guest) -> None:
        self._await_line(guest.log, "root@latentlink")

    def _await_line(self, log: Path, words: str) -> str:
        until_s = time.monotonic() + self.limit_s
        while not (log.exists() and words in (text := log.read_text(errors="replace"))):
            if time.monotonic() > until_s:
                raise ScenarioError(f"{log.name} never says {words!r}")
            time.sleep(POLL_S)
        return next(line for line in text.splitlines() if words in line)

    def end(self, guest: Guest) -> None:
        """Cut the power; what the node wrote durably is there at the next start."""
        self.cpu_s += guest.cpu_s
        guest.cut_power()

    def close(self) -> None:
        if self._guest is not None:
            self._guest.cut_power()


def happy_path(bench: Bench) -> None:
    """First boot, with a network."""
    guest = bench.start(network=WIRED)
    bench.await_labels()
    has_key = guest.ask(f"ls /boot/firmware/{SEED}")
    if "node.key" in has_key.split():
        raise ScenarioError("the key is still on the boot partition")
    guest.ask(f"until [ -f {STATE}/node.toml.good ]; do sleep 1; done; sync")
    bench.end(guest)


def no_network(bench: Bench) -> None:
    """First boot, on a cable at whose other end nobody answers."""
    guest = bench.start(network=UNANSWERED)
    bench.await_labels()
    bench.end(guest)


def read_only_boot_partition(bench: Bench) -> None:
    """The node is installed, says that the key stays, and at the next boot goes on under the same
    key and counters.
    """
    [fat] = [part for part in read_table(bench.image) if part.kind in FAT_TYPES]
    boot = bench.folder / "boot.fat"
    with bench.image.open("rb") as card:
        card.seek(fat.start_bytes)
        boot.write_bytes(card.read(fat.size_bytes))
    subprocess.run(
        [find("mlabel"), "-i", f"{bench.image}@@{fat.start_bytes}", "::OTHER"], check=True
    )
    drive = f"file={boot},format=raw,if=none,id=boot,readonly=on"
    for _ in range(2):
        guest = bench.start(options=("-drive", drive, "-device", "virtio-blk-pci,drive=boot"))
        bench.await_labels()
        bench.await_sentence(
            guest.log,
            "the boot partition cannot be written, so the node's key stays readable on it",
        )
        if guest.ask("findmnt -no SOURCE,LABEL /boot/firmware").split()[1:] != [BOOT_LABEL]:
            raise ScenarioError("the boot partition is not the one that is read-only")
        if (
            guest.ask(f"cmp /boot/firmware/{SEED}/node.key {STATE}/keys/node.key && echo same")
            != "same"
        ):
            raise ScenarioError("the node's key is not the flashed one")
        bench.end(guest)


def invalid_settings(bench: Bench) -> None:
    """Somebody mistypes a key in node.toml: safe mode, which ends when it is put right."""
    guest = bench.start()
    bench.await_shell(guest)
    spoil = (
        f"until [ -w /etc ]; do sleep 1; done; sed -i s/interval_s/intervall_s/ {SETTINGS}; sync"
    )
    guest.ask(spoil, timeout_s=bench.limit_s)
    bench.end(guest)
    guest = bench.start()
    bench.await_sentence(guest.log, 'node.toml: [source] key "intervall_s" is unknown')
    bench.await_sentence(guest.log, "safe mode: nothing is captured until")
    bench.await_host('node 1 captures nothing: node.toml: [source] key "intervall_s" is unknown')
    guest.ask(f"sed -i s/intervall_s/interval_s/ {SETTINGS}; sync")
    bench.await_labels()
    bench.end(guest)


def full_disk(bench: Bench) -> None:
    """Something fills the card: the node says so again and again, and goes on by itself once there
    is room.
    """
    guest = bench.start()
    bench.await_labels()
    guest.ask(
        "dd if=/dev/zero of=/var/fill bs=64k; dd if=/dev/zero of=/var/fill2 bs=1; sync",
        timeout_s=bench.limit_s,
    )
    bench.await_sentence(guest.log, "free some space")
    guest.ask(
        "until [ $(systemctl show -P NRestarts latentlink) -ge 2 ]; do sleep 1; done",
        timeout_s=bench.limit_s,
    )
    guest.ask("rm /var/fill /var/fill2; sync")
    bench.await_labels()
    bench.end(guest)


def damaged_bundle(bench: Bench) -> None:
    """A bundle that ran is damaged on the card: the node goes back to the one before it."""
    guest = bench.start()
    bench.await_labels(1)
    guest.ask(
        f"cd {OPT} && cp -r $(readlink bundle) bundles/newer && ln -sfn $(readlink bundle) "
        f"bundle.previous && ln -sfn bundles/newer bundle && rm -f {STATE}/bundle.json && sync && "
        "systemctl restart latentlink",
        timeout_s=bench.limit_s,
    )
    bench.await_sentence(guest.log, "bundle newer has passed")
    guest.ask(
        f"dd if=/dev/urandom of={OPT}/bundles/newer/encoder.tflite bs=1k seek=20 count=4 "
        "conv=notrunc; sync"
    )
    bench.end(guest)
    guest = bench.start()
    bench.await_sentence(guest.log, "bundle newer failed")
    bench.await_labels()
    bench.end(guest)


FROM_A_NEW_CARD: dict[str, Callable[[Bench], None]] = {
    "happy-path": happy_path,
    "no-network": no_network,
    "read-only-boot-partition": read_only_boot_partition,
}
FROM_A_NODE_THAT_RAN: dict[str, Callable[[Bench], None]] = {
    "invalid-settings": invalid_settings,
    "full-disk": full_disk,
    "damaged-bundle": damaged_bundle,
}
TO_BE_EXPECTED = {reason for reason in Reason if reason.is_ordinary} | {Reason.NOISE}
"Refusals of a host whose node is ended or restarted, maybe in the middle of a frame."
SCENARIOS = FROM_A_NEW_CARD | FROM_A_NODE_THAT_RAN


def copy_folder(source: Path, target: Path) -> None:
    """With its holes."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-r", "--sparse=always", source, target], check=True)


def play(name: str, base: Path, expected: set[bytes], limit_s: float) -> dict[str, object]:
    """One scenario; its figures, or ScenarioError."""
    folder, begun_s = base / name, time.monotonic()
    copy_folder(base / ("card" if name in FROM_A_NEW_CARD else "happy-path"), folder)
    for log in folder.glob("*.log"):
        log.unlink()
    with Line(PROFILE, base / "line") as line, Host(folder / "host.toml") as host:
        bench = Bench(folder, line, host, limit_s)
        try:
            SCENARIOS[name](bench)
        except (ScenarioError, TimeoutError) as error:
            for last_words in ("console.log", "host.log"):
                print((folder / last_words).read_text(errors="replace")[-6000:], file=sys.stderr)
            raise ScenarioError(f"{name}: {error}; console and host are above") from None
        finally:
            bench.close()
    bitstreams, refusals = stored(folder / "host.sqlite")
    n_foreign = sum(bitstream not in expected for bitstream in bitstreams)
    unusual = {reason: n for reason, n in refusals.items() if reason not in TO_BE_EXPECTED}
    faults = check_file_system(bench.image, folder / "root.ext4")
    if n_foreign or unusual or faults:
        raise ScenarioError(
            f"{name}: {n_foreign} foreign bitstreams, refused: {unusual}, e2fsck: "
            f"{faults or 'clean'}"
        )
    if name != "happy-path":
        bench.image.unlink()
    return {
        "labels": bench.n_labels,
        "said": bench.sentences,
        "wall_s": round(time.monotonic() - begun_s, 1),
        "qemu_cpu_s": round(bench.cpu_s, 1),
    }


def main(options: argparse.Namespace) -> int:
    base = options.work.resolve() / "scenarios"
    card = base / "card"
    debian = Debian(options.suite, options.mirror)
    _, images = prepare(
        card, options.work.resolve(), debian, MACHINES["virt"].port, base / "line/b"
    )
    tables = Bundle.load(BUNDLE, side="node").tables
    expected = {latent_coder.encode(symbols, tables) for symbols in symbols_here(images)}
    figures = {}
    for name in options.only or SCENARIOS:
        print(f"{name} …", flush=True)
        try:
            figures[name] = play(name, base, expected, options.limit)
        except ScenarioError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        print(json.dumps(figures[name], indent=1), flush=True)
    if options.only:
        return 0
    times = {
        f"{name}_{key}": row[key]
        for name, row in figures.items()
        for key in ("labels", "wall_s", "qemu_cpu_s")
    }
    print(
        write_result(
            "scenarios",
            times,
            command=command(),
            extra={"scenarios": figures},
            folder=options.results,
        )
    )
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument(
        "--only", nargs="+", choices=SCENARIOS, help="some of them; nothing is written then"
    )
    top.add_argument("--suite", choices=PYTHON_OF, default="bookworm")
    top.add_argument("--mirror", default="")
    top.add_argument(
        "--limit", type=float, default=300, metavar="S", help="for each thing that is awaited"
    )
    top.add_argument("--work", type=Path, default=Path("runs/flash"))
    add_results(top)
    return top
