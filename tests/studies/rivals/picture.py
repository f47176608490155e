"""Picture: accuracy against bytes, ours and the rivals'."""

from typing import Any

from matplotlib.axes import Axes

from tests.studies import goals
from tests.studies.rivals.coders import OUR_CODER, OURS
from tests.studies.rivals.image_codecs import SETTINGS


def plot(result: dict[str, Any], axes: list[Axes]) -> None:
    """Left: this, one model at several coarsenesses too, and its rivals; right: one bundle, many
    coders.
    """
    everything, coders_only = axes
    points = result["points"]

    def add(label: str, chosen: list[dict[str, Any]], style: str = "o-", **look: Any) -> None:
        rows = sorted((point["bytes_per_image"], 100 * point["accuracy"]) for point in chosen)
        if rows:
            everything.plot(
                *zip(*rows, strict=True),
                style,
                markersize=look.pop("size", 3),
                linewidth=look.pop("width", 0.8),
                label=label,
            )

    curve = [
        {"bytes_per_image": each.bytes_per_image, "accuracy": each.accuracy}
        for each in goals.measured()
        if each.study.startswith(f"export-cifar10-{result['inputs']['preset']}-")
    ]
    add("latentlink, coarser and coarser", curve, width=2)
    add("latentlink's bundles", [point for point in points if point["name"] == OURS], "k*", size=8)
    learned = [point for point in points if "learned at" in point["name"]]
    add(
        "learned prior, our coder",
        [point for point in learned if point["name"].endswith(OUR_CODER)],
    )
    add(
        "learned prior, its coder",
        [point for point in learned if not point["name"].endswith(OUR_CODER)],
    )
    add("the label alone", [point for point in points if point["group"] == "label"], "s")
    for codec in dict.fromkeys(setting.codec for setting in SETTINGS):
        add(codec, [point for point in points if point["group"] == codec])
    everything.set(xscale="log", xlabel="bytes per image", ylabel="accuracy, %")
    everything.set_xticks([1, 10, 100], ["1", "10", "100"])
    everything.legend(fontsize=7)
    for bundle in dict.fromkeys(point["bundle"] for point in points if point["group"] == "coders"):
        chosen = [
            point for point in points if (point["group"], point["bundle"]) == ("coders", bundle)
        ]
        rows = sorted((point["bytes_per_image"], point["name"]) for point in chosen)
        coders_only.plot(*zip(*rows, strict=True), marker="o", linestyle="", label=bundle)
    coders_only.tick_params(axis="y", labelsize=6)
    coders_only.set(xscale="log", xlabel="bytes per image, the same symbols")
    coders_only.set_xticks([5, 10, 20, 50], ["5", "10", "20", "50"])
    coders_only.set_xticks([], minor=True)
    coders_only.legend(fontsize=7)
