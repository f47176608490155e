"""What a live run leaves: results/live-<data set>-<link>.json, a figure for everything its summary
table shows.
"""

import re
from pathlib import Path

from host_decoder.live.options import LiveOptions
from host_decoder.live.run import LiveResult
from host_decoder.view.tally import FIGURES
from link.bundle import Bundle
from link.output import results


def study_name(options: LiveOptions, dataset: str) -> str:
    """A run of a variant, with losses, of a part of the images or with other rules never takes a
    plain one's place.
    """
    folder = options.bundle.name
    parts = ["live", folder if folder.startswith(f"{dataset}-") else dataset, options.link]
    parts += ["drawn", str(options.images)] if options.images is not None else []
    parts += ["loss", options.loss] if options.loss != "none" else []
    parts += ["bit-errors", f"{options.bit_errors:g}"] if options.bit_errors else []
    parts += [] if options.has_downlink else ["no-downlink"]
    parts += ["verdict", f"{options.verdict:g}"] if options.verdict is not None else []
    parts += ["fog", str(options.fog)] if options.fog is not None else []
    parts += ["kill", str(options.kill)] if options.kill else []
    sizes = (("first-chunk", options.first_chunk_bytes), ("chunk", options.chunk_bytes))
    parts += [f"{name}-{n_bytes}" for name, n_bytes in sizes if n_bytes is not None]
    return re.sub(r"[^a-z0-9._-]+", "-", "-".join(parts).lower())


def figures(outcome: LiveResult) -> dict[str, float]:
    """Numbers by name; what the run could not tell (accuracy without truth) is left out."""
    tally = outcome.tally
    known: dict[str, float | None] = {
        **{f"live_{name}": tally.figure(name) for name in FIGURES},
        "live_images_decided": tally.total("decided"),
        "live_packets": tally.total("packets"),
        "live_chunks_repeated": tally.total("repeated"),
        "live_link_use": tally.link_use,
        "live_images": tally.n_captured,
        "live_images_received": tally.n_answered,
        "live_downlink_packets": outcome.link.get("downlink_packets"),
        "live_downlink_airtime_s": outcome.link.get("downlink_airtime_s"),
        "live_latency_s_median": tally.median_latency_s,
        "live_latency_beside_airtime_s_median": tally.median_latency_beside_airtime_s,
        "first_label_s": outcome.first_label_s,
    }
    for n_alive, n_images, accuracy in tally.by_alive():
        known[f"live_images_{n_alive}_alive"] = n_images
        known[f"live_accuracy_{n_alive}_alive"] = accuracy
    if (team := tally.team) is not None:
        known |= {
            "live_kills": team.n_kills,
            "live_unanswered": tally.n_captured - tally.n_answered,
            "live_published_bytes_per_member": team.bytes_per_image,
            "live_overhead_ms_p50": team.overhead_ms_at(50),
            "live_overhead_ms_p99": team.overhead_ms_at(99),
        }
    return {name: value for name, value in known.items() if value is not None}


def write_live_result(
    options: LiveOptions,
    bundle: Bundle,
    outcome: LiveResult,
    command: str,
    folder: Path,
    dataset: str,
) -> Path:
    """Write the results file and return its path."""
    return results.write_result(
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
            "downlink": options.has_downlink,
            "verdict": options.verdict,
            "fog": options.fog,
            "kill": options.kill,
            "refused": dict(outcome.tally.rejected),
            "node": outcome.link,
            "line": outcome.line,
        },
        folder=folder,
    )
