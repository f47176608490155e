"""The node's loop: capture, encode, send, again."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from device.config import ConfigError, NodeConfig
from device.encoder import Encoder
from device.image_source import Capture, Image, UnreadableImageError, open_source
from device.transmitter import Frame, Transmitter
from link import latent_coder
from link.bundle import Bundle
from link.keys import CounterStore, NodeKey, read_key
from link.uplink import UplinkSender


@dataclass(frozen=True, eq=False)
class Outgoing:
    """One image, ready to leave."""

    number: int
    image: Image
    first_counter: int
    "Of its first packet; the others follow it."
    bitstream_bytes: int
    frames: list[Frame]
    ms: dict[str, float]
    "Time of this process: preprocess, model, coder (with seal and framing)."


def run(config: NodeConfig, report: Callable[[Outgoing], None], is_patient: bool = True) -> int:
    """Send the images of the source until it ends or Ctrl-C; each is reported before its first byte leaves.

    Returns how many were sent.
    """
    bundle = Bundle.load(config.bundle, side="node")
    key = _read_own_key(config)
    n_sent = 0
    with CounterStore(config.key_dir) as counters, Transmitter(config.link, is_patient) as line:
        source = open_source(config.source, bundle.image)
        packer = Packer(bundle, key, counters, line)
        try:
            for image in _captured(source, line, config.source.interval_s):
                outgoing = packer.pack(image, number=n_sent)
                report(outgoing)
                line.send(outgoing.frames)
                n_sent += 1
        except KeyboardInterrupt:
            pass
    return n_sent


class Packer:
    """From pixels to the frames that leave."""

    def __init__(self, bundle: Bundle, key: NodeKey, counters: CounterStore, line: Transmitter) -> None:
        self._encoder = Encoder(bundle)
        self._tables = bundle.tables
        self._counters = _NotedCounters(counters)
        self._sender = UplinkSender(
            key.node, key.key, bundle.id, bundle.tables, self._counters, line.link.max_packet_bytes
        )
        self._line = line

    def pack(self, image: Image, number: int) -> Outgoing:
        watch = _Stopwatch()
        pixels = self._encoder.prepare(image.pixels)
        watch.lap("preprocess")
        symbols = self._encoder.infer(pixels)
        watch.lap("model")
        bitstream = latent_coder.encode(symbols, self._tables)
        packets = self._sender.packets_of(bitstream, number, age_s=time.monotonic() - image.captured_s)
        frames = self._line.frames(packets)
        watch.lap("coder")
        first_counter = self._counters.latest - len(packets) + 1
        return Outgoing(number, image, first_counter, len(bitstream), frames, watch.ms)


def _captured(source: Iterator[Capture], line: Transmitter, interval_s: float) -> Iterator[Image]:
    """The images of a source, each taken when the line can carry it and the interval is over."""
    due_s = time.monotonic()
    for capture in source:
        line.wait_for_turn()
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s = time.monotonic() + interval_s
        try:
            yield capture()
        except UnreadableImageError as error:
            print(f"device: {error}", file=sys.stderr, flush=True)


def _read_own_key(config: NodeConfig) -> NodeKey:
    key = read_key(config.key_dir)
    if key.node != config.node:
        raise ConfigError(
            f"node is {config.node}, {config.key_dir} is for node {key.node}: give each node its own key_dir"
        )
    return key


class _NotedCounters:
    """The node's counters, remembering the latest."""

    def __init__(self, counters: CounterStore) -> None:
        self._counters = counters
        self.latest = -1

    def next(self) -> int:
        self.latest = self._counters.next()
        return self.latest


class _Stopwatch:
    """Milliseconds by what they were spent on."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._lap_began_s = time.perf_counter()

    def lap(self, part: str) -> None:
        now_s = time.perf_counter()
        self.ms[part] = 1000 * (now_s - self._lap_began_s)
        self._lap_began_s = now_s
