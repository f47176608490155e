"""`python -m tests.bench`: what coder, node, host and link cost, on the images of one replay file and one bundle.

Times are medians over the images, of one process on one thread (NumPy's matrix products are held to one as well);
ratios are taken within the run. The static histogram that the mixture is held against is the mixture's own marginal:
EM leaves it equal to the training symbols' histogram.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import threadpoolctl
from rich.console import Console
from rich.table import Table

from device.encoder import Encoder
from host_decoder.bulk import decode_bulk
from host_decoder.classifier import Classifier
from link import latent_coder
from link.bundle import Bundle
from link.framing import Deframer, frame
from link.profiles import get_profile
from link.results import write_result
from link.serial_port import open_port
from link.tables import Tables
from link.uplink import NodeEntry, Update, UplinkReceiver, UplinkSender

KEY = bytes(range(16))
GOODPUT_PROFILE = "serial-9600"
GOODPUT_PACKETS = 12
PREFIX_BYTES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

Figures = dict[str, float]


class Counters:
    """Consecutive numbers; nothing here outlives the process, so nothing is kept."""

    def __init__(self) -> None:
        self.next = count().__next__


def static_tables(tables: Tables) -> Tables:
    """The one table per latent that the mixture amounts to before anything is known."""
    marginals = [np.diff(tables.mixed(d, tables.prior)) for d in range(tables.n_latents)]
    return Tables.from_counts(tables.symbol_min, marginals)


def bench_coder(symbols: list[np.ndarray], tables: Tables) -> Figures:
    """Coded bits against the model's ideal, and the mixture against the static histogram, on the same symbols."""
    static = static_tables(tables)
    coded_bits = np.array([8 * len(latent_coder.encode(row, tables)) for row in symbols])
    overhead_bits = coded_bits - [latent_coder.ideal_bits(row, tables) for row in symbols]
    static_bits = np.mean([8 * len(latent_coder.encode(row, static)) for row in symbols])
    return {
        "coder_overhead_bits_mean": overhead_bits.mean(),
        "coder_overhead_bits_max": overhead_bits.max(),
        "static_bits_per_image": static_bits,
        "mixture_bits_per_image": coded_bits.mean(),
        "mixture_to_static_ratio": coded_bits.mean() / static_bits,
        "bitstream_bytes_max": coded_bits.max() // 8,
    }


def bench_node(images: np.ndarray, bundle: Bundle) -> tuple[Figures, list[np.ndarray]]:
    """Pixels to framed packet, by part; also the symbols."""
    encoder = Encoder(bundle)
    sender = UplinkSender(1, KEY, bundle.id, bundle.tables, Counters(), max_packet_bytes=252)
    symbols, ms = [], []
    for number, image in enumerate(images):
        times = [time.perf_counter()]
        prepared = encoder.prepare(image)
        times.append(time.perf_counter())
        row = encoder.infer(prepared)
        times.append(time.perf_counter())
        for packet in sender.packets(row, number):
            frame(packet)
        times.append(time.perf_counter())
        symbols.append(row)
        ms.append(np.diff(times) * 1000)
    preprocess, model, coder = np.median(ms, axis=0)
    figures = {
        "node_ms_per_image": float(np.median(np.sum(ms, axis=1))),
        "node_preprocess_ms": preprocess,
        "node_model_ms": model,
        "node_coder_ms": coder,
    }
    return figures, symbols


def bench_host(symbols: list[np.ndarray], bundle: Bundle) -> Figures:
    """Bitstream to class probabilities: one image after the other, and all at once."""
    classify = Classifier.of(bundle)
    bitstreams = [latent_coder.encode(row, bundle.tables) for row in symbols]
    started_s = time.perf_counter()
    for bitstream in bitstreams:
        classify(latent_coder.decode(bitstream, bundle.tables).symbols[None])
    single_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    classify(decode_bulk(bitstreams, bundle.tables).symbols)
    batch_s = time.perf_counter() - started_s
    return {
        "host_images_per_s": len(bitstreams) / single_s,
        "host_batch_images_per_s": len(bitstreams) / batch_s,
    }


def bench_prefixes(symbols: list[np.ndarray], labels: np.ndarray, bundle: Bundle) -> Figures:
    """Accuracy when only the first bytes of each bitstream have arrived; what is missing is filled by expectation."""
    classify = Classifier.of(bundle)
    bitstreams = [latent_coder.encode(row, bundle.tables) for row in symbols]
    figures = {}
    for n_bytes in PREFIX_BYTES:
        whole = [len(bitstream) <= n_bytes for bitstream in bitstreams]
        latents = decode_bulk([bitstream[:n_bytes] for bitstream in bitstreams], bundle.tables, whole)
        correct = classify(latents.symbols).argmax(1) == labels
        figures[f"accuracy_after_{n_bytes}_bytes"] = correct.mean()
    return figures


def bench_packets(symbols: list[np.ndarray], bundle: Bundle) -> Figures:
    """Bytes around the bitstream of a one-packet image; the packets are opened again to prove that they are whole."""
    sender = UplinkSender(1, KEY, bundle.id, bundle.tables, Counters(), max_packet_bytes=252)
    receiver = UplinkReceiver({1: NodeEntry(KEY, bundle)})
    around_packet, around_frame = set(), set()
    for number, row in enumerate(symbols):
        [packet] = sender.packets(row, number)
        update = receiver.receive(packet, 0.0)
        assert isinstance(update, Update), update
        sent = bundle.tables.symbol_min + bundle.tables.indices(row)
        np.testing.assert_array_equal(update.latent.symbols, sent)
        around_packet.add(len(packet) - update.bitstream_bytes)
        around_frame.add(len(frame(packet)) - update.bitstream_bytes)
    return {"packet_overhead_bytes": max(around_packet), "stream_overhead_bytes": max(around_frame)}


def bench_link(bundle: Bundle) -> Figures:
    """Bitstream bits per second through a real emulated line, against the line's raw bits per second."""
    profile = get_profile(GOODPUT_PROFILE)
    sender = UplinkSender(1, KEY, bundle.id, bundle.tables, Counters(), profile.max_packet_bytes)
    bitstream = bytes(np.random.default_rng(0).integers(1, 256, GOODPUT_PACKETS * 200, dtype=np.uint8))
    packets = sender.packets_of(bitstream, image_number=0)
    emulator = [sys.executable, "-m", "link", "emulate", profile.name]
    with subprocess.Popen(emulator, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ends = json.loads(process.stdout.readline())
            with open_port(ends["a"], profile.bitrate_bps) as node, open_port(ends["b"], profile.bitrate_bps) as host:
                started_s = time.monotonic()
                for packet in packets:
                    node.write(frame(packet))
                deframer, n_arrived = Deframer(), 0
                while n_arrived < len(packets) and time.monotonic() < started_s + 30:
                    n_arrived += len(deframer.push(host.read(0.05)))
                elapsed_s = time.monotonic() - started_s
        finally:
            process.terminate()
            process.communicate()  # its statistics
    assert n_arrived == len(packets), f"{n_arrived} of {len(packets)} packets arrived"
    return {"link_goodput_ratio": 8 * len(bitstream) / elapsed_s / profile.bitrate_bps}


def all_figures(bundle: Bundle, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, Figures]]:
    node, symbols = bench_node(images, bundle)
    yield "coder", bench_coder(symbols, bundle.tables)
    yield "prefix", bench_prefixes(symbols, labels, bundle)
    yield "packets", bench_packets(symbols, bundle)
    yield "node", node
    yield "host", bench_host(symbols, bundle)
    yield "link", bench_link(bundle)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--replay", type=Path, required=True)
    parser.add_argument("--images", type=int, help="only the first so many of the replay file")
    parser.add_argument("--study", default="bench")
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle, side="host")
    with np.load(options.replay, allow_pickle=False) as replay:
        images, labels = replay["images"][: options.images], replay["labels"][: options.images]
    table = Table("part", "figure", "value", title=f"{len(images)} images, bundle {options.bundle}")
    figures: Figures = {}
    with threadpoolctl.threadpool_limits(1):
        for part, measured in all_figures(bundle, images, labels):
            figures |= measured
            for name, value in measured.items():
                table.add_row(part, name, f"{value:.4g}")
    Console().print(table)
    command = shlex.join(["python", "-m", "tests.bench", *sys.argv[1:]])
    extra = {"bundle": bundle.id.hex(), "images": len(images), "goodput_profile": GOODPUT_PROFILE}
    print(write_result(options.study, figures, command=command, extra=extra))
    return 0


if __name__ == "__main__":
    sys.exit(main())
