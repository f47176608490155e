"""What a live run leaves: results/live-<data set>-<link>.json, a figure for everything its summary table shows."""

import re
from pathlib import Path

from host_decoder.live import LiveOptions, Outcome
from link.bundle import Bundle
from link.results import write_result


def study_name(options: LiveOptions, dataset: str) -> str:
    """A run with losses or of a part of the images never takes the place of a whole one without."""
    parts = ["live", dataset, options.link]
    parts += ["first", str(options.images)] if options.images is not None else []
    parts += ["loss", options.loss] if options.loss != "none" else []
    parts += ["bit-errors", f"{options.bit_errors:g}"] if options.bit_errors else []
    return re.sub(r"[^a-z0-9._-]+", "-", "-".join(parts).lower())


def figures(outcome: Outcome) -> dict[str, float]:
    """Numbers by name; what the run could not tell (accuracy without truth) is left out."""
    tally = outcome.tally
    known = {
        "live_accuracy": tally.accuracy,
        "live_accuracy_of_sent": tally.accuracy_of_sent,
        "live_bytes_per_image": tally.bitstream_bytes_per_image,
        "live_wire_bytes_per_image": tally.wire_bytes_per_image,
        "live_airtime_s_per_image": tally.airtime_s_per_image,
        "live_link_use": tally.link_use,
        "live_images": tally.n_sent,
        "live_images_received": tally.n_answered,
        "first_label_s": outcome.first_label_s,
    }
    return {name: value for name, value in known.items() if value is not None}


def write_live_result(
    options: LiveOptions, bundle: Bundle, outcome: Outcome, command: str, folder: Path, dataset: str
) -> Path:
    """Write the results file and return its path."""
    return write_result(
        study_name(options, dataset),
        figures(outcome),
        command=command,
        seeds=[options.seed],
        extra={
            "bundle": bundle.id.hex(),
            "dataset": dataset,
            "link": options.link,
            "loss": options.loss,
            "bit_errors": options.bit_errors,
            "refused": dict(outcome.tally.refusals),
            "line": outcome.line,
        },
        folder=folder,
    )
