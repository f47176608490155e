"""A node for tests.studies.kills: a start of it, and the world which believes what it is told and
holds its files to that.

The node has real files: it takes images, queues them, charges airtime, uses counters and hears what
was delivered, and tells each through a pipe just after it is safe or just before it would leave:

    image       the outbox has it: from now on it waits there, whole, or was delivered
    clock       what time it is
    sent        its counter and airtime are charged: no other start uses that counter, no hour holds
                more airtime than allowed, and the ledger never shows less than was sent
    delivered   the outbox is about to forget these chunks: no others may be missing
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from device.outbox.outbox import Outbox, open_outbox
from link.medium.ledger import StoredLedger
from link.medium.profiles import get_profile
from link.medium.regions import governor_for
from link.security import keys
from link.security.keys import CounterStore, provision

NODE = 1
OUTBOX, LEDGER = "outbox.sqlite", "airtime.json"
FREQUENCY_HZ = 868_300_000
HOUR_S, HOURLY_AIRTIME_S = 3600.0, 36.0
COUNTER_BLOCK = 6
PAGES_TO_CHECKPOINT = 8
"""Blocks end and logs are written back often here, so that these moments too are among those at
which it ends.
"""
IMAGES_PER_START = 5


class NodeError(AssertionError):
    """A promise was broken; the message says which."""


def pieces_of(image: int) -> list[bytes]:
    """The chunks of an image, which its id alone determines."""
    draw = Random(image)
    return [draw.randbytes(draw.randint(1, 60)) for _ in range(draw.randint(1, 5))]


def chunks_of(image: int) -> set[tuple[int, int]]:
    return {(image, index) for index in range(len(pieces_of(image)))}


def node(folder: Path, boot: str, now_s: float, seed: int, n_images: int, pipe: int) -> None:
    """One start of the node; ends after n_images, or when it is killed."""

    def say(*words: object) -> None:
        os.write(pipe, (" ".join(map(str, words)) + "\n").encode())

    keys.BLOCK = COUNTER_BLOCK
    draw = Random(seed)
    with (
        CounterStore(folder, NODE) as counters,
        open_outbox(folder / OUTBOX, 1 << 20, boot) as outbox,
    ):
        outbox._file._db.execute(f"PRAGMA wal_autocheckpoint = {PAGES_TO_CHECKPOINT}")
        governor = governor_for(
            "eu868", FREQUENCY_HZ, get_profile("lora-sf7"), folder / LEDGER, now_s=now_s, boot=boot
        )
        for notice in (counters.notice, outbox.notice, governor.ledger.notice):
            if notice:
                say("notice", notice)
        counters.advance_to(outbox.newest_image + 1)
        for _ in range(n_images):
            now_s += draw.uniform(0, 30)
            image = counters.next()
            if draw.random() < 0.3:
                outbox.put(image, pieces_of(image), now_s)
                say("image", image)
            else:
                outbox.put_soon(image, pieces_of(image), now_s)
            for arrived in outbox.arrived(wait=draw.random() < 0.4):
                say("image", arrived)
            heard = []
            for chunk in [*outbox.base_chunks(2), *outbox.refinements(2)]:
                airtime_s = draw.uniform(0.05, 0.4)
                now_s = governor.start_s(airtime_s, now_s) if draw.random() < 0.1 else now_s
                say("clock", repr(now_s))
                if governor.start_s(airtime_s, now_s) <= now_s:
                    governor.occupy(airtime_s, now_s)
                    say("sent", counters.next(), repr(now_s), repr(airtime_s))
                    now_s += airtime_s
                    heard += [(chunk.image, chunk.index)] if draw.random() < 0.6 else []
            say("delivered", *(f"{image}:{index}" for image, index in heard))
            outbox.delivered(heard)
        for arrived in outbox.arrived(wait=True):
            say("image", arrived)


@dataclass
class World:
    """What the node told so far, in the world's time, and what that obliges its files to hold."""

    folder: Path
    boot: int = 0
    booted_s: float = -20.0
    now_s: float = 0.0
    images: set[int] = field(default_factory=set)
    delivered: set[tuple[int, int]] = field(default_factory=set)
    counters: Counter[int] = field(default_factory=Counter)
    frames: list[tuple[float, float]] = field(default_factory=list)
    "Start and airtime."
    notices: list[str] = field(default_factory=list)

    def worker(self, seed: int, n_images: int = IMAGES_PER_START) -> Callable[[int], None]:
        boot, now_s = f"boot {self.boot}", self.now_s - self.booted_s
        return lambda pipe: node(self.folder, boot, now_s, seed, n_images, pipe)

    def hear(self, pipe: int) -> None:
        """All that a start told before it ended."""
        with open(pipe, encoding="utf-8") as lines:
            for line in lines:
                self.note(*line.split(maxsplit=1))

    def note(self, what: str, rest: str = "") -> None:
        match what, rest.split():
            case "image", [image]:
                self.images.add(int(image))
                self.counters[int(image)] += 1
            case "sent", [counter, start_s, airtime_s]:
                self.counters[int(counter)] += 1
                self.frames.append((float(start_s) + self.booted_s, float(airtime_s)))
                self.now_s = self.frames[-1][0] + self.frames[-1][1]
            case "clock", [now_s]:
                self.now_s = float(now_s) + self.booted_s
            case "delivered", chunks:
                self.delivered |= {
                    (int(image), int(index)) for image, index in (c.split(":") for c in chunks)
                }
            case "notice", _:
                self.notices.append(rest)
            case _:
                raise NodeError(f"the node says: {what} {rest}")

    def reboot(self, off_s: float) -> None:
        self.boot += 1
        self.now_s += off_s
        self.booted_s = self.now_s - 20.0

    def check(self) -> None:
        """Raises NodeError unless the files account for all that was told. They are looked at in a
        copy.
        """
        with TemporaryDirectory() as copy:
            folder = Path(copy) / "copy"
            shutil.copytree(self.folder, folder)
            self._check_outbox(folder)
            self._check_counters(folder)
            self._check_ledger(folder)

    def _check_outbox(self, folder: Path) -> None:
        with open_outbox(folder / OUTBOX, 1 << 20, f"boot {self.boot}") as outbox:
            promise(outbox.notice is None, f"the outbox was intact, but: {outbox.notice}")
            promise(outbox.n_evicted == 0, "the outbox dropped images though there was room")
            waiting = waiting_in(outbox)
        # also what was queued and could not be told any more
        queued = self.images | {image for image, _ in waiting}
        lost = set().union(*map(chunks_of, queued)) - self.delivered - waiting.keys()
        promise(not lost, f"chunks {sorted(lost)} were lost")
        for (image, index), bitstream in waiting.items():
            promise(
                bitstream == pieces_of(image)[index], f"chunk {index} of image {image} has changed"
            )

    def _check_counters(self, folder: Path) -> None:
        twice = [counter for counter, n in self.counters.items() if n > 1]
        promise(not twice, f"counters {twice} were used twice")
        with CounterStore(folder, NODE) as counters:
            promise(counters.notice is None, f"the counter was intact, but: {counters.notice}")
            promise(
                counters.next() > max(self.counters, default=-1), "a counter would be used twice"
            )

    def _check_ledger(self, folder: Path) -> None:
        now_s = self.now_s - self.booted_s
        ledger = StoredLedger(
            folder / LEDGER, HOUR_S + 10, 1.0, HOURLY_AIRTIME_S, f"boot {self.boot}", now_s
        )
        promise(ledger.notice is None, f"the ledger was intact, but: {ledger.notice}")
        for age_s in (30.0, 300.0, 1000.0, HOUR_S):
            sent_s = sum(a for start_s, a in self.frames if start_s + a > self.now_s - age_s)
            used_s = ledger.used_s(now_s - age_s - 1e-3)
            promise(
                used_s >= sent_s - 1e-6,
                f"{sent_s} s were sent in {age_s} s and the ledger shows {used_s}",
            )
        busiest_s = max(
            (self._sent_in_hour(start_s + a) for start_s, a in self.frames[-40:]), default=0.0
        )
        promise(busiest_s <= HOURLY_AIRTIME_S + 1e-6, f"{busiest_s} s were sent within an hour")

    def _sent_in_hour(self, end_s: float) -> float:
        return sum(
            min(start_s + airtime_s, end_s) - max(start_s, end_s - HOUR_S)
            for start_s, airtime_s in self.frames
            if start_s < end_s and start_s + airtime_s > end_s - HOUR_S
        )


def waiting_in(outbox: Outbox) -> dict[tuple[int, int], bytes]:
    bases = outbox.base_chunks(1 << 20)
    later = outbox.refinements(1 << 20, skip={(chunk.image, 0) for chunk in bases})
    return {(chunk.image, chunk.index): chunk.bitstream for chunk in [*bases, *later]}


def promise(is_kept: bool, sentence: str) -> None:
    if not is_kept:
        raise NodeError(sentence)


@contextmanager
def new_world(like: World | None = None) -> Iterator[World]:
    """A node that was just provisioned, or is where another one is."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "node"
        if like is None:
            provision(folder, NODE)
            yield World(folder)
        else:
            shutil.copytree(like.folder, folder)
            yield replace(deepcopy(like), folder=folder)
