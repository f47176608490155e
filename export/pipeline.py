"""The export from end to end: checkpoint and data set in; a measured bundle out, or a sentence that
says why not.
"""

import math
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export import ExportError, measure
from export.decoders.finetune import FineTuning, augmented_symbols, finetune, score
from export.deployment import (
    DECODER,
    Deployed,
    Say,
    first,
    fit_tables,
    mirrored_symbols,
    symbols_of,
    write_encoder,
)
from export.encoder import onnx_model, tflite
from export.encoder.fold import FoldedDecoder, FoldedEncoder, fold
from export.encoder.importance import fold_rotation, rotation, sensitivity
from export.encoder.operators import (
    Operator,
    edge_tpu_compiler_log,
    list_operators,
    require_integer,
)
from export.encoder.symbols import Int8Encoder
from export.entropy_model import Mixture
from export.measure import Accuracies, Agreement, Cost
from export.partition.deploy import deploy_team, team_halves
from export.partition.worth import worth_of
from export.report import ExportReport
from export.settings import Settings, load_data, n_transmitted, preset_name, provenance
from host_training.data.dataset import DataSet
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets.preset import ORDERS
from host_training.run import next_free
from host_training.training.checkpoint import Checkpoint
from host_training.training.class_accuracy import ClassAccuracies
from link.bundle import Bundle, BundleError
from link.bundle.manifest import ENCODER, MANIFEST, Measured, NodeHalf
from link.output import results

N_IMAGES_FOR_MEANS = 5000


def export(settings: Settings, say: Say = print) -> tuple[Bundle, ExportReport]:
    """Write bundle and report to `settings.out`: all of it, or nothing."""
    out = settings.out
    if out.exists() and not (out / MANIFEST).is_file():
        raise ExportError(
            f"{out} is there already and is not a bundle; give --out another name, or move it away"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        written, report = build(settings, new, say)
        if out.exists():
            written = _with_tasks_of(out, written, say)
            kept = _place_for_old(out, written)
            out.rename(kept or Path(scratch) / "old")
            if kept is not None:
                say(f"kept      the bundle that was in {out} is in {kept}: nodes may run it")
        new.rename(out)
    say(f"bundle    {written.id.hex()} in {out}")
    return replace(written, path=out), report


def _with_tasks_of(out: Path, new: Bundle, say: Say) -> Bundle:
    """The new bundle, and what was added to one of the same id in its place: that answers about the
    same latents. Where a file of it has another's name by now, it stays behind.
    """
    try:
        old = Bundle.load(out, "host")
    except BundleError:  # of no use to anybody
        return new
    further = old.manifest.host.tasks.keys() - new.manifest.host.tasks.keys()
    for name in sorted(further) if old.id == new.id else ():
        entry = old.manifest.host.tasks[name]
        source, place = old.path / entry.file, new.path / entry.file
        if place.exists() and place.read_bytes() != source.read_bytes():
            continue
        shutil.copyfile(source, place)
        new = new.with_task(name, entry)
        say(f"task      {name} of the bundle that was in {out} goes on")
    return new


def _place_for_old(out: Path, new: Bundle) -> Path | None:
    """Where a bundle is kept that is replaced: None when the new one is the same and answers all
    that it did.
    """
    try:
        old = Bundle.load(out, "host")
    except BundleError:  # of no use to anybody
        return None
    if old.id == new.id and old.manifest.host.tasks.keys() <= new.manifest.host.tasks.keys():
        return None
    first = out.with_name(f"{out.name}-{old.id.hex()}")
    return first if not first.exists() else next_free(first)


def study_name(data_set: str, preset: str, stage: str, seed: int, settings: Settings) -> str:
    """A bundle that is not the usual one of its run never takes the place of that one's figures."""
    parts = ["export", data_set, preset, *([stage] if stage != "duphil" else [])]
    parts += [f"{settings.latents}-latents"] if settings.latents else []
    parts += [settings.order, f"{settings.coarseness:g}"] if settings.order != ORDERS[0] else []
    parts += [f"{settings.views}-views"] if settings.views > 1 else []
    parts += [f"seed-{seed}"] if seed else []
    return re.sub(r"[^a-z0-9._-]+", "-", "-".join(parts).lower())


def build(settings: Settings, folder: Path, say: Say) -> tuple[Bundle, ExportReport]:
    """Make everything in `folder` and measure it; ExportError when int8 costs too much."""
    trained = Checkpoint.read(settings.checkpoint)
    if trained.latent_order is None:
        raise ExportError(
            f"{settings.checkpoint} is of a stage that is not finished; train on, with the same "
            "command"
        )
    config, made_by = trained.model.config, trained.provenance.recipe
    preset = preset_name(config, made_by)
    data = load_data(settings, trained)
    encoder: Any
    decoder: Any
    entry = None
    if config.team is not None:
        encoder, decoder = team_halves(trained.model, trained.latent_order, settings, data)
        deployed, agreements, operators, entry = deploy_team(encoder, data, settings, folder, say)
    else:
        encoder, decoder = halves(trained.model, trained.latent_order, settings, data)
        cost = measure.encoder_cost(encoder)
        say(
            f"fold      {folded_of(config)}; {decoder.first.in_features} of {config.latents} "
            f"latents, {settings.order} order; {cost.macs:,} MACs"
        )
        deployed, agreements, operators = deploy_encoder(
            encoder, data, settings, folder, say, learned_mixture(trained, settings)
        )
    validation_accuracies = make_decoder(decoder, deployed, settings.fine_tuning)
    accuracies = accuracies_of(trained.model, encoder, decoder, deployed)
    by_class = ClassAccuracies.of(data.classes, data.test.labels, deployed.answers.argmax(1))
    say(
        f"decoder   {accuracies.through_coder:.2%} of {len(data.test):,} test images, float "
        f"encoder {accuracies.best_float:.2%}"
    )
    say(f"classes   {by_class.describe()}")
    say(f"calibrate {deployed.confidence}")
    check_drop(accuracies, settings.max_drop_points, len(data.test))
    say(f"anomaly   {deployed.anomaly.describe()}")
    team = None
    if entry is not None:
        team = worth_of(deployed, entry)
        say(f"team      {team.describe()}")
        each = [one for segment in team.parts for one in segment]
        cost = Cost(sum(one.macs for one in each), sum(one.parameters for one in each))
    files = (*NodeHalf(image=encoder.image, latents=1, team=entry).file_names, DECODER)
    report = ExportReport(
        study=study_name(data.name, preset, trained.stage, made_by.seed, settings),
        title=f"{data.name}, {preset}, {trained.stage}",
        deployed=deployed,
        accuracies=accuracies,
        by_class=by_class,
        validation_accuracies=validation_accuracies,
        agreements=agreements,
        cost=cost,
        file_bytes={name: (folder / name).stat().st_size for name in files},
        latency=measure.latency_ms(folder / ENCODER) if team is None else team.node.latency,
        operators=operators,
        edge_tpu_compiler=edge_tpu_compiler_log(folder / ENCODER) if team is None else None,
        team=team,
        provenance=provenance(settings, trained, preset),
        machine=results.machine(),
    )
    report.write(folder)
    node = NodeHalf(
        image=encoder.image,
        latents=deployed.n_latents,
        wavelet=None if config.backbone is not None else config.wavelet,
        input_zero_point=(tflite.UNIT if config.backbone is None else tflite.SIGNED).zero_point,
        team=entry,
    )
    also = Measured(split="test", images=len(data.test), float_accuracy=accuracies.best_float)
    return deployed.write(node, report.provenance, deployed.measured(also)), report


def deploy_encoder(
    encoder: FoldedEncoder,
    data: DataSet,
    settings: Settings,
    folder: Path,
    say: Say,
    learned: Callable[[np.ndarray], Mixture] | None = None,
) -> tuple[Deployed, dict[str, Agreement], list[Operator]]:
    """The node's half with its tables, how far it agrees with the float encoder, and what it is
    made of.
    """
    onnx_agreement = write_encoder(encoder, data, folder)
    operators = list_operators(folder / ENCODER)
    require_integer(operators)
    n_bytes = (folder / ENCODER).stat().st_size
    say(f"int8      {len(operators)} operators, {n_bytes:,} bytes")
    encode = Int8Encoder(folder / ENCODER, encoder.image, settings.threads)
    symbols = symbols_of(data, encode)
    agreements = {
        "ONNX and PyTorch, weights rounded": onnx_agreement,
        "int8 and PyTorch": Agreement.between(
            symbols["test"], measure.float_symbols(encoder, data.test)
        ),
    }
    said = [f"{pair} in {share.equal:.2%} of the symbols" for pair, share in agreements.items()]
    say(f"agree     {'; '.join(said)}")
    mirrored = mirrored_symbols(data, encode) if settings.views == 1 else None
    tables = fit_tables(data, symbols, mirrored, settings.components, folder, say, learned)
    deployed = Deployed(data, folder, encode, symbols, tables)
    say(
        f"coder     {deployed.rates.coded_bytes:.2f} bytes per test image, "
        f"{deployed.rates.coder_overhead_bits:.2f} bits over the ideal"
    )
    return deployed, agreements, operators


def learned_mixture(
    trained: Checkpoint, settings: Settings
) -> Callable[[np.ndarray], Mixture] | None:
    """Its tables for the symbols that are sent; None where none was learned, or none of these
    latents: a rotation mixes them.
    """
    mixture, order = trained.mixture, trained.latent_order
    if mixture is None or order is None or settings.order != "discriminative":
        return None
    sent = order[: n_transmitted(len(order), settings.latents)]
    return lambda symbols: Mixture.learned(mixture, sent, symbols)


def folded_of(config: ModelConfig) -> str:
    """What became one layer, in words."""
    if config.backbone is not None:
        return f"{config.backbone.blocks} blocks of a backbone"
    return f"{config.wavelet} and stem in one"


def accuracies_of(
    model: AutoEncoder, encoder: measure.FloatEncoder, decoder: nn.Module, deployed: Deployed
) -> Accuracies:
    """At each stage, with the decoder as trained and with the one in the folder."""
    labels, int8 = deployed.data.test.labels, deployed.symbols["test"]
    floats = measure.float_symbols(encoder, deployed.data.test)
    return Accuracies(
        float_all_latents=measure.float_accuracy(model, deployed.data.test),
        float_original_decoder=score(decoder, floats, labels).accuracy,
        float_fine_tuned_decoder=measure.accuracy(deployed.classify(floats), labels),
        int8_original_decoder=score(decoder, int8, labels).accuracy,
        int8_fine_tuned_decoder=measure.accuracy(deployed.classify(int8), labels),
        through_coder=deployed.accuracy,
    )


def halves(
    model: AutoEncoder, latent_order: Sequence[int], settings: Settings, data: DataSet
) -> tuple[FoldedEncoder, FoldedDecoder]:
    """Encoder and decoder with the most useful latents, in the order in which they are sent."""
    if settings.views > 1 and not data.augmentation.flip:
        raise ExportError(
            f"images of {data.name} are never mirrored, so they are looked at once: say VIEWS=1 "
            "(--views 1)"
        )

    def folded(order: Sequence[int], fill: Tensor) -> tuple[FoldedEncoder, FoldedDecoder]:
        encoder, decoder = fold(model, order, fill)
        return encoder.with_views(settings.views), decoder

    n_latents = n_transmitted(model.config.latents, settings.latents)
    some = first(data.train, N_IMAGES_FOR_MEANS)
    encoder, decoder = folded(range(model.config.latents), torch.zeros(model.config.latents))
    if settings.order == "discriminative":
        means = measure.float_symbols(encoder, some).mean(0)
        return folded(latent_order[:n_latents], torch.from_numpy(means))
    latents = measure.float_latents(encoder, some)
    axes = rotation(latents, sensitivity(decoder, latents), settings.coarseness)
    return fold_rotation(encoder, decoder, axes.leading(min(n_latents, axes.n_useful)))


def make_decoder(
    decoder: nn.Module, deployed: Deployed, settings: FineTuning
) -> tuple[float, float]:
    """Fine-tune the decoder, write decoder.onnx; accuracy on validation before and after."""
    data = deployed.data
    encode = deployed.as_may_come or deployed.encode
    passes = augmented_symbols(
        data, encode, settings.n_epochs(len(data.train), data.image_shape[0])
    )
    tuned, before, after = finetune(
        decoder,
        passes,
        data.train.labels,
        deployed.validation,
        data.validation.labels,
        settings,
    )
    onnx_model.write_decoder(tuned, deployed.n_latents, deployed.folder / DECODER)
    return before.accuracy, after.accuracy


def check_drop(accuracies: Accuracies, max_drop_points: float, n_images: int) -> None:
    """ExportError when int8 costs more than is allowed, and than chance makes of it: few images
    tell a point only roughly.
    """
    chance = 100 * math.sqrt(max(max_drop_points, 0) / 100 / n_images)
    if accuracies.drop_points > max_drop_points + chance:
        raise ExportError(
            f"int8 costs {accuracies.drop_points:.2f} points on the test split "
            f"({accuracies.best_float:.2%} → {accuracies.through_coder:.2%}), {max_drop_points:g} "
            "are allowed: no bundle was written; train longer, or allow more with --max-drop"
        )
