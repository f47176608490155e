"""Commands of `python -m export`: what each does with what was typed (export.command_line)."""

import json
import math
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from export import ExportError
from export.command_line import (
    calibration_parser,
    decoder_parser,
    parser,
    plan_parser,
    report_parser,
    rotation_parser,
    universal_parser,
)
from export.decoders.add import Request, add_decoder
from export.decoders.calibration import calibrate
from export.partition.planner import Machine, Work, plan, verdict
from export.partition.worth import costs
from export.photo_report import write_photo_report
from export.pipeline import export
from export.rotate import Rotating, rotate
from export.settings import Settings
from export.universal.build import Building
from export.universal.build import build as build_universal
from host_training.data.catalogue import load
from host_training.data.dataset import DataSetError
from host_training.data.photo_choices import PhotoChoices
from host_training.memory import keep_freed
from host_training.presets import PRESETS
from host_training.run import RunError, origin, read_run
from host_training.training.checkpoint import CheckpointError
from link.bundle import Bundle, BundleError, copies
from link.output import EXIT_CODE, results


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *rest = (
        arguments if arguments[:1] and arguments[0] in COMMANDS else ["export", *arguments]
    )
    parser_of, run = COMMANDS[name]
    # small layers gain nothing from more, and the bytes must not depend on the machine
    torch.set_num_threads(1)
    keep_freed()
    try:
        run(vars(parser_of().parse_args(rest)))
    except KeyboardInterrupt:
        print(
            "interrupted; nothing was written, and what was there before is as it was",
            file=sys.stderr,
        )
        return EXIT_CODE
    except (
        ExportError,
        BundleError,
        CheckpointError,
        DataSetError,
        RunError,
        ValueError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run_calibration(options: dict[str, Any]) -> None:
    bundle = Bundle.load(options["bundle"], "host")
    folder = options["bundle"].resolve().parent
    dataset, data_dir = origin(folder, options["dataset"], options["data_dir"])
    data = load(
        dataset or bundle.data_set, data_dir, bundle.image.height, PhotoChoices.of_bundle(bundle)
    )
    place = place_of(bundle, options["out"])
    calibrated, fitted = calibrate(place, data, options["threads"])
    print(
        f"calibrate {fitted.describe()}\nbundle    {calibrated.id.hex()} in {place}, the same id "
        "as before"
    )


def run_decoder(options: dict[str, Any]) -> None:
    out = options.pop("out")
    request = with_origin(
        Request(**options), options["bundle"].resolve().parent, options["data_dir"]
    )
    place = place_of(Bundle.load(request.bundle, "host"), out)
    bundle, name, figures = add_decoder(replace(request, bundle=place))
    measured = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
    print(f"decoder   {name}: {measured} on the test split")
    print(f"bundle    {bundle.id.hex()} in {bundle.path}, the same id as before; no node need know")
    print(
        f"ask       python -m host_decoder decode STORE --bundle {shlex.quote(str(bundle.path))} "
        f"--task {name}"
    )


def with_origin(settings: Any, folder: Path, data_dir: Path | None) -> Any:
    """The settings of a step, its data set where the run in that folder has it if nobody says
    another.
    """
    dataset, data_dir = origin(folder, settings.dataset, data_dir)
    return replace(settings, dataset=dataset, data_dir=data_dir)


def place_of(bundle: Bundle, out: Path | None) -> Path:
    """The folder that the bundle's host side is added to; a copy is said."""
    place = copies.written_into(bundle, out)
    if place.resolve() != bundle.path.resolve():
        print(f"copy      {bundle.path} stays as it came; {place} is a copy of it, and is added to")
    return place


def run_plan(options: dict[str, Any]) -> None:
    bundle = Bundle.load(options["bundle"], "node")
    if bundle.team is None:
        raise ExportError(
            f"bundle {bundle.path} is for one node; a cut one is exported from a run with "
            "PRESET=branch-7"
        )
    macs = [[cost.macs for cost in row] for row in costs(bundle.path, bundle.team)]
    pixel_bytes = 0.0 if options["camera"] == "each" else math.prod(bundle.image.shape)
    plans = plan(
        Work.of(bundle.team, macs, pixel_bytes, options["multicast"]),
        machines(options["nodes"], options["gmacs"], options["mbps"], options["delay_ms"]),
    )
    for each in plans:
        n_nodes = len({node for row in each.placement for held in row for node in held})
        print(f"{each.kind:9} {1000 * each.latency_s:9.3f} ms an image, {n_nodes} nodes")
    print(f"{verdict(plans)}.")
    if options["out"] is not None:
        wanted = [each for each in plans if options["kind"] in (None, each.kind)]
        if not wanted:
            raise ExportError(
                "replicas take at least two nodes and an encoder with an exchange: give more "
                "--nodes, or another --kind"
            )
        best = wanted[0]
        options["out"].write_text(json.dumps(best.placement) + "\n", encoding="utf-8")
        print(f"{best.kind} in {options['out']}: [team] placement of every member's node.toml")


def machines(n_nodes: int, *lists: tuple[float, ...]) -> list[Machine]:
    """Nodes of those speeds in GMAC/s, rates in Mbit/s and delays in ms, one each or one for
    all.
    """
    for each in lists:
        if len(each) not in (1, n_nodes):
            raise ExportError(f"{len(each)} numbers for {n_nodes} nodes: give one for all, or each")
    gmacs, mbps, delay_ms = (each * (n_nodes // len(each)) for each in lists)
    return [
        Machine(1e9 * speed, 1e6 * rate, delay / 1000)
        for speed, rate, delay in zip(gmacs, mbps, delay_ms, strict=True)
    ]


def run_rotation(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = with_origin(
        Rotating(**options), options["bundle"].resolve().parent, options["data_dir"]
    )
    written, figures = rotate(settings, partial(print, flush=True))
    study = f"turn-{written.data_set}-{written.provenance.preset}-{settings.coarseness:g}"
    extra = {"bundle_id": written.id.hex()}
    path = results.write_result(
        study,
        figures,
        command=settings.command,
        seeds=[settings.seed],
        extra=extra,
        folder=results_folder,
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def run_export(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = Settings(**as_run_says(options))
    settings = with_origin(settings, settings.checkpoint.resolve().parent, options["data_dir"])
    say = partial(print, flush=True)
    written, report = export(settings, say)
    figures = report.figures()
    run_dir, photos = settings.checkpoint.parent, Path(settings.dataset or "")
    if settings.dataset and photos.is_dir() and written.team is None:
        figures |= write_photo_report(
            written, report.deployed.data, run_dir, photos, say, settings.threads
        )
    path = results.write_result(
        report.study,
        figures,
        command=settings.command,
        seeds=[report.provenance.seed or 0],
        extra={
            "bundle_id": written.id.hex(),
            "tables": [candidate.to_dict() for candidate in report.deployed.tables.candidates],
        },
        folder=results_folder,
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def run_report(options: dict[str, Any]) -> None:
    folder, place = options["run"], options["bundle"] or options["run"] / "bundle"
    if read_run(folder) is None:
        raise RunError(f"{folder} is no run; `make export DATASET=…` makes one with its report")
    bundle = Bundle.load(place, "host")
    dataset, data_dir = origin(folder, options["dataset"], options["data_dir"])
    name = dataset or bundle.data_set
    data = load(name, data_dir, bundle.image.height, PhotoChoices.of_bundle(bundle))
    photos = Path(name) if Path(name).is_dir() else None
    say = partial(print, flush=True)
    write_photo_report(bundle, data, folder, photos, say, options["threads"])


def as_run_says(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of Settings; of a run that is named, what is not said is as its preset has it."""
    folder, stage = options.pop("run", None), options.pop("stage", None)
    if folder is None:
        if stage is not None:
            raise RunError("--stage is one of a run's: name the run, --run DIR")
        return {"out": options["checkpoint"].parent / "bundle"} | options
    run = read_run(folder)
    if run is None or not (run.is_finished or stage):
        raise RunError(
            f"{folder} is {'no run' if run is None else 'not finished'}; `make train RUN={folder}` "
            "trains it to the end, --checkpoint exports a stage of it that is there"
        )
    preset, checkpoint = PRESETS[run.preset], folder / f"{stage or run.stage}.pt"
    views = 1 if run.changes.get("flip") is False else preset.views
    usual = {"out": folder / "bundle", "order": preset.order, "views": views}
    if options.get("order") in (None, preset.order):
        usual["coarseness"] = preset.coarseness
    return usual | options | {"checkpoint": checkpoint}


def run_universal(options: dict[str, Any]) -> None:
    sets, asked = (tuple(options.pop(name)) for name in ("sets", "asked"))
    build_universal(Building(sets=sets, asked=asked, **options), partial(print, flush=True))


COMMANDS = {
    "export": (parser, run_export),
    "calibrate": (calibration_parser, run_calibration),
    "decoder": (decoder_parser, run_decoder),
    "report": (report_parser, run_report),
    "rotate": (rotation_parser, run_rotation),
    "plan": (plan_parser, run_plan),
    "universal": (universal_parser, run_universal),
}
"What is typed first, or `export` where it is left out."
