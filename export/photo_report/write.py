"""Writing: the report beside the run, as report.html for a person and report.json for programs. It
shows photos, so it never lies in a bundle.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export import ExportError
from export.decoders.calibration import check_data
from export.photo_report import advice, airtime
from export.photo_report.examination import Examination, Share, examine
from export.photo_report.page import page
from host_training.data.dataset import DataSet
from link.base import durable
from link.bundle import Bundle

HTML, JSON = "report.html", "report.json"


def write_photo_report(
    bundle: Bundle,
    data: DataSet,
    run_dir: Path,
    photos: Path | None,
    say: Callable[[str], None],
    n_threads: int = 1,
) -> dict[str, float]:
    """Into the run's folder, beside the bundle; `photos` is where the data set's files lie. Returns
    what is for the results too.
    """
    if bundle.team is not None:
        raise ExportError(f"bundle {bundle.path} is for a team; its report is report.md there")
    check_data(bundle, data)
    examined = examine(bundle, data, n_threads)
    for sentence in accuracies(examined):
        say(f"series    {sentence}")
    durable.write(run_dir / HTML, page(examined, bundle, photos))
    durable.write(run_dir / JSON, json.dumps(figures(examined), indent=1) + "\n")
    say(f"photos    what to photograph next, the worst photos, airtime: {run_dir / HTML}")
    return {} if examined.siblings is None else {"sibling_accuracy": examined.siblings.value}


def accuracies(examined: Examination) -> list[str]:
    """The figure, and what a random split would have claimed, where that is known."""
    siblings = examined.siblings
    if siblings is None:
        return []
    return [
        f"{percent(examined.accuracy)} of {examined.accuracy.n} photos of series never seen; "
        f"{percent(siblings)} of {siblings.n} kept aside of series that are trained on, which "
        "is what a random split would have claimed"
    ]


def percent(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.1%} ({low:.0%} to {high:.0%})"


def figures(examined: Examination) -> dict[str, Any]:
    """For programs: all that the page says, without its pictures."""
    names = examined.data.test.names
    worst = [] if names is None else [str(names[index]) for index in examined.worst(10)]
    return {
        "accuracy": asdict(examined.accuracy),
        "sibling_accuracy": examined.siblings and asdict(examined.siblings),
        "by_class": examined.by_class.to_dict(),
        "trained_photos": dict(
            zip(examined.data.classes, examined.n_trained.tolist(), strict=True)
        ),
        "confusion": examined.confusion.tolist(),
        "worst": worst,
        "few": advice.few(examined),
        "next": list(advice.sentences(examined)),
        "learning_curve": [asdict(point) for point in examined.curve],
        "bytes_per_image": float(examined.n_bytes.mean()),
        "airtime": [asdict(row) for row in airtime.rows(examined.n_bytes.tolist())],
    }
