"""Seeds: train, export and classify live with several seeds; means and spread into results/."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from link.output.results import OWN, write_result
from tests.studies.command import MistakeError, add_results, command

FIGURES = (
    "live_accuracy",
    "live_bytes_per_image",
    "live_wire_bytes_per_image",
    "live_airtime_s_per_image",
)


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL)


def live_figures(
    dataset: str, data_dir: str, link: str, seed: int, folder: Path
) -> dict[str, float]:
    """One seed's whole path, in processes as a person runs them; what the live run measured on the
    test split.
    """
    data = ["--dataset", dataset, "--data-dir", data_dir]
    results = ["--results", f"{folder}/results"]
    run("host_training", "train", *data, "--run", f"{folder}/run", "--seed", f"{seed}")
    run(
        "export",
        "--run",
        f"{folder}/run",
        "--out",
        f"{folder}/bundle",
        *results,
        *data,
    )
    run("host_training", "replay", *data, "--out", f"{folder}/replay.npz")
    line = ["--replay", f"{folder}/replay.npz", "--link", link, *results]
    run("host_decoder", "live", "--bundle", f"{folder}/bundle", *line)
    [path] = (folder / "results").glob("live-*.json")
    return json.loads(path.read_text())["figures"]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--dataset", default="digits")
    top.add_argument("--data-dir", default="data")
    top.add_argument("--link", default="lora-sf7")
    top.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    add_results(top, OWN)
    return top


def main(options: argparse.Namespace) -> None:
    if len(options.seeds) < 2:
        raise MistakeError("a spread needs at least two seeds")
    measured = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="latentlink-seed-") as folder:
            measured.append(
                live_figures(options.dataset, options.data_dir, options.link, seed, Path(folder))
            )
    figures: dict[str, float] = {}
    for name in FIGURES:
        values = [each[name] for each in measured]
        figures |= {
            f"{name}_mean": statistics.mean(values),
            f"{name}_stdev": statistics.stdev(values),
        }
        print(
            f"{name:26} {figures[f'{name}_mean']:.4f} ± {figures[f'{name}_stdev']:.4f}  of {values}"
        )
    extra = {"per_seed": [{name: each[name] for name in FIGURES} for each in measured]}
    study = f"seeds-{Path(options.dataset).name}"
    print(
        write_result(
            study,
            figures,
            command=command(),
            seeds=options.seeds,
            extra=extra,
            folder=options.results,
        )
    )
