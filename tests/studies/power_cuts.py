"""Power cuts: a node whose power is cut again and again, from its first boot on.

One card, one host that keeps listening. QEMU is killed at random moments, the first of them during
first boot; then the node is left alone and has to deliver. In the end everything that the host
stored must be a bitstream that this machine's encoder makes of the same photographs, no counter may
have come twice, and the card's file system is checked. Writes results/power-cuts.json.
"""

import argparse
import json
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

from device.flash.boot import MACHINES
from device.flash.partitions import LINUX, read_table
from device.flash.rootfs import PYTHON_OF, Debian
from device.flash.tools import find
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.output.results import write_result
from tests.studies.boot_image import BUNDLE, PROFILE, prepare, symbols_here
from tests.studies.command import add_results, command
from tests.worlds.guest import Guest, Host, Line

LABELS_IN_THE_END = 24


def check_file_system(image: Path, copy: Path) -> str:
    """What e2fsck says of a copy of the root partition, its journal replayed as a boot does it; ""
    when clean.
    """
    [root] = (part for part in read_table(image) if part.kind == LINUX)
    with image.open("rb") as source, copy.open("wb") as target:
        source.seek(root.start_bytes)
        target.truncate(root.size_bytes)
        while target.tell() < root.size_bytes:
            block = source.read(min(1 << 20, root.size_bytes - target.tell()))
            target.seek(len(block), 1) if not block.strip(b"\0") else target.write(block)
    subprocess.run([find("e2fsck"), "-p", "-E", "journal_only", copy], capture_output=True)
    done = subprocess.run([find("e2fsck"), "-f", "-n", copy], capture_output=True, text=True)
    copy.unlink()
    return "" if done.returncode == 0 else done.stdout + done.stderr


def stored(store: Path) -> tuple[list[bytes], dict[str, int]]:
    """The complete bitstreams that the host stored, and what it refused, by reason."""
    bundle = Bundle.load(BUNDLE, side="node")
    with Store(store, must_exist=True) as opened:
        bitstreams = [
            image.bitstream for image in opened.images(bundle.id.hex()) if image.is_complete
        ]
        refusals = opened.statistics()["refusals"]
    return bitstreams, {entry["reason"]: entry["n"] for entry in refusals}


def main(options: argparse.Namespace) -> int:
    work, draw = options.work.resolve(), random.Random(options.seed)
    folder = work / "power-cuts"
    debian = Debian(options.suite, options.mirror)
    image, images = prepare(folder, work, debian, MACHINES["virt"].port, folder / "line/b")
    tables = Bundle.load(BUNDLE, side="node").tables
    expected = {latent_coder.encode(symbols, tables) for symbols in symbols_here(images)}
    labels_by_start: list[int] = []
    with Line(PROFILE, folder / "line") as line, Host(folder / "host.toml") as host:

        def count_labels(limit_s: float, enough: float) -> int:
            n_labels = 0
            try:
                for event in host.events(limit_s):
                    n_labels += event["event"] == "answer" and event["is_complete"]
                    if n_labels >= enough:
                        break
            except TimeoutError:
                pass
            return n_labels

        for cut in range(options.cuts):
            after_s = draw.uniform(2, options.longest)
            with Guest(image, folder, line.a):
                labels_by_start.append(count_labels(after_s, float("inf")))
            print(f"cut {cut + 1} after {after_s:.1f} s: {labels_by_start[-1]} labels", flush=True)
        begun_s = time.monotonic()
        with Guest(image, folder, line.a) as guest:
            in_the_end = count_labels(options.limit, LABELS_IN_THE_END)
            recovery_s = time.monotonic() - begun_s
            tail = guest.log.read_text(errors="replace")[-4000:]
    bitstreams, refusals = stored(folder / "host.sqlite")
    foreign = [bitstream for bitstream in bitstreams if bitstream not in expected]
    faults = check_file_system(image, folder / "root.ext4")
    print(f"refused: {refusals}; starts with labels: {Counter(n > 0 for n in labels_by_start)}")
    if in_the_end < LABELS_IN_THE_END or foreign or faults:
        print(
            f"{tail}\nFAILED: {in_the_end} labels in the end, {len(foreign)} foreign bitstreams, "
            f"{faults}"
        )
        return 1
    figures = {
        "cuts": options.cuts,
        "starts_with_labels": sum(n > 0 for n in labels_by_start),
        "labels": sum(labels_by_start) + in_the_end,
        "labels_after_the_last_cut": in_the_end,
        "recovery_s": recovery_s,
        "images_stored": len(bitstreams),
        "images_that_are_none_of_ours": len(foreign),
        "refused": sum(refusals.values()),
    }
    print(json.dumps(figures, indent=1))
    print(
        write_result(
            "power-cuts", figures, command=command(), seeds=[options.seed], folder=options.results
        )
    )
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--cuts", type=int, default=20)
    top.add_argument(
        "--longest",
        type=float,
        default=60,
        metavar="S",
        help="from power to cut (default %(default)s)",
    )
    top.add_argument(
        "--limit",
        type=float,
        default=300,
        metavar="S",
        help="of the last start (default %(default)s)",
    )
    top.add_argument("--seed", type=int, default=0)
    top.add_argument("--suite", choices=PYTHON_OF, default="bookworm")
    top.add_argument("--mirror", default="")
    top.add_argument("--work", type=Path, default=Path("runs/flash"))
    add_results(top)
    return top
