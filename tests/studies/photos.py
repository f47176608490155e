"""Photos: presets for one's own photos on a folder of groceries; writes results/photos-*.json.

Every run goes the whole way in processes as a person starts them: train, export, replay, and live
over an emulated line: int8 encoder, coder, sealed packets, host. Twice for each seed: on splits
drawn photo by photo, where one series may be learned from and tested on, and on the split that the
photographers made, which their file names say (`--split-by series` reads it). Begun again, the
study goes on; what is finished at the same revision is not done again.

accuracy                live, share of the test photos, splits drawn at random
accuracy_authors_split  the same on the photographers' own split
bytes_per_image         of bitstreams, random split, as are int8_drop_points and encoder_*
train_export_s          wall clock of both, random split; on a busy machine no figure of the preset
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from host_training.presets import PRESETS
from link.output.results import write_result
from tests.studies.command import MistakeError, add_results, command
from tests.studies.common import RUNS, Progress

LINK = "serial-115200"
RANDOM, AUTHORS = SPLITS = ("random", "series")
Figures = dict[str, float]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--photos", type=Path, required=True, help="the folder of class folders")
    top.add_argument("--name", default="grocery", help="of the photos in results (%(default)s)")
    presets = ("photo", "photo-large", "photo-small")
    top.add_argument("--presets", nargs="+", choices=PRESETS, default=presets)
    top.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    top.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    top.add_argument("--threads", type=int, default=2)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    if not options.photos.is_dir():
        raise MistakeError(f"there is no folder {options.photos}; unpack the photos there")
    for preset in options.presets:
        measured = [
            figures_of([whole_way(options, preset, split, seed) for split in options.splits])
            for seed in options.seeds
        ]
        figures = {"load_before": os.getloadavg()[0]}
        for name in measured[0]:
            values = [each[name] for each in measured]
            figures[name] = statistics.mean(values)
            if len(values) > 1:
                figures[f"{name}_std"] = statistics.stdev(values)
        print(
            write_result(
                f"photos-{options.name}-{preset}",
                figures,
                command=command(),
                seeds=list(options.seeds),
                extra={"per_seed": measured},
                folder=options.results,
            )
        )


def figures_of(splits: list[Figures]) -> Figures:
    """One seed's, from those of its splits."""
    figures: Figures = {}
    for each in splits:
        figures |= each
    return figures


def whole_way(options: argparse.Namespace, preset: str, split: str, seed: int) -> Figures:
    """One run's figures, under the names that they have in results."""
    name = f"photos-{options.name}-{preset}-{split}-seed-{seed}"
    teacher = PRESETS[preset].teacher
    arguments = ["--preset", preset, "--split-by", split, "--seed", f"{seed}"]
    if teacher is not None:
        whole_way(options, teacher, split, seed)
        taught_by = RUNS / f"photos-{options.name}-{teacher}-{split}-seed-{seed}"
        arguments += ["--teacher", f"{taught_by}/ce.pt"]
    arguments += ["--dataset", f"{options.photos}", "--threads", f"{options.threads}"]
    found = Progress().measured(RUNS / f"{name}.json", partial(measured, RUNS / name, arguments))
    if split == AUTHORS:
        return {
            "accuracy_authors_split": found["accuracy"],
            "bytes_per_image_authors_split": found["bytes_per_image"],
        }
    return found


def measured(folder: Path, arguments: list[str]) -> Figures:
    """Train, export and send the test photos; what each of these says."""
    begun_s = time.monotonic()
    run("host_training", "train", "--run", f"{folder}", *arguments)
    run("export", "--run", f"{folder}", "--results", f"{folder}/results")
    train_export_s = time.monotonic() - begun_s
    run("host_training", "replay", "--run", f"{folder}")
    paths = ("--bundle", f"{folder}/bundle", "--replay", f"{folder}/replay.npz")
    run("host_decoder", "live", *paths, "--link", LINK, "--results", f"{folder}/results")
    exported, live = (_figures(folder, kind) for kind in ("export", "live"))
    of_encoder = ("int8_drop_points", "encoder_bytes", "encoder_macs", "encoder_ms")
    return {
        "accuracy": live["live_accuracy"],
        "bytes_per_image": live["live_bytes_per_image"],
        **{name: exported[name] for name in of_encoder},
        "train_export_s": train_export_s,
    }


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL)


def _figures(folder: Path, kind: str) -> Figures:
    [path] = (folder / "results").glob(f"{kind}-*.json")
    return json.loads(path.read_text(encoding="utf-8"))["figures"]
