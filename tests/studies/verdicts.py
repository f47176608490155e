"""Verdicts: what stop verdicts save on the test split, and what they cost in accuracy.

Every image goes through the int8 encoder and the wire coder, is cut into chunks, and is decoded
after each of them until the verdict says enough. Thresholds are chosen on the validation split
only. Four tables:

    thresholds   accuracy lost and bytes of bitstream saved, over all cuts
    cuts         the same by the size of the first chunk and of the later ones, with the thresholds
                 that are built in
    links        bytes and airtime per image of whole exchanges, packets and reports, against one
                 packet per image
    prices       the same, when a second of airtime must earn its price
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from rich.console import Console
from rich.table import Table

from export.decoders.calibration import check_data, expected_calibration_error
from export.encoder.symbols import Int8Encoder
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.verdict import MIN_CONFIDENCE, MIN_GAIN, VerdictPolicy
from host_training.data.catalogue import load
from host_training.data.dataset import Split
from host_training.data.photo_choices import PhotoChoices
from host_training.run import RunError, origin
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from link.medium.profiles import LinkProfile, get_profile
from link.output.results import OWN, write_result
from link.wire.control import REPORT_BYTES
from link.wire.framing import frame
from link.wire.packet import CHUNK_HEAD_BYTES, PacketType, overhead_bytes
from tests.studies.command import MistakeError, add_results, bundle_of_one, command
from tests.studies.exchange import GROUP, WHOLE, Cut, Exchange, Stopped, cut_name, run_exchange

CUTS = [(base, later) for base in (1, 2, 3, 4, 5) for later in (1, 2, 3, WHOLE)]
LINKS = ("serial-9600", "lora-sf7", "lora-sf9-eu868", "lora-sf12-eu868")
THRESHOLDS = [(confidence, 0.0) for confidence in (0.9, 0.93, 0.95, 0.97, 0.99)] + [
    (MIN_CONFIDENCE, gain) for gain in (0.005, 0.01, 0.015, MIN_GAIN, 0.025, 0.03, 0.04)
]
EXCHANGES = [
    Exchange((WHOLE, WHOLE), has_verdicts=False),
    Exchange((3, 2), has_verdicts=False),
    *(Exchange(cut) for cut in ((2, 1), (2, 2), (3, 2), (3, WHOLE), (5, WHOLE))),
    Exchange((WHOLE, WHOLE), is_batched=True, has_verdicts=False),
    *(Exchange((base, WHOLE), is_batched=True) for base in (2, 3, 4, 5)),
    *(Exchange((base, WHOLE), is_batched=True, is_joint=True) for base in (3, 5)),
    *(Exchange((base, WHOLE), is_batched=True, rides_along=True) for base in (2, 3, 4, 5)),
    *(Exchange((base, 2), is_batched=True, rides_along=True) for base in (2, 3)),
]
PRICES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
PRICED_LINK, PRICED_CUT = "lora-sf9-eu868", (3, 2)


@dataclass(frozen=True, eq=False)
class Coded:
    """A split as the host gets it: what the decoder says after every byte of every image."""

    labels: np.ndarray
    "int64 (N,)"
    n_bytes: np.ndarray
    "int64 (N,): length of each bitstream."
    probabilities: np.ndarray
    "float32 (bytes, N, C): after so many bytes; a bitstream that has ended stays as it is."
    n_known: np.ndarray
    "int64 (bytes, N)"

    @classmethod
    def of(cls, split: Split, bundle: Bundle) -> "Coded":
        symbols = Int8Encoder(bundle.encoder_path, bundle.image)(split.images)
        classify, tables = Classifier.of(bundle), bundle.tables
        bitstreams = [latent_coder.encode(image, tables) for image in symbols]
        n_bytes = np.array([len(bitstream) for bitstream in bitstreams])
        probabilities = np.zeros((n_bytes.max() + 1, len(symbols), len(bundle.classes)), np.float32)
        n_known = np.zeros(probabilities.shape[:2], np.int64)
        for n in range(1, len(n_known)):
            probabilities[n], n_known[n] = probabilities[n - 1], n_known[n - 1]
            open_ = np.flatnonzero(n_bytes >= n)
            prefixes = [bitstreams[i][:n] for i in open_]
            latents = decode_bulk(prefixes, tables, [len(bitstreams[i]) == n for i in open_])
            probabilities[n, open_], n_known[n, open_] = classify(latents.symbols), latents.n_known
        return cls(split.labels, n_bytes, probabilities, n_known)

    def __len__(self) -> int:
        return len(self.labels)

    def enough(self, policy: VerdictPolicy, next_chunk_s: float = 0.0) -> np.ndarray:
        """The verdict after every byte of every image, bool (bytes, N)."""
        pairs = zip(self.probabilities, self.n_known, strict=True)
        return np.stack([policy.is_enough(row, known, next_chunk_s) for row, known in pairs])

    def is_right(self, n_bytes: np.ndarray) -> np.ndarray:
        """Is each label right after so many bytes (N,) of each image; bool (N,)."""
        return self.probabilities[n_bytes, np.arange(len(self))].argmax(1) == self.labels


def stops(coded: Coded, cut: Cut, enough: np.ndarray) -> Stopped:
    """Chunk after chunk until one was enough (bytes, N) or the last."""
    base, later = cut
    images = np.arange(len(coded))
    n_bytes, n_chunks = np.minimum(base, coded.n_bytes), np.ones(len(coded), int)
    while (goes_on := (n_bytes < coded.n_bytes) & ~enough[n_bytes, images]).any():
        n_bytes = np.where(goes_on, np.minimum(n_bytes + later, coded.n_bytes), n_bytes)
        n_chunks += goes_on
    return Stopped(n_bytes, n_chunks)


def stop_figures(coded: Coded, stopped: Stopped) -> dict[str, float]:
    """What is saved against whole bitstreams, and what it costs, compared image by image."""
    lost = coded.is_right(coded.n_bytes).astype(int) - coded.is_right(stopped.n_bytes)
    return {
        "accuracy": float(coded.is_right(stopped.n_bytes).mean()),
        "drop_points": 100 * float(lost.mean()),
        "drop_standard_error": 100 * float(lost.std() / np.sqrt(len(lost))),
        "bytes_per_image": float(stopped.n_bytes.mean()),
        "bytes_saved_share": 1 - float(stopped.n_bytes.sum() / coded.n_bytes.sum()),
        "chunks_per_image": float(stopped.n_chunks.mean()),
    }


def link_figures(
    coded: Coded, enough: np.ndarray, exchange: Exchange, profile: LinkProfile
) -> dict[str, float]:
    """Per image: bytes of packets, airtime of packets and of reports, and how right the labels are
    in the end.
    """

    @cache
    def airtime_s(n_bytes: int) -> float:
        return profile.medium.airtime_s(n_bytes if profile.is_radio else len(frame(bytes(n_bytes))))

    bill, stopped = run_exchange(coded.n_bytes, enough, exchange, profile.max_packet_bytes)
    reports_s = bill.n_reports * airtime_s(overhead_bytes(PacketType.REPORT) + REPORT_BYTES)
    return {
        "bitstream_bytes": float(stopped.n_bytes.mean()),
        "packets": len(bill.packets) / len(coded),
        "packet_bytes": sum(bill.packets) / len(coded),
        "uplink_ms": 1000 * sum(map(airtime_s, bill.packets)) / len(coded),
        "reports_ms": 1000 * reports_s / len(coded),
        "drop_points": stop_figures(coded, stopped)["drop_points"],
    }


def calibration_errors(coded: Coded, bundle: Bundle) -> dict[str, float]:
    """Before and after calibration, over all prefixes and with the whole image."""
    assert bundle.calibration is not None
    prefix, image = np.nonzero(np.arange(len(coded.n_known))[:, None] <= coded.n_bytes)
    is_cut = prefix > 0
    figures = {}
    for name, n, i in (
        ("prefixes", prefix[is_cut], image[is_cut]),
        ("whole", coded.n_bytes, np.arange(len(coded))),
    ):
        raw, right = (
            coded.probabilities[n, i],
            coded.probabilities[n, i].argmax(1) == coded.labels[i],
        )
        calibrated = bundle.calibration.apply(raw, coded.n_known[n, i])
        figures[f"ece_{name}_before"] = expected_calibration_error(raw.max(1), right)
        figures[f"ece_{name}_after"] = expected_calibration_error(calibrated.max(1), right)
    return figures


def threshold_rows(
    validation: Coded, test: Coded, policy: VerdictPolicy
) -> Iterator[dict[str, Any]]:
    """Means over all cuts, and the worst; on the validation split, where they are chosen, and on
    the test split.
    """
    for confidence, gain in THRESHOLDS:
        changed = replace(policy, min_confidence=confidence, min_gain=gain)
        row = {"min_confidence": confidence, "min_gain": gain}
        for name, coded in (("validation", validation), ("test", test)):
            enough = coded.enough(changed)
            measured = [stop_figures(coded, stops(coded, cut, enough)) for cut in CUTS]
            drops = [figures["drop_points"] for figures in measured]
            row |= {
                f"{name}_drop_points": float(np.mean(drops)),
                f"{name}_worst_drop_points": max(drops),
            }
            row[f"{name}_saved_share"] = float(
                np.mean([figures["bytes_saved_share"] for figures in measured])
            )
        yield row


def cut_rows(validation: Coded, test: Coded, policy: VerdictPolicy) -> Iterator[dict[str, Any]]:
    enough, validation_enough = test.enough(policy), validation.enough(policy)
    for cut in CUTS:
        on_validation = stop_figures(validation, stops(validation, cut, validation_enough))
        figures = stop_figures(test, stops(test, cut, enough))
        yield {
            "cut": cut_name(cut),
            **figures,
            "validation_drop_points": on_validation["drop_points"],
        }


def link_rows(test: Coded, policy: VerdictPolicy) -> Iterator[dict[str, Any]]:
    enough = test.enough(policy)
    for link in LINKS:
        for exchange in EXCHANGES:
            yield {
                "link": link,
                "exchange": exchange.name,
                **link_figures(test, enough, exchange, get_profile(link)),
            }


def price_rows(test: Coded, policy: VerdictPolicy) -> Iterator[dict[str, Any]]:
    profile = get_profile(PRICED_LINK)
    chunk_s = profile.medium.airtime_s(
        overhead_bytes(PacketType.DATA) + CHUNK_HEAD_BYTES + PRICED_CUT[1]
    )
    exchange = Exchange(PRICED_CUT)
    for price in PRICES:
        enough = test.enough(replace(policy, price_per_s=price), chunk_s)
        yield {"price_per_s": price, **link_figures(test, enough, exchange, profile)}


def show(console: Console, title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(
            *(value if isinstance(value, str) else f"{value:.4g}" for value in row.values())
        )
    console.print(table)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--bundle", type=Path, default=Path("models/cifar10"))
    top.add_argument("--dataset", help="default: the run's, or the name in the bundle")
    top.add_argument("--data-dir", type=Path, help="default: DATA_DIR, else the run's, or data")
    top.add_argument("--study", help="default: verdicts-DATASET")
    add_results(top, OWN)
    return top


def main(options: argparse.Namespace) -> None:
    bundle = bundle_of_one(options.bundle)
    policy = VerdictPolicy(bundle.calibration)
    if policy.notice:
        raise MistakeError(policy.notice)
    try:
        dataset, data_dir = origin(
            options.bundle.resolve().parent, options.dataset, options.data_dir
        )
    except RunError as error:
        raise MistakeError(str(error)) from None
    choices = PhotoChoices.of_bundle(bundle)
    data = load(dataset or bundle.data_set, data_dir, bundle.image.height, choices)
    check_data(bundle, data)
    console = Console(width=200)
    with threadpoolctl.threadpool_limits(1):
        validation, test = Coded.of(data.validation, bundle), Coded.of(data.test, bundle)
        tables = {
            "thresholds": list(threshold_rows(validation, test, policy)),
            "cuts": list(cut_rows(validation, test, policy)),
            "links": list(link_rows(test, policy)),
            "prices": list(price_rows(test, policy)),
        }
    for title, rows in tables.items():
        show(console, title, rows)
    figures = {
        "accuracy_whole": float(test.is_right(test.n_bytes).mean()),
        "bytes_per_image_whole": float(test.n_bytes.mean()),
        "min_confidence": policy.min_confidence,
        "min_gain": policy.min_gain,
        **calibration_errors(test, bundle),
        **{
            f"{row['cut'].replace('/', '_then_')}_{name}": row[name]
            for row in tables["cuts"]
            for name in ("bytes_saved_share", "drop_points", "chunks_per_image")
        },
    }
    study = options.study or f"verdicts-{data.name}"
    extra = {"bundle": bundle.id.hex(), "images": len(test), "group": GROUP, **tables}
    print(write_result(study, figures, command=command(), extra=extra, folder=options.results))
