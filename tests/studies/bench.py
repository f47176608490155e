"""Bench: what coder, node, host and link cost, on the images of one replay file and one bundle.

Times are medians over the images, of one process on one thread (NumPy's matrix products are held to
one as well); ratios are taken within the run. The static histogram that the mixture is held against
is the mixture's own marginal: EM leaves it equal to the training symbols' histogram.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import threadpoolctl
from rich.console import Console
from rich.table import Table

from device.encoder.encoder import Encoder
from host_decoder.decode.classifier import Classifier
from link.bundle.bundle import Bundle
from link.carriers.carrier import CarrierSettings, open_carrier
from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from link.coder.tables import Tables
from link.host.interface import Update
from link.medium.profiles import get_profile
from link.node.interface import SenderOptions
from link.node.packing import LATER_CHUNK_OVERHEAD_BYTES
from link.output.results import OWN, write_result
from link.wire.framing import frame
from link.wire.packet import split
from tests.studies.command import add_results, bundle_of_one, command
from tests.worlds.ends import OutboxNode, host_end
from tests.worlds.replaying_node import memory_of

NODE_PARTS = ("preprocess", "model", "coder", "outbox", "packet")
GOODPUT = {"serial-9600": 252, "lora-sf7": 222}
"Profile: bytes of the packets that saturate it."
GOODPUT_PACKETS = 12
N_REPLAYED = 40
PREFIX_BYTES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

Figures = dict[str, float]


def static_tables(tables: Tables) -> Tables:
    """The one table per latent that the mixture amounts to before anything is known."""
    marginals = [np.diff(tables.mixed(d, tables.prior)) for d in range(tables.n_latents)]
    return Tables.from_counts(tables.symbol_min, marginals)


def bench_coder(symbols: list[np.ndarray], tables: Tables) -> Figures:
    """Coded bits against the model's ideal, and the mixture against the static histogram, on the
    same symbols.
    """
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


def bench_node(
    images: np.ndarray, bundle: Bundle, folder: Path
) -> tuple[Figures, list[np.ndarray]]:
    """Pixels to framed packet, by part; the outbox is on the disk, as on a node. Also the
    symbols.
    """
    encoder, end = Encoder(bundle), OutboxNode(folder, bundle, SenderOptions(has_downlink=False))
    first_bytes, later_bytes = end.sender.chunk_bytes()
    symbols, ms = [], []
    for image in images:
        times = [time.perf_counter()]
        prepared = encoder.prepare(image)
        times.append(time.perf_counter())
        row = encoder.infer(prepared)
        times.append(time.perf_counter())
        bitstream = latent_coder.encode(row, bundle.tables)
        times.append(time.perf_counter())
        end.put(*split(bitstream, first_bytes, later_bytes))
        times.append(time.perf_counter())
        while outgoing := end.sender.next_packet(0.0):
            frame(outgoing.packet)
            end.sender.transmitted(0.0)
        times.append(time.perf_counter())
        symbols.append(row)
        ms.append(np.diff(times) * 1000)
    parts = np.median(ms, axis=0)
    figures = {
        "node_ms_per_image": float(np.median(np.sum(ms, axis=1))),
        **{f"node_{part}_ms": value for part, value in zip(NODE_PARTS, parts, strict=True)},
    }
    return figures, symbols


def bench_process(images: np.ndarray, bundle: Bundle, folder: Path) -> Figures:
    """What the node's own process holds, as a person starts it."""
    start = (sys.executable, "-m", "latentlink")
    resident_mb, peak_mb = memory_of(start, folder, bundle.path, images)
    return {"node_resident_mb": resident_mb, "node_peak_mb": peak_mb}


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
    """Accuracy when only the first bytes of each bitstream have arrived; what is missing is filled
    by expectation.
    """
    classify = Classifier.of(bundle)
    bitstreams = [latent_coder.encode(row, bundle.tables) for row in symbols]
    figures = {}
    for n_bytes in PREFIX_BYTES:
        whole = [len(bitstream) <= n_bytes for bitstream in bitstreams]
        latents = decode_bulk(
            [bitstream[:n_bytes] for bitstream in bitstreams], bundle.tables, whole
        )
        correct = classify(latents.symbols).argmax(1) == labels
        figures[f"accuracy_after_{n_bytes}_bytes"] = correct.mean()
    return figures


def bench_packets(symbols: list[np.ndarray], bundle: Bundle, folder: Path) -> Figures:
    """Both ends of the link in one process, every image acknowledged: bytes around a one-packet
    image, CPU time.

    What arrives is decoded to prove that it is whole, outside the time. The first packet carries
    the node's salt.
    """
    end, host = OutboxNode(folder, bundle, SenderOptions(status_every=0)), host_end(bundle)
    first_bytes, later_bytes = end.sender.chunk_bytes()
    around_packet, around_frame, cpu_s = set(), set(), 0.0
    now_s = 0.0
    for row in symbols:
        end.put(*split(latent_coder.encode(row, bundle.tables), first_bytes, later_bytes))
        began_s = time.process_time()
        outgoing = end.sender.next_packet(now_s)
        assert outgoing is not None
        end.sender.transmitted(now_s := now_s + outgoing.airtime_s)
        [update] = host.receive(outgoing.packet, now_s)
        assert isinstance(update, Update), update
        host.confirm(update.node, update.counter)
        while downlink := host.next_packet(now_s := now_s + end.timing.turnaround_s):
            host.transmitted(now_s := now_s + downlink.airtime_s)
            end.sender.receive(downlink.packet, now_s)
        cpu_s += time.process_time() - began_s
        arrived = latent_coder.decode(update.chunk.bitstream, bundle.tables).symbols
        np.testing.assert_array_equal(
            arrived, bundle.tables.symbol_min + bundle.tables.indices(row)
        )
        around_packet.add(len(outgoing.packet) - len(update.bitstream))
        around_frame.add(len(frame(outgoing.packet)) - len(update.bitstream))
    assert end.outbox.n_images == 0
    return {
        "packet_overhead_bytes": min(around_packet),
        "first_packet_overhead_bytes": max(around_packet),
        "stream_overhead_bytes": min(around_frame),
        "packet_with_report_cpu_us": 1e6 * cpu_s / len(symbols),
    }


def bench_link(name: str, packet_bytes: int) -> float:
    """Bitstream bytes per second through a real emulated line, over what the line carries of raw
    bytes.
    """
    profile = get_profile(name)
    packets = [bytes([number]) * packet_bytes for number in range(1, GOODPUT_PACKETS + 1)]
    emulator = [sys.executable, "-m", "link", "emulate", "--link", profile.name]
    with subprocess.Popen(emulator, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ends = json.loads(process.stdout.readline())
            with (
                closing(open_carrier(CarrierSettings(profile, ends["a"]))) as node,
                closing(open_carrier(CarrierSettings(profile, ends["b"]))) as host,
            ):
                started_s = time.monotonic()
                for packet in packets:
                    node.send(packet)
                arrived: list[bytes] = []
                while len(arrived) < len(packets) and time.monotonic() < started_s + 30:
                    arrived += [received.packet for received in host.receive(0.05)]
                elapsed_s = time.monotonic() - started_s
        finally:
            process.terminate()
            process.communicate()  # its statistics
    assert arrived == packets, f"{len(arrived)} of {len(packets)} packets arrived"
    raw_s = profile.medium.airtime_s(packet_bytes) * len(packets)
    return raw_s / elapsed_s * (packet_bytes - LATER_CHUNK_OVERHEAD_BYTES) / packet_bytes


WORDS = {
    "coder_overhead_bits_mean": "bits over the ideal code, mean",
    "coder_overhead_bits_max": "bits over the ideal code, most",
    "static_bits_per_image": "bits an image by static histograms",
    "mixture_bits_per_image": "bits an image by the bundle's tables",
    "mixture_to_static_ratio": "the latter over the former",
    "bitstream_bytes_max": "longest bitstream, bytes",
    "packet_overhead_bytes": "bytes around an image of one packet",
    "first_packet_overhead_bytes": "the same of a session's first packet",
    "stream_overhead_bytes": "the same with the frame of a serial line",
    "packet_with_report_cpu_us": "processor time of a packet and its report, both ends, µs",
    "node_ms_per_image": "an image from pixels to packet, ms",
    "node_preprocess_ms": "of that, making the model's input",
    "node_model_ms": "of that, the int8 encoder",
    "node_coder_ms": "of that, the arithmetic coder",
    "node_outbox_ms": "of that, the outbox on the disk",
    "node_packet_ms": "of that, sealing and framing",
    "node_resident_mb": "memory of a node's whole process while it sends, MB",
    "node_peak_mb": "the most that it ever held, MB",
    "host_images_per_s": "images decoded a second, one by one",
    "host_batch_images_per_s": "images decoded a second, all at once",
}


def in_words(name: str) -> str:
    """What a figure is, for a person; files keep the names."""
    if name.startswith("accuracy_after_"):
        return f"accuracy from the first {name.split('_')[2]} bytes of each image"
    if name.startswith("goodput_ratio_"):
        return f"share of {name.removeprefix('goodput_ratio_')} that carries bitstream"
    return WORDS[name]


def all_figures(
    bundle: Bundle, images: np.ndarray, labels: np.ndarray, folder: Path
) -> Iterator[tuple[str, Figures]]:
    node, symbols = bench_node(images, bundle, fresh(folder / "node"))
    yield "coder", bench_coder(symbols, bundle.tables)
    yield "prefix", bench_prefixes(symbols, labels, bundle)
    yield "packets", bench_packets(symbols, bundle, fresh(folder / "packets"))
    yield "node", node | bench_process(images[:N_REPLAYED], bundle, fresh(folder / "process"))
    yield "host", bench_host(symbols, bundle)
    for name, packet_bytes in GOODPUT.items():
        yield "link", {f"goodput_ratio_{name}": bench_link(name, packet_bytes)}


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--bundle", type=Path, required=True, help="what is measured")
    top.add_argument("--replay", type=Path, required=True, help="its images")
    top.add_argument("--images", type=int, help="only the first so many of the replay file")
    top.add_argument("--study", default="bench", help="name of the results file")
    add_results(top, OWN)
    return top


def main(options: argparse.Namespace) -> None:
    bundle = bundle_of_one(options.bundle)
    with np.load(options.replay, allow_pickle=False) as replay:
        images, labels = replay["images"][: options.images], replay["labels"][: options.images]
    table = Table("part", "figure", "value", title=f"{len(images)} images, bundle {options.bundle}")
    figures: Figures = {}
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for part, measured in all_figures(bundle, images, labels, Path(folder)):
            figures |= measured
            for name, value in measured.items():
                table.add_row(part, in_words(name), f"{value:.4g}")
    Console().print(table)
    extra = {"bundle": bundle.id.hex(), "images": len(images)}
    print(
        write_result(options.study, figures, command=command(), extra=extra, folder=options.results)
    )
