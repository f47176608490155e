"""Plot: draw docs/accuracy-over-bytes.svg from the results of `make bench` and `make export`."""

import json
import re
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

STUDIES = {
    "bench-cifar10": "CIFAR-10, latents as trained",
    "bench-cifar10-wide": "CIFAR-10, a wider node, rotated by importance",
    "bench": "digits",
}
COARSER = "export-cifar10-plain-20-long-ce-importance-[0-9].json"
"One model at several coarsenesses."
OUT = Path("docs/accuracy-over-bytes.svg")


def main(_: object) -> None:
    mpl.rcParams["svg.hashsalt"] = "latentlink"  # the same figures give the same file
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for study, label in STUDIES.items():
        figures = json.loads(Path("results", f"{study}.json").read_text())["figures"]
        points = sorted(
            (int(match[1]), 100 * value)
            for name, value in figures.items()
            if (match := re.fullmatch(r"accuracy_after_(\d+)_bytes", name))
        )
        mean_bytes = figures["mixture_bits_per_image"] / 8
        [line] = axes.plot(
            *zip(*points, strict=True),
            marker="o",
            label=f"{label}: {mean_bytes:.1f} bytes on average",
        )
        axes.axvline(mean_bytes, color=line.get_color(), linestyle=":", linewidth=1)
    coarser = [
        json.loads(path.read_text())["figures"] for path in sorted(Path("results").glob(COARSER))
    ]
    whole = sorted(
        (figures["bytes_per_image"], 100 * figures["int8_accuracy"]) for figures in coarser
    )
    axes.plot(
        *zip(*whole, strict=True),
        "k*--",
        markersize=9,
        linewidth=1,
        label="whole images, coarser and coarser",
    )
    axes.set(
        xlabel="bytes of the bitstream that arrived, at most",
        ylabel="accuracy, %",
        xlim=(0, 12.5),
        ylim=(40, 100),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, metadata={"Date": None})
