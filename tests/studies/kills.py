"""Kills: a node is killed, or loses its power, again and again; writes results/link-kills.json.

Kills come at random moments and, by tracing, before and after each system call that changes a file.
A power cut comes there too, and the next start finds what a disk may hold then: what was
synchronised, and any sectors of the rest. After each the node's files must account for all that it
has told (tests.worlds.killed_node). Last, files are damaged: the node must start all the same and
send nothing but what was queued.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from device.outbox.outbox import open_outbox
from link.output.results import write_result
from tests.studies.command import add_results, command
from tests.worlds import tracing
from tests.worlds.killed_node import (
    LEDGER,
    OUTBOX,
    World,
    new_world,
    pieces_of,
    promise,
    waiting_in,
)
from tests.worlds.power_cut import Disk
from tests.worlds.tracing import Call

LONGEST_LIFE_S = 0.12
STARTS_PER_FOLDER = 25


def live(world: World, seed: int) -> None:
    """A start that ends in peace."""
    pid, pipe = tracing.start(world.worker(seed), is_traced=False)
    world.hear(pipe)
    _, status = os.waitpid(pid, 0)
    promise(status == 0, f"the node ended with {status}")


def kill_at_random(world: World, seed: int, life_s: float) -> None:
    """SIGKILL after life_s, wherever the node is then."""
    pid, pipe = tracing.start(world.worker(seed, n_images=100_000), is_traced=False)
    time.sleep(life_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    world.hear(pipe)


def kill_at_call(world: World, seed: int, n_calls: int) -> bool:
    """SIGKILL at the n-th stop, before or after a call that changes a file; False when there are
    not so many.
    """
    calls = _Countdown(n_calls)
    pid, pipe = tracing.start(world.worker(seed), is_traced=True)
    ended = tracing.trace(pid, calls.may_go_on)
    world.hear(pipe)
    return not ended


def cut_power_at_call(world: World, seed: int, n_calls: int, draw: Random) -> bool:
    """The same, and its folder is then what a disk may hold after a power cut."""
    calls = _Countdown(n_calls)
    pid, pipe = tracing.start(world.worker(seed), is_traced=True)
    disk = Disk(world.folder, pid)

    def may_go_on(call: Call) -> bool:
        disk.saw(call)
        return calls.may_go_on(call)

    ended = tracing.trace(pid, may_go_on)
    world.hear(pipe)
    if not ended:
        with TemporaryDirectory() as surviving:
            disk.after_power_cut(Path(surviving), draw)
            shutil.rmtree(world.folder)
            shutil.copytree(surviving, world.folder)
        world.reboot(off_s=draw.uniform(0, 600))
    disk.close()
    return not ended


class _Countdown:
    """Lets a process live through so many stops."""

    def __init__(self, n_calls: int) -> None:
        self._n_left = n_calls

    def may_go_on(self, call: Call) -> bool:
        if call.name == "openat" and not call.is_over:
            return True  # every file read is one; what it made is seen after it
        self._n_left -= 1
        return self._n_left >= 0


@dataclass
class Tally:
    """How many ends there were, and what they came upon."""

    n_random: int = 0
    n_at_calls: int = 0
    n_power_cuts: int = 0
    n_damaged: int = 0
    n_damage_noticed: int = 0
    n_images: int = 0
    n_sent: int = 0

    def add(self, world: World, since: World | None = None) -> None:
        self.n_images += len(world.images) - (len(since.images) if since else 0)
        self.n_sent += len(world.frames) - (len(since.frames) if since else 0)


def random_kills(n_kills: int, draw: Random, tally: Tally) -> None:
    """SIGKILLs at random moments, one start after the other on the same files."""
    while n_kills > 0:
        with new_world() as world:
            for _ in range(min(n_kills, STARTS_PER_FOLDER)):
                kill_at_random(world, draw.getrandbits(32), draw.uniform(0, LONGEST_LIFE_S))
                world.check()
                tally.n_random += 1
                n_kills -= 1
                if draw.random() < 0.2:
                    world.reboot(off_s=draw.uniform(0, 3000))
            live(world, draw.getrandbits(32))
            world.check()
            tally.add(world)


def kills_at_calls(step: int, draw: Random, tally: Tally, with_power_cuts: bool) -> None:
    """At every step-th stop of a first start and of a later one: SIGKILL, or the loss of power."""
    for n_starts in (0, 4):
        with new_world() as beginning:
            for seed in range(n_starts):
                kill_at_random(beginning, seed, LONGEST_LIFE_S)
            n_calls = draw.randrange(step)
            while _end_at_call(beginning, n_calls, draw, tally, with_power_cuts):
                n_calls += step


def _end_at_call(
    beginning: World, n_calls: int, draw: Random, tally: Tally, with_power_cut: bool
) -> bool:
    """From this beginning; False when the node came to its end in peace before so many stops."""
    with new_world(beginning) as world:
        if with_power_cut:
            is_reached = cut_power_at_call(world, seed=99, n_calls=n_calls, draw=draw)
        else:
            is_reached = kill_at_call(world, seed=99, n_calls=n_calls)
        world.check()
        live(world, seed=100)
        world.check()
        tally.add(world, since=beginning)
    tally.n_power_cuts += is_reached and with_power_cut
    tally.n_at_calls += is_reached and not with_power_cut
    return is_reached


def damage(content: bytes, draw: Random) -> bytes:
    """A file as a failing card may give it back."""
    start = draw.randrange(len(content) + 1)
    match draw.choice(["cut", "byte", "sector", "zero", "gone"]):
        case "cut":
            return content[:start]
        case "byte":
            return content[:start] + bytes([draw.randrange(256)]) + content[start + 1 :]
        case "sector":
            return content[:start] + draw.randbytes(512) + content[start + 512 :]
        case "zero":
            return content[:start] + bytes(4096) + content[start + 4096 :]
    return b""


def damaged_files(n_files: int, draw: Random, tally: Tally) -> None:
    """One file of a killed node is damaged: it starts all the same, and sends nothing but what was
    queued.
    """
    with new_world() as beginning:
        kill_at_random(beginning, seed=1, life_s=LONGEST_LIFE_S)
        for n in range(n_files):
            with new_world(beginning) as world:
                path = world.folder / draw.choice([OUTBOX, OUTBOX + "-wal", LEDGER, "counter.json"])
                path.write_bytes(damage(path.read_bytes(), draw) if path.exists() else b"damage")
                live(world, seed=n)
                tally.n_damaged += 1
                tally.n_damage_noticed += bool(world.notices)
                with open_outbox(world.folder / OUTBOX) as outbox:
                    for (image, index), bitstream in waiting_in(outbox).items():
                        promise(
                            bitstream == pieces_of(image)[index],
                            f"chunk {index} of image {image} has changed",
                        )


def study(n_random: int, step: int, n_damaged: int, seed: int) -> Tally:
    """Raises NodeError at the first promise that is broken."""
    draw, tally = Random(seed), Tally()
    random_kills(n_random, draw, tally)
    damaged_files(n_damaged, draw, tally)
    if tracing.is_possible():
        kills_at_calls(step, draw, tally, with_power_cuts=False)
        kills_at_calls(step, draw, tally, with_power_cuts=True)
    return tally


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--random", type=int, default=500, help="kills at random moments")
    top.add_argument(
        "--step", type=int, default=1, help="of the stops at system calls take every so many-th"
    )
    top.add_argument("--damaged", type=int, default=200, help="files that are damaged")
    top.add_argument("--seed", type=int, default=1)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    began_s = time.monotonic()
    tally = study(options.random, options.step, options.damaged, options.seed)
    figures = {
        "kills_at_random_moments": tally.n_random,
        "kills_at_system_calls": tally.n_at_calls,
        "power_cuts_at_system_calls": tally.n_power_cuts,
        "files_damaged": tally.n_damaged,
        "files_damaged_noticed": tally.n_damage_noticed,
        "images_acknowledged": tally.n_images,
        "images_lost": 0,
        "packets_sent": tally.n_sent,
        "counters_used_twice": 0,
        "duty_cycle_violations": 0,
        "duration_s": round(time.monotonic() - began_s, 1),
    }
    path = write_result(
        "link-kills", figures, command=command(), seeds=[options.seed], folder=options.results
    )
    print(f"kills: {figures} in {path}", file=sys.stderr)
