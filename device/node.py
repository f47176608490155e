"""The node's loop: capture, encode, queue; send what the channel allows; hear what the host says.

One thread. An image is safe in the outbox before the console tells of it; what the link makes of the queue is the
sender's affair (link.sender), and this file brings it a clock and a radio.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from device.config import NodeConfig
from device.console import Console
from device.gate import Gate
from device.image_source import Capture, Image, SourceError, UnreadableImageError, open_source
from device.outbox import Outbox, open_outbox
from device.radio import Radio
from device.safe_mode import SafeMode
from device.slots import Loaded, Slots, Trial
from device.unit.notify import Notifier
from link import latent_coder
from link.airtime import LoRaConfig
from link.bundle import ID_BYTES
from link.carrier import Carrier, CarrierSettings, open_carrier
from link.clock import boot_id, boot_s
from link.governor import Governor
from link.keys import CounterStore, read_master_key
from link.lorawan_sender import LoRaWanOptions, LoRaWanSender
from link.packet import split
from link.regions import governor_for
from link.sender import Acknowledged, Outgoing, Refused, Sender, SenderOptions, TimeHeard
from link.timing import LinkTiming

OUTBOX_FILE = "outbox-{}.sqlite"
"By the id of the bundle that made what waits in it: a packet is sealed for one bundle."
LEDGER_FILE = "airtime.json"
RECHARGE_S = 10.0
"A packet that waited longer for its port is sent at a time of which the ledger does not know."
IDLE_S = 1.0
"Longest sleep: a clock that jumps or a port that comes back is noticed within it."


@dataclass(frozen=True, eq=False)
class Captured:
    """One image, encoded and safe in the outbox."""

    image: Image
    id: int
    bitstream_bytes: int
    n_chunks: int
    ms: dict[str, float]
    "Time of this process: preprocess, model, coder (with the outbox)."


def run(
    config: NodeConfig,
    console: Console,
    is_patient: bool = True,
    safe_mode: SafeMode | None = None,
    on_proved: Callable[[], None] | None = None,
) -> int:
    """Until the source has ended and the outbox is empty, or Ctrl-C; returns the number of images captured.

    An impatient node raises PortError when its port vanishes. `on_proved` is called once, when the settings have shown
    that they work: the host answered, or a packet left where nobody answers.
    """
    key = read_master_key(config.key_dir)
    config.state_dir.mkdir(parents=True, exist_ok=True)
    with CounterStore(config.key_dir, config.node) as counters, ExitStack() as stack:
        loaded, trial = stack.enter_context(Slots(config)).choose(console.notice)
        radio = stack.enter_context(Radio(partial(_open_carrier, config), console.notice, is_patient))
        queues = [stack.enter_context(closing(queue)) for queue in open_queues(config, loaded.bundle.id)]
        node = Node(config, loaded, trial, key, counters, queues, radio, console, safe_mode, on_proved)
        for notice in (
            loaded.encoder.notice,
            counters.notice,
            *(queue.outbox.notice for queue in queues),
            node.ledger_notice,
        ):
            if notice:
                console.notice(notice)
        notifier = Notifier()
        notifier.ready()
        if safe_mode is not None:
            notifier.status(f"safe mode: {safe_mode.fault}")
        with suppress(KeyboardInterrupt):
            node.run(notifier)
        notifier.stopping()
        return node.n_images


@dataclass(frozen=True)
class Queue:
    """Images of one bundle that wait."""

    bundle_id: bytes
    outbox: Outbox

    def close(self) -> None:
        self.outbox.close()


def open_queues(config: NodeConfig, bundle_id: bytes) -> list[Queue]:
    """What earlier bundles left, in the order in which they ended, and last the queue of this bundle."""

    def opened(one: bytes) -> Queue:
        path = config.state_dir / OUTBOX_FILE.format(one.hex())
        return Queue(one, open_outbox(path, config.max_queue_bytes, boot_id()))

    found = sorted(config.state_dir.glob(OUTBOX_FILE.format("?" * 2 * ID_BYTES)), key=lambda path: path.stat().st_mtime)
    names = [path.stem.partition("-")[2] for path in found]
    earlier = [opened(bytes.fromhex(name)) for name in names if name != bundle_id.hex()]
    return [*earlier, opened(bundle_id)]


class Node:
    """Everything of one running node but its files and its port."""

    def __init__(
        self,
        config: NodeConfig,
        loaded: Loaded,
        trial: Trial | None,
        key: bytes,
        counters: CounterStore,
        queues: Sequence[Queue],
        radio: Radio,
        console: Console,
        safe_mode: SafeMode | None = None,
        on_proved: Callable[[], None] | None = None,
    ) -> None:
        """Images are put into the last of the queues; those before it are sent first."""
        link, bundle = config.link, loaded.bundle
        self._interval_s, self._hours = config.source.interval_s, config.source.hours
        self._gate = Gate(config.source.gate_threshold, config.source.heartbeat_s) if config.source.gate else None
        self._n_unchanged = 0
        self._encoder, self._tables, self._trial = loaded.encoder, bundle.tables, trial
        self._queues, self._outbox = deque(queues), queues[-1].outbox
        self._counters, self._radio, self._console = counters, radio, console
        self._safe_mode, self._on_proved, self._is_answered = safe_mode, on_proved, link.has_feedback
        self._timing = LinkTiming(link.profile, link.profile.turnaround_s)
        ledger = config.state_dir / LEDGER_FILE
        self._governor = governor_for(link.region, link.frequency_hz, link.profile, ledger)
        fault = safe_mode.fault if safe_mode else None
        self._new_sender = partial(_sender, config, key, counters, self._governor, self._timing, fault)
        self._sender = self._new_sender(self._queues[0])
        self._first_bytes, self._later_bytes = self._sender.chunk_bytes(link.first_chunk_bytes, link.chunk_bytes)
        self._source: Iterator[Capture] | None = None
        self._source_error: SourceError | None = None
        try:
            if safe_mode is None:
                self._source = open_source(config.source, bundle.image)
        except SourceError as error:
            self._end_source(error)
        self._capture_due_s = boot_s()
        self._outgoing: Outgoing | None = None
        "The packet that is on the air, or waits for the port to come back."
        self._on_air_until_s: float | None = None
        self._charged_s = 0.0
        "When its airtime was entered in the ledger."
        self._silent_because: str | None = None
        self.n_images = 0

    def run(self, notifier: Notifier) -> None:
        """Until the source has ended and nothing waits; the watchdog hears of every turn in which something worked."""
        while not self._is_done:
            now_s = boot_s()
            self._end_transmission(now_s)
            is_well = self._capture() if self._is_capture_due(now_s) else True
            self._transmit(boot_s())
            self._listen()
            if is_well and self._radio.is_open:
                notifier.worked()
        if self._source_error is not None:
            raise self._source_error

    @property
    def ledger_notice(self) -> str | None:
        return self._governor.ledger.notice

    @property
    def _is_done(self) -> bool:
        if self._safe_mode is not None:
            return self._safe_mode.is_over
        waits = any(queue.outbox.n_images for queue in self._queues)
        return self._source is None and self._outgoing is None and not waits

    def _is_capture_due(self, now_s: float) -> bool:
        """At the interval's end; without one when the line can soon carry the image, since one that waits only ages."""
        if self._source is None or now_s < self._capture_due_s:
            return False
        if (wait_s := self._closed_for_s(now_s)) > 0:
            self._capture_due_s = now_s + wait_s
            return False
        return self._interval_s > 0 or (not self._has_earlier and self._sender.wants_image(now_s))

    def _capture(self) -> bool:
        """Whether there is an image more, or no more to come."""
        assert self._source is not None
        try:
            capture = next(self._source, None)
            if capture is None:
                self._end_source()
                return True
            self._capture_due_s = max(boot_s(), self._capture_due_s + self._interval_s)
            image = capture()
            if not self._is_news(image):
                return True
            captured = self._queue(image)
        except SourceError as error:
            self._end_source(error)
            return False
        except UnreadableImageError as error:
            self._console.notice(str(error))
            return False
        self.n_images += 1
        self._console.image(captured)
        if self._trial is not None:
            self._trial.image_queued()
        return True

    def _closed_for_s(self, now_s: float) -> float:
        """How long until the hours of capture begin; 0 within them, or while nobody has told the time."""
        offset_s = self._sender.unix_offset_s
        return 0.0 if self._hours is None or offset_s is None else self._hours.wait_s(now_s + offset_s)

    def _is_news(self, image: Image) -> bool:
        """Whether to send it. A bundle on trial has every image to encode."""
        if self._gate is None or (self._trial is not None and not self._trial.is_over):
            return True
        if self._gate.is_news(image.pixels, boot_s()):
            self._n_unchanged = 0
            return True
        self._n_unchanged += 1
        self._console.unchanged(self._n_unchanged)
        return False

    def _end_source(self, error: SourceError | None = None) -> None:
        """No image comes any more. What waits is sent all the same, and only then the node ends with the error."""
        self._source, self._source_error = None, error
        self._sender.flush()
        if error is not None and self._outbox.n_images:
            self._console.notice(f"{error}; {self._outbox.n_images} images wait and are sent first")

    def _queue(self, image: Image) -> Captured:
        watch = _Stopwatch()
        pixels = self._encoder.prepare(image.pixels)
        watch.lap("preprocess")
        symbols = self._encoder.infer(pixels)
        watch.lap("model")
        bitstream, n_chunks, image_id = self._put(symbols, boot_s() - (time.monotonic() - image.captured_s))
        watch.lap("coder")
        return Captured(image, image_id, len(bitstream), n_chunks, watch.ms)

    def _put(self, symbols: np.ndarray, captured_s: float) -> tuple[bytes, int, int]:
        bitstream = latent_coder.encode(symbols, self._tables)
        try:
            pieces = split(bitstream, self._first_bytes, self._later_bytes)
        except ValueError as error:
            raise UnreadableImageError(f"an image is left out: {error}") from None
        image_id = self._counters.next()
        offset_s = self._sender.unix_offset_s
        self._outbox.put(image_id, pieces, captured_s, None if offset_s is None else captured_s + offset_s)
        return bitstream, len(pieces), image_id

    def _transmit(self, now_s: float) -> None:
        """Send the next packet if there is one and nothing is on the air."""
        if self._on_air_until_s is not None:
            return
        if self._outgoing is None:
            if self._has_earlier and not self._queues[0].outbox.n_images:
                self._sender.flush()
            self._outgoing = self._sender.next_packet(now_s)
            self._tell_silence()
            if self._outgoing is None:
                self._end_queue()
                return
            self._charged_s = now_s
            self._console.packet(self._outgoing, self._timing.wire_bytes(len(self._outgoing.packet)))
        elif not self._is_charged(self._outgoing, now_s):
            return
        start_s, was_open = boot_s(), self._radio.is_open
        if self._radio.send(self._outgoing.packet):
            self._on_air_until_s = max(boot_s(), start_s + self._outgoing.airtime_s)
            self._end_transmission(boot_s())  # a modem has sent it by now, and may have the answer already
        elif was_open:
            self._charged_s = -math.inf  # it may have been on the air when the port failed

    @property
    def _has_earlier(self) -> bool:
        """Whether images of an earlier bundle are still being sent."""
        return len(self._queues) > 1

    def _end_queue(self) -> None:
        """What an earlier bundle left has arrived: go on with what was made after it."""
        if not self._has_earlier or self._queues[0].outbox.n_images:
            return
        ended = self._queues.popleft()
        ended.close()
        for path in ended.outbox.path.parent.glob(ended.outbox.path.name + "*"):
            path.unlink(missing_ok=True)
        unix_offset_s = self._sender.unix_offset_s
        self._sender = self._new_sender(self._queues[0])
        self._sender.unix_offset_s = unix_offset_s

    def _is_charged(self, outgoing: Outgoing, now_s: float) -> bool:
        """Whether a packet that waited for its port may leave: after a while its airtime is charged anew."""
        if now_s > self._charged_s + RECHARGE_S:
            if self._governor.start_s(outgoing.airtime_s, now_s) > now_s:
                return False
            self._governor.occupy(outgoing.airtime_s, now_s)
            self._charged_s = now_s
        return True

    def _end_transmission(self, now_s: float) -> None:
        if self._on_air_until_s is not None and now_s >= self._on_air_until_s:
            self._sender.transmitted(self._on_air_until_s)
            self._outgoing = self._on_air_until_s = None
            if not self._is_answered:
                self._prove()

    def _listen(self) -> None:
        """Until something is due, or something came."""
        now_s = boot_s()
        self._governor.keep_time(now_s)
        due_s = [now_s + IDLE_S]
        if self._on_air_until_s is not None:
            due_s.append(self._on_air_until_s)
        elif self._outgoing is None:
            due_s += [due for due in (self._sender.next_due_s(now_s),) if due is not None]
            if self._is_capture_due(now_s):
                due_s.append(now_s)
        if self._source is not None and self._interval_s > 0:
            due_s.append(self._capture_due_s)
        for received in self._radio.receive(max(0.0, min(due_s) - now_s)):
            self._hear(received.packet)

    def _hear(self, packet: bytes) -> None:
        heard = self._sender.receive(packet, boot_s())
        if heard is not None and not isinstance(heard, Refused):
            self._prove()
        if isinstance(heard, Acknowledged):
            self._console.heard(heard, self._governor.budget_s(boot_s()))
        elif isinstance(heard, TimeHeard):
            if (offset_s := self._sender.unix_offset_s) is not None:
                self._outbox.date_images(offset_s)
            self._console.notice(f"the host's clock says {time.strftime('%F %T', time.gmtime(heard.unix_s))} UTC")

    def _prove(self) -> None:
        """The settings work."""
        if self._on_proved is not None:
            on_proved, self._on_proved = self._on_proved, None
            on_proved()

    def _tell_silence(self) -> None:
        """Once for each reason that forbids the radio to speak."""
        reason = self._sender.silent_because
        if reason and reason != self._silent_because:
            self._console.notice(reason)
        self._silent_because = reason


def _sender(
    config: NodeConfig,
    key: bytes,
    counters: CounterStore,
    governor: Governor,
    timing: LinkTiming,
    fault: str | None,
    queue: Queue,
) -> Sender | LoRaWanSender:
    link = config.link
    if link.lorawan:
        network_options = LoRaWanOptions(fault=fault)
        return LoRaWanSender(config.node, queue.bundle_id, counters, queue.outbox, governor, timing, network_options)
    options = SenderOptions(
        has_downlink=link.has_feedback,
        parity=link.parity,
        max_packet_bytes=link.max_packet_bytes,
        wants_time=link.wants_time,
        wants_slot=link.wants_slot,
        fault=fault,
    )
    return Sender(config.node, key, queue.bundle_id, counters, queue.outbox, governor, timing, options)


def _open_carrier(config: NodeConfig) -> Carrier:
    link = config.link
    if link.lorawan:
        from link.carriers.rn2483_mac import MacSettings, Rn2483Mac

        medium = link.profile.medium
        assert isinstance(medium, LoRaConfig)
        return Rn2483Mac(
            MacSettings(
                link.port,
                config.node,
                link.lorawan.app_key,
                link.lorawan.join_eui,
                link.lorawan.dev_eui,
                medium.spreading_factor,
            )
        )
    settings = CarrierSettings(
        link.profile,
        link.port,
        bitrate_bps=link.bitrate_bps,
        frequency_hz=link.frequency_hz,
        peers=link.peers,
    )
    return open_carrier(settings if link.power_dbm is None else replace(settings, power_dbm=link.power_dbm))


class _Stopwatch:
    """Milliseconds by what they were spent on."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._lap_began_s = time.perf_counter()

    def lap(self, part: str) -> None:
        now_s = time.perf_counter()
        self.ms[part] = 1000 * (now_s - self._lap_began_s)
        self._lap_began_s = now_s
