"""The export from end to end: checkpoint and data set in; a measured bundle out, or a sentence that says why not."""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export import ExportError, entropy_model, measure, onnx_model, tflite
from export.entropy_model import FittedTables
from export.finetune import FineTuning, augmented_symbols, finetune, score
from export.fold import FoldedDecoder, FoldedEncoder, fold, input_shape
from export.measure import Accuracies, Agreement, Rates
from export.operators import edge_tpu_compiler_log, list_operators, require_integer
from export.report import Report
from export.settings import Settings, load_data, preset_name, provenance, transmitted
from export.symbols import Int8Encoder, with_border
from host_training.dataset import DataSet
from host_training.training import load_model
from link import bundle, results

DECODER = "decoder.onnx"
FILES = (bundle.ENCODER, bundle.TABLES, DECODER)

CALIBRATION_SEED = 0
N_CALIBRATION_IMAGES = 300
N_IMAGES_FOR_MEANS = 5000
N_IMAGES_THROUGH_ONNX = 500

Say = Callable[[str], None]
Encode = Callable[[np.ndarray], np.ndarray]
"uint8 images (N, H, W, C) → symbols int8 (N, D)."


def export(settings: Settings, say: Say = print) -> tuple[bundle.Bundle, Report]:
    """Write bundle and report to `settings.out`: all of it, or nothing."""
    check_target(settings.out)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{settings.out.name}-", dir=settings.out.parent))
    try:
        written, report = build(settings, unfinished, say)
        put_in_place(unfinished, settings.out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"bundle    {written.id.hex()} in {settings.out}")
    return replace(written, path=settings.out), report


def build(settings: Settings, folder: Path, say: Say) -> tuple[bundle.Bundle, Report]:
    """Make everything in `folder` and measure it; ExportError when int8 costs too much."""
    torch.set_num_threads(settings.threads)
    model, checkpoint = load_model(settings.checkpoint)
    config = model.config
    data = load_data(settings, config, checkpoint)
    order = transmitted(checkpoint["latent_order"], settings.latents)

    means = measure.float_symbols(model.encoder, first(data.train, N_IMAGES_FOR_MEANS), config.pixel_pad).mean(0)
    encoder, decoder = fold(model, order, torch.from_numpy(means))
    cost = measure.encoder_cost(encoder, input_shape(config))
    say(f"fold      {config.wavelet} and stem in one; {len(order)} of {config.latents} latents; {cost.macs:,} MACs")

    onnx_symbols = make_encoder(encoder, input_shape(config), config.pixel_pad, data, folder)
    encode = Int8Encoder(folder / bundle.ENCODER, config.pixel_pad, settings.threads)
    operators = list_operators(folder / bundle.ENCODER)
    require_integer(operators)
    say(f"int8      {len(operators)} operators, {(folder / bundle.ENCODER).stat().st_size:,} bytes")

    float_symbols, test = measure.float_symbols(encoder, data.test, config.pixel_pad), encode(data.test.images)
    agreements = {
        "ONNX and PyTorch": Agreement.between(onnx_symbols, float_symbols[: len(onnx_symbols)]),
        "int8 and PyTorch": Agreement.between(test, float_symbols),
    }
    say("agree     " + "; ".join(f"{pair}: {share.equal:.2%} of symbols" for pair, share in agreements.items()))

    tables = make_tables(encode, data, settings.components, folder, say)
    coded = measure.through_coder(test, tables.chosen.tables)
    rates = Rates.measure(test, coded, tables)
    say(f"coder     {rates.coded_bytes:.2f} bytes per test image, {rates.coder_overhead_bits:.2f} bits over the ideal")

    tuned, validation_accuracies = make_decoder(decoder, encode, data, settings.fine_tuning, folder)
    host = onnx_model.OnnxModel(folder / DECODER, settings.threads)
    accuracies = Accuracies(
        float_all_latents=measure.float_accuracy(model, data.test),
        float_rounded=score(decoder, float_symbols, data.test.labels).accuracy,
        int8_original_decoder=score(decoder, test, data.test.labels).accuracy,
        int8_fine_tuned_decoder=measure.accuracy(host(test.astype(np.float32)), data.test.labels),
        through_coder=measure.accuracy(host(coded.symbols), data.test.labels),
    )
    say(f"decoder   {accuracies.through_coder:.2%} on the test split, float {accuracies.float_rounded:.2%}")
    check_drop(accuracies, settings.max_drop_points)

    preset = preset_name(config)
    ...
