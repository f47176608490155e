"""The export from end to end: checkpoint and data set in; a measured bundle out, or a sentence that
says why not.
"""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export import ExportError, entropy_model, measure
from export.decoders import anomaly, calibration
from export.decoders.finetune import FineTuning, augmented_symbols, finetune, score
from export.encoder import onnx_model, tflite
from export.encoder.fold import FoldedDecoder, FoldedEncoder, fold
from export.encoder.importance import fold_rotation, rotation, sensitivity
from export.encoder.operators import edge_tpu_compiler_log, list_operators, require_integer
from export.encoder.rounding import round_weights
from export.encoder.symbols import Encode, Int8Encoder, received
from export.entropy_model import FittedTables
from export.measure import Accuracies, Agreement, Rates
from export.report import ExportReport
from export.settings import Settings, load_data, n_transmitted, preset_name, provenance
from host_decoder.decode.classifier import Classifier
from host_training.data.batches import to_model_input, to_pixels
from host_training.data.dataset import DataSet, Split
from host_training.models.autoencoder import AutoEncoder
from host_training.presets.preset import ORDERS
from host_training.run import next_free
from host_training.training.checkpoint import Checkpoint
from host_training.training.class_accuracy import ClassAccuracies
from link.bundle import Bundle, BundleError, ImageSpec, manifest
from link.output import results

DECODER = "decoder.onnx"
FILES = (manifest.ENCODER, manifest.TABLES, DECODER)

CALIBRATION_SEED = 0
N_CALIBRATION_IMAGES = 300
N_IMAGES_TO_ROUND_BY = 1000
N_IMAGES_FOR_MEANS = 5000
N_IMAGES_THROUGH_ONNX = 500

Say = Callable[[str], None]


def export(settings: Settings, say: Say = print) -> tuple[Bundle, ExportReport]:
    """Write bundle and report to `settings.out`: all of it, or nothing."""
    out = settings.out
    if out.exists() and not (out / manifest.MANIFEST).is_file():
        raise ExportError(
            f"{out} is there already and is not a bundle; give --out another name, or move it away"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        written, report = build(settings, new, say)
        if out.exists():
            kept = _place_for_old(out, written)
            out.rename(kept or Path(scratch) / "old")
            if kept is not None:
                say(f"kept      the bundle that was in {out} is in {kept}: nodes may run it")
        new.rename(out)
    say(f"bundle    {written.id.hex()} in {out}")
    return replace(written, path=out), report


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
    # small layers gain nothing from more, and the bytes must not depend on the machine
    torch.set_num_threads(1)
    trained = Checkpoint.read(settings.checkpoint)
    if trained.latent_order is None:
        raise ExportError(
            f"{settings.checkpoint} is of a stage that is not finished; train on, with the "
            "same command"
        )
    config = trained.model.config
    preset = preset_name(config, trained.provenance.recipe)
    data = load_data(settings, trained)
    encoder, decoder = halves(trained.model, trained.latent_order, settings, data)
    n_latents = decoder.first.in_features
    cost = measure.encoder_cost(encoder)
    say(
        f"fold      {config.wavelet} and stem in one; {n_latents} of {config.latents} "
        f"latents, {settings.order} order; "
        f"{cost.macs:,} MACs"
    )

    onnx_agreement = make_encoder(encoder, data, folder)
    encode = Int8Encoder(folder / manifest.ENCODER, encoder.image, settings.threads)
    operators = list_operators(folder / manifest.ENCODER)
    require_integer(operators)
    n_bytes = (folder / manifest.ENCODER).stat().st_size
    say(f"int8      {len(operators)} operators, {n_bytes:,} bytes")

    float_symbols, test = (
        measure.float_symbols(encoder, data.test),
        encode(data.test.images),
    )
    agreements = {
        "ONNX and PyTorch, weights rounded": onnx_agreement,
        "int8 and PyTorch": Agreement.between(test, float_symbols),
    }
    say(
        "agree     "
        + "; ".join(
            f"{pair} in {share.equal:.2%} of the symbols" for pair, share in agreements.items()
        )
    )

    tables = make_tables(
        encode, data, settings.components, folder, say, has_mirrors=settings.views == 1
    )
    coded = measure.through_coder(test, tables.chosen.tables)
    rates = Rates.of(test, coded, tables)
    say(
        f"coder     {rates.coded_bytes:.2f} bytes per test image, "
        f"{rates.coder_overhead_bits:.2f} bits over the ideal"
    )

    validation_accuracies = make_decoder(decoder, encode, data, settings.fine_tuning, folder)
    host = Classifier(folder / DECODER, n_latents, len(data.classes))
    heard, labels, scores = encode(data.validation.images), data.test.labels, host(coded.symbols)
    fitted = calibration.fit(host, heard, data.validation.labels, tables.chosen.tables)
    by_class = ClassAccuracies.of(data.classes, labels, scores.argmax(1))
    accuracies = Accuracies(
        float_all_latents=measure.float_accuracy(trained.model, data.test),
        float_original_decoder=score(decoder, float_symbols, labels).accuracy,
        float_fine_tuned_decoder=measure.accuracy(host(float_symbols), labels),
        int8_original_decoder=score(decoder, test, labels).accuracy,
        int8_fine_tuned_decoder=measure.accuracy(host(test), labels),
        through_coder=measure.accuracy(scores, labels),
    )
    images = f"{len(test):,} test images"
    say(
        f"decoder   {accuracies.through_coder:.2%} of {images}, float encoder "
        f"{accuracies.best_float:.2%}"
    )
    say(f"classes   {by_class.describe()}")
    say(f"calibrate {calibration.describe(fitted, len(heard))}")
    check_drop(accuracies, settings.max_drop_points)
    strange = anomaly.fit(data, received(encode, tables.chosen.tables), heard, test)
    say(f"anomaly   {strange.describe()}")

    report = ExportReport(
        study=study_name(
            data.name, preset, trained.stage, trained.provenance.recipe.seed, settings
        ),
        title=f"{data.name}, {preset}, {trained.stage}",
        n_test_images=len(test),
        n_latents=n_latents,
        accuracies=accuracies,
        by_class=by_class,
        validation_accuracies=validation_accuracies,
        calibration=fitted,
        n_validation_images=len(heard),
        anomaly=strange,
        agreements=agreements,
        rates=rates,
        tables=tables,
        cost=cost,
        file_bytes={name: (folder / name).stat().st_size for name in FILES},
        latency=measure.latency_ms(folder / manifest.ENCODER),
        operators=operators,
        edge_tpu_compiler=edge_tpu_compiler_log(folder / manifest.ENCODER),
        provenance=provenance(settings, trained, preset),
        machine=results.machine(),
    )
    report.write(folder)
    return write_bundle(folder, encoder.image, config.wavelet, n_latents, data, report), report


def halves(
    model: AutoEncoder, latent_order: Sequence[int], settings: Settings, data: DataSet
) -> tuple[FoldedEncoder, FoldedDecoder]:
    """Encoder and decoder with the most useful latents, in the order in which they are sent."""
    if settings.views > 1 and not data.augmentation.flip:
        raise ExportError(
            f"images of {data.name} are never mirrored, so they are looked at once: leave "
            "views at 1"
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
    turned = rotation(latents, sensitivity(decoder, latents), settings.coarseness)
    return fold_rotation(encoder, decoder, turned.leading(min(n_latents, turned.n_useful)))


def first(split: Split, n_images: int) -> Split:
    return split.subset(np.arange(min(n_images, len(split))))


def make_encoder(encoder: FoldedEncoder, data: DataSet, folder: Path) -> Agreement:
    """Write encoder.tflite; returns how far ONNX, which is on the way to it, agrees with the
    rounded encoder.
    """
    images = to_pixels(some_images(data, N_IMAGES_TO_ROUND_BY))
    rounded = round_weights(encoder, to_model_input(images, encoder.image.pixel_pad))
    some = first(data.test, N_IMAGES_THROUGH_ONNX)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "encoder.onnx"
        onnx_model.write_encoder(rounded, path)
        calibration_images = encoder.image.with_border(some_images(data, N_CALIBRATION_IMAGES))
        tflite.convert(path, calibration_images, folder / manifest.ENCODER, rounded.views)
        onnx_symbols = measure.onnx_symbols(path, rounded, some)
    return Agreement.between(onnx_symbols, measure.float_symbols(rounded, some))


def some_images(data: DataSet, n_images: int) -> np.ndarray:
    """Training images drawn at random, always the same, uint8 (n, H, W, C); all of them if there
    are no more.
    """
    n_images = min(n_images, len(data.train))
    chosen = np.random.default_rng(CALIBRATION_SEED).choice(
        len(data.train), n_images, replace=False
    )
    return data.train.images[np.sort(chosen)]


def make_tables(
    encode: Encode,
    data: DataSet,
    components: Sequence[int],
    folder: Path,
    say: Say,
    has_mirrors: bool = True,
) -> FittedTables:
    """Fit the entropy models to the training split's symbols and write tables.npz, the best on the
    validation split.

    `has_mirrors`: also to the mirrored images', where training mirrors them and the encoder does
    not do it itself.
    """
    mirrored = (
        encode(data.train.images[:, :, ::-1]) if has_mirrors and data.augmentation.flip else None
    )
    candidates = []
    for candidate in entropy_model.fit_candidates(
        encode(data.train.images),
        data.train.labels,
        mirrored,
        encode(data.validation.images),
        components,
    ):
        candidates.append(candidate)
        say(f"tables    {candidate.describe()}")
    tables = FittedTables(tuple(candidates))
    tables.chosen.tables.to_npz(folder / manifest.TABLES)
    return tables


def make_decoder(
    decoder: FoldedDecoder, encode: Encode, data: DataSet, settings: FineTuning, folder: Path
) -> tuple[float, float]:
    """Fine-tune the decoder and write decoder.onnx; accuracy on the validation split before and
    after.
    """
    passes = augmented_symbols(data, encode, settings.n_epochs(len(data.train)))
    tuned, before, after = finetune(
        decoder,
        passes,
        data.train.labels,
        encode(data.validation.images),
        data.validation.labels,
        settings,
    )
    onnx_model.write_decoder(tuned, folder / DECODER)
    return before.accuracy, after.accuracy


def check_drop(accuracies: Accuracies, max_drop_points: float) -> None:
    if accuracies.drop_points > max_drop_points:
        raise ExportError(
            f"int8 costs {accuracies.drop_points:.2f} points on the test split "
            f"({accuracies.best_float:.2%} → "
            f"{accuracies.through_coder:.2%}), {max_drop_points:g} are allowed: no bundle "
            "was written; "
            "train longer, or allow more with --max-drop"
        )


def write_bundle(
    folder: Path,
    image: ImageSpec,
    wavelet: str,
    n_latents: int,
    data: DataSet,
    report: ExportReport,
) -> Bundle:
    node = manifest.NodeHalf(
        image=image,
        wavelet=wavelet,
        latents=n_latents,
        input_zero_point=tflite.INPUT_ZERO_POINT,
    )
    host = host_half(folder, n_latents, data, report.anomaly)
    content = manifest.Manifest(
        node=node, host=host, provenance=report.provenance, measured=report.measured()
    )
    return calibration.write(Bundle.write(folder, content), report.calibration)


def host_half(
    folder: Path, n_latents: int, data: DataSet, strange: anomaly.Fitted
) -> manifest.HostHalf:
    """What every bundle's host can answer: which class, and whether it is any; the score's file is
    written here.
    """
    tasks = {
        manifest.LABEL_TASK: manifest.TaskEntry(file=DECODER, classes=data.classes),
        manifest.ANOMALY_TASK: anomaly.write_task(strange, data, n_latents, folder / anomaly.FILE),
    }
    return manifest.HostHalf(tasks=tasks)
