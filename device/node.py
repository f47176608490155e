"""The node's loop: capture, encode, send, again."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from device.config import ConfigError, NodeConfig
from device.encoder import Encoder
from device.image_source import Image, UnreadableImageError, open_source
from device.transmitter import Frame, Transmitter
from link import latent_coder
from link.bundle import Bundle
from link.keys import CounterStore, read_key
from link.uplink import UplinkSender


@dataclass(frozen=True, eq=False)
class ImageReport:
    """One image that is about to leave."""

    number: int
    image: Image
    first_counter: int
    bitstream_bytes: int
    frames: list[Frame]
    ms: dict[str, float]
    "Time of this process: preprocess, model, coder (with seal and framing)."


def run(config: NodeConfig, report: Callable[[ImageReport], None], is_patient: bool = True) -> int:
    """Send the images of the source until it ends or Ctrl-C; returns how many were sent."""
    bundle = Bundle.load(config.bundle, side="node")
    key = read_key(config.key_dir)
    if key.node != config.node:
        raise ConfigError(
            f"node is {config.node}, {config.key_dir} holds the key of node {key.node}: use its own key_dir"
        )
    n_sent = 0
    with CounterStore(config.key_dir) as store, Transmitter(config.link, is_patient) as line:
        counters = _NotedCounters(store)
        sender = UplinkSender(config.node, key.key, bundle.id, bundle.tables, counters, config.link.max_packet_bytes)
        source = open_source(config.source, bundle.image)
        encoder = Encoder(bundle)
        next_capture_s = time.monotonic()
        try:
            for number, capture in enumerate(source):
                line.wait_for_turn()
                time.sleep(max(0.0, next_capture_s - time.monotonic()))
                next_capture_s = time.monotonic() + config.source.interval_s
                try:
                    image = capture()
                except UnreadableImageError as error:
                    print(f"device: {error}", file=sys.stderr, flush=True)
                    continue
                watch = _Stopwatch()
                with watch.of("preprocess"):
                    pixels = encoder.prepare(image.pixels)
                with watch.of("model"):
                    symbols = encoder.infer(pixels)
                with watch.of("coder"):
                    bitstream = latent_coder.encode(symbols, bundle.tables)
                    packets = sender.packets_of(bitstream, number, time.monotonic() - image.captured_s)
                    frames = line.frames(packets)
                first_counter = counters.latest - len(packets) + 1
                report(ImageReport(number, image, first_counter, len(bitstream), frames, watch.ms))
                line.send(frames)
                n_sent += 1
        except KeyboardInterrupt:
            pass
    return n_sent


class _NotedCounters:
    """The node's counters, remembering the latest for the report."""

    def __init__(self, store: CounterStore) -> None:
        self._store = store
        self.latest = -1

    def next(self) -> int:
        self.latest = self._store.next()
        return self.latest


class _Stopwatch:
    """Milliseconds by what they were spent on."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.ms[part] = 1000 * (time.perf_counter() - started_s)
