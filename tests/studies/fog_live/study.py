"""Fog, live: a team of real processes on emulated links: what it adds to parts and links, what
deaths, forgers and losses do to it; writes results/fog-live.json.

Members run as `python -m device` runs them, on UDP of this machine; a mesh between them delays,
throttles and loses their datagrams (tests.worlds.mesh). Where a time is from a table, each part
takes as long as on a Pi Zero W, most of it asleep: else so many members on few cores wait for each
other's parts, as nodes never do. Their own programs still share the cores. What losses cost is
told in virtual time, by the same sessions and parts. What a member adds where none waits for
another's turn on a core is told of as many as there are cores, with the small bundle. The
decoder's accuracy is of the bundle that was given; the small one that stands in for it has learnt
nothing, and its own answers without any loss are what is right then.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from host_decoder.decode.classifier import Classifier
from host_training.data import catalogue as data_sets
from link.bundle.bundle import Bundle
from link.output.results import commit, write_result
from tests.studies.command import MistakeError, add_data_dir, add_results, command
from tests.studies.fog_live.forgery import attacked
from tests.studies.fog_live.losing import accuracy, n_differ_of_replicas
from tests.studies.fog_live.running import Wish
from tests.studies.fog_live.survival import survived
from tests.studies.fog_live.timing import timed
from tests.worlds.mesh import Line
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images

NAME = "fog-live"
PARTS = ("timing", "survival", "forgery", "loss", "replica")
"Each keeps what the others have measured, with the command and the revision of each."
MACS_PER_S = 0.22e9
"Multiplications of a Pi Zero W."
STAGE_MS = tuple(round(1000 * macs / MACS_PER_S, 1) for macs in (1.234e6, 0.847e6, 0.249e6))
"What the segments of a branch of 2.33 M multiplications take there."
USUAL = Line(0.002, 10e6)
LINES = (
    USUAL,
    Line(0.001, 10e6),
    Line(0.02, 10e6),
    Line(0.005, 1e6),
    Line(0.005, 115_200),
    Line(0.002, 10e6, 0.05),
    Line(0.002, 10e6, 0.2),
)
SLOW_BPS = 600_000
PATIENCE_MS, SLOW_PATIENCE_MS = 50, 400
LOSS = 0.05
N_IMAGES = 300
"That cameras see, over and over."
WANTED = (
    "overhead_ms_p50", "overhead_ms_p99", "published_bytes_per_node", "cpu_ms_least", "cpu_ms_most"
)  # fmt: skip
"Figures, as the first link gives them."
N_REPLICATED = 100
"Images with each dead set."
PER_S = 2000.0
"Frames that a stranger sends."


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--part", choices=PARTS, nargs="+", default=PARTS, help="default: all")
    top.add_argument("--bundle", type=Path, help="of a team; default: a small one, untrained")
    top.add_argument("--members", type=int, default=7, help="of the small bundle's team")
    top.add_argument("--images", type=int, default=10_000, help="while members are killed")
    top.add_argument("--kills", type=int, default=500)
    top.add_argument("--interval", type=float, default=0.07, help="seconds between them")
    top.add_argument("--frames", type=int, default=100_000, help="of the stranger")
    top.add_argument("--timed", type=int, default=200, help="images on each link")
    top.add_argument("--seed", type=int, default=1)
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    members = options.members
    if options.bundle is not None:
        team = Bundle.load(options.bundle, "host").team
        if team is None:
            raise MistakeError(f"bundle {options.bundle} is for one node; give a team's")
        members = team.groups
    wish = Wish(members, USUAL, options.interval, PATIENCE_MS, options.bundle, options.seed)
    for part in options.part:
        began_s, load = time.monotonic(), os.getloadavg()[0]
        figures: dict[str, float] = {}
        lists: dict[str, list[object]] = {}
        for name, value in STEPS[part](wish, options):
            print(f"{part:10}{name:32}{value}", flush=True)
            if isinstance(value, int | float):
                figures[name] = value
            else:
                lists.setdefault(name, []).append(value)
        how = {
            "command": command(),
            "commit": commit(),
            "members": members,
            "load_before": round(load, 2),
            "duration_s": round(time.monotonic() - began_s, 1),
        }
        print(_write(part, {"figures": figures, "lists": lists, "how": how}, options))


def _write(part: str, measured: dict[str, dict], options: argparse.Namespace) -> Path:
    """With what other parts have measured before."""
    path = Path(options.results) / f"{NAME}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.exists() else {}
    parts = {**before, part: measured}
    figures = {name: value for each in parts.values() for name, value in each["figures"].items()}
    return write_result(
        NAME,
        figures,
        command=command(),
        seeds=[options.seed],
        extra={"stage_ms": STAGE_MS, "parts": parts},
        folder=options.results,
    )


Found = Iterator[tuple[str, object]]
"Figures by name, and what is of several links."


def _timing(wish: Wish, options: argparse.Namespace) -> Found:
    """The first line with the table gives the figures."""
    images = _images(wish, options)
    for line, stage_ms in [*((line, STAGE_MS) for line in LINES), (USUAL, ())]:
        is_slow = line.rate_bps < SLOW_BPS
        patience_ms = SLOW_PATIENCE_MS if is_slow else PATIENCE_MS
        pace_s = 0.8 if is_slow else 0.15
        one = replace(wish, line=line, interval_s=pace_s, patience_ms=patience_ms)
        found = timed(one, images, options.timed, stage_ms).figures()
        if line is USUAL and stage_ms:
            for name in WANTED:
                yield name, found[name]
        yield (
            "links",
            {
                "delay_ms": 1000 * line.delay_s,
                "rate_bps": line.rate_bps,
                "loss": line.loss,
                "patience_ms": patience_ms,
                "stage_times": "from a table" if stage_ms else "of this machine",
                **found,
            },
        )
    few = replace(wish, members=max(2, os.cpu_count() or 2), bundle=None, interval_s=0.15)
    found = timed(few, random_images(N_IMAGES), options.timed, STAGE_MS).figures()
    yield "members_with_a_core_each", few.members
    for name in ("overhead_ms_p50", "overhead_ms_p99"):
        yield f"{name}_with_a_core_each", found[name]


def _survival(wish: Wish, options: argparse.Namespace) -> Found:
    found = survived(wish, _images(wish, options), options.images, options.kills)
    yield "images", found.n_images
    yield "unanswered", found.n_unanswered
    yield "counted_twice", found.n_counted_twice
    yield "taken_twice", found.n_taken_twice
    yield "kills", found.n_kills
    yield "kills_of_leaders", found.n_leaders
    yield "kills_of_aggregators", found.n_senders
    yield "images_whole", found.n_whole
    yield "images_late_per_kill", round(found.late_per_kill, 2)
    yield "longest_gap_s", round(found.longest_gap_s, 2)
    yield "survival_s", round(found.duration_s, 1)
    for one in found.lost:
        yield "lost", one


def _forgery(wish: Wish, options: argparse.Namespace) -> Found:
    found = attacked(replace(wish, interval_s=0.1), _images(wish, options), options.frames, PER_S)
    yield "forged_frames", found.n_frames
    yield "forged_accepted", len(found.accepted)
    for header in found.accepted:
        yield "accepted", header
    yield "forged_tags_tried", found.n_tried
    yield "forged_frames_per_s", round(found.per_s, 1)
    yield "elapsed_ms_attacked", round(found.elapsed_ms, 2)
    yield "elapsed_ms_unattacked", round(found.quiet_elapsed_ms, 2)
    yield "images_attacked", found.n_images
    yield "unanswered_attacked", found.n_unanswered


def _loss(wish: Wish, options: argparse.Namespace) -> Found:
    """In virtual time, all images of the test split."""
    with _bundle(wish) as bundle:
        images, labels = _lessons(bundle, options)
        patience_s = wish.patience_ms / 1000
        lossless, lossy = (
            accuracy(bundle, loss, images, labels, patience_s, options.seed) for loss in (0.0, LOSS)
        )
        n_differ = int((lossless.symbols != chain_of(bundle)(images)).sum())
    for loss, found in ((0.0, lossless), (LOSS, lossy)):
        name = f"loss_{100 * loss:.0f}"
        yield f"accuracy_{name}", round(found.accuracy, 4)
        yield f"groups_{name}", round(found.groups, 4)
        yield f"images_whole_{name}", round(found.whole, 4)
        yield f"unanswered_{name}", found.n_unanswered
    yield "accuracy_points_lost", round(100 * (lossless.accuracy - lossy.accuracy), 2)
    yield "accuracy_images", len(images)
    yield "parts_differ", n_differ


def _replica(wish: Wish, options: argparse.Namespace) -> Found:
    """In virtual time, with everybody's parts on several members."""
    with _bundle(wish) as bundle:
        images = _lessons(bundle, options)[0][:N_REPLICATED]
        n_differ, n_sets = n_differ_of_replicas(bundle, images, options.seed)
    yield "replica_images", len(images)
    yield "replica_dead_sets", n_sets
    yield "replica_symbols_differ", n_differ


def _images(wish: Wish, options: argparse.Namespace) -> np.ndarray:
    """What cameras see, over and over."""
    with _bundle(wish) as bundle:
        return _lessons(bundle, options)[0][:N_IMAGES]


@contextmanager
def _bundle(wish: Wish) -> Iterator[Bundle]:
    if wish.bundle is not None:
        yield Bundle.load(wish.bundle, "host")
        return
    with TemporaryDirectory() as folder:
        yield make_team_bundle(Path(folder) / "bundle", n_groups=wish.members)


def _lessons(bundle: Bundle, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Images that the bundle takes, uint8 (N, H, W, C), and their classes (N,)."""
    if options.bundle is not None:
        name = bundle.manifest.provenance.data_set
        if name is None:
            raise MistakeError(f"bundle {bundle.path} does not say what data it learnt from")
        test = data_sets.load(name, options.data_dir).test
        return test.images, test.labels
    images = random_images(N_IMAGES)
    symbols = chain_of(bundle)(images).astype(np.float32)
    return images, Classifier.of(bundle)(symbols).argmax(1)


STEPS = dict(zip(PARTS, (_timing, _survival, _forgery, _loss, _replica), strict=True))
