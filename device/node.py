"""The node's loop: capture, encode, queue; send what the channel allows; hear what the host says.

One thread, in which nothing waits long: camera and port are opened, and the camera is read, in
threads of their own. An image is safe in the outbox before the console tells of it; what the link
makes of the queue is the sender's affair (link.node.sender), and this file brings it a clock and a
radio.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial

from device.capture.capturing import STUCK_AFTER_S, Capturing, OpenSource
from device.capture.gate import Gate
from device.capture.image_source import (
    Image,
    SourceAwayError,
    SourceError,
    UnreadableImageError,
    open_source,
)
from device.config import NodeConfig
from device.console import Captured, Console
from device.encoder.encoder import EncoderError
from device.encoder.loading import Loaded
from device.encoder.trial import Installed, Trial
from device.ending import Ending
from device.outbox.queues import Queue, Turns, open_queues
from device.radio import Radio
from device.safe_mode import SafeMode
from device.state_dir import StateDir
from device.unit.notify import Notifier
from link.base import Pause, boot_s
from link.bundle import BundleError, ImageSpec
from link.carriers import Carrier, CarrierSettings, DoesNotFit, NotSentError, open_carrier
from link.lorawan.node import LoRaWanSender
from link.medium import LinkTiming, LoRaConfig, governor_for
from link.node import (
    Acknowledged,
    Equipment,
    Identity,
    NodeEnd,
    Outgoing,
    Rejected,
    Sender,
    SenderOptions,
    TimeHeard,
)
from link.security import CounterStore, read_master_key
from link.wire import split

LEDGER_FILE = "airtime.json"
RECHARGE_S = 10.0
"A packet that waited longer for its port is sent at a time of which the ledger does not know."
IDLE_S = 1.0
"Longest sleep: a clock that jumps or a port that comes back is noticed within it."
FIRST_OFFER_S, LONGEST_OFFER_S = 1.0, 10.0
PORT_PATIENCE_S = 30.0
"A port that takes nothing for longer is as good as away, also if it can be opened."
MAX_UNREADABLE = 1000
"Images of which it is remembered that the person knows."
UNFIT_TOLD_S = 3600.0
"A packet that does not fit is told of once an hour."
BUSY_POLL_S = 0.05
"Longest sleep while an image is being taken."


def run(
    config: NodeConfig,
    console: Console,
    is_patient: bool = True,
    safe_mode: SafeMode | None = None,
    on_proved: Callable[[], None] | None = None,
) -> int:
    """Until the source has ended and the outbox is empty, or Ctrl-C; returns the number of images
    captured.

    An impatient node raises PortError when its port vanishes. `on_proved` is called once, when the
    settings have shown that they work: the host answered, or a packet left where nobody answers. In
    safe mode neither source nor bundle is touched.
    """
    key = read_master_key(config.key_dir)
    notifier = Notifier()
    loaded, trial = None, None
    with CounterStore(config.key_dir, config.node) as counters, ExitStack() as stack:
        stack.enter_context(StateDir(config))
        if safe_mode is None:
            installed = stack.enter_context(Installed(config))
            try:
                loaded, trial = installed.choose(console.notice)
            # one that fails later may do better at a new start; this one will not
            except EncoderError as error:
                raise BundleError(str(error)) from None
            stack.enter_context(Ending(installed.excuse))
        else:
            stack.enter_context(Ending())
            console.notice(safe_mode.notice)
        radio = Radio(
            partial(_open_carrier, config),
            console.notice,
            is_patient,
            waits_for_first=notifier.is_heard,
        )
        stack.enter_context(radio)
        bundle_id = loaded.bundle.id if loaded else None
        queues = [stack.enter_context(closing(queue)) for queue in open_queues(config, bundle_id)]
        node = Node(
            config, loaded, trial, key, counters, queues, radio, console, safe_mode, on_proved
        )
        for notice in (
            loaded.encoder.notice if loaded else None,
            counters.notice,
            *(queue.outbox.notice for queue in queues),
            node.ledger_notice,
        ):
            if notice:
                console.notice(notice)
        if safe_mode is not None:
            notifier.status(f"safe mode: {safe_mode.fault}")
        with suppress(KeyboardInterrupt):
            node.run(notifier)
        notifier.stopping()
        return node.n_images


class Node:
    """Everything of one running node but its files and its port."""

    def __init__(
        self,
        config: NodeConfig,
        loaded: Loaded | None,
        trial: Trial | None,
        key: bytes,
        counters: CounterStore,
        queues: Sequence[Queue],
        radio: Radio,
        console: Console,
        safe_mode: SafeMode | None = None,
        on_proved: Callable[[], None] | None = None,
    ) -> None:
        """Images are put into the last of the queues; those before it are sent first where the host
        takes them.
        """
        link = config.link
        self._interval_s = config.source.interval_s
        self._hours = config.source.hours
        self._gate = (
            Gate(config.source.gate_threshold, config.source.heartbeat_s)
            if config.source.gate
            else None
        )
        self._n_unchanged = 0
        self._loaded = loaded
        self._trial = trial
        self._outbox = queues[-1].outbox
        self._counters = counters
        self._radio = radio
        self._console = console
        self._safe_mode = safe_mode
        self._on_proved = on_proved
        self._is_answered = link.has_downlink
        self._timing = LinkTiming(link.profile, link.profile.turnaround_s)
        ledger = config.state_dir / LEDGER_FILE
        self._governor = governor_for(link.region, link.frequency_hz, link.profile, ledger)
        self._fault = safe_mode.fault if safe_mode else None
        "What the host is told keeps the node from its work."
        self._turns = Turns(queues, partial(self._new_sender, config, key), console.notice)
        sizes = link.first_chunk_bytes, link.chunk_bytes
        self._chunk_bytes = self._turns.sender.chunk_bytes(*sizes), self._turns.sender.chunk_bytes()
        "Of first and later pieces: as the settings want them, and as long as packets take."
        self._capturing: Capturing | None = None
        self._source_error: SourceError | None = None
        if loaded is not None:
            self._capturing = Capturing(_opener(config, loaded.bundle.image), config.source.limit)
            self._capturing.open(boot_s())
        self._capture_due_s = boot_s()
        self._outgoing: Outgoing | None = None
        "The packet that is on the air, or waits for the port to come back."
        self._on_air_until_s: float | None = None
        self._charged_s = 0.0
        "When its airtime was entered in the ledger."
        self._silent_because: str | None = None
        self._unfit_told_s = -math.inf
        self._offers = Pause(FIRST_OFFER_S, LONGEST_OFFER_S)
        self._offer_s = -math.inf
        "A packet that could not leave is offered again from then on."
        self._unwell_from_s = math.inf
        "Unless something leaves before."
        self._unreadable: set[str] = set()
        "Sentences on images that cannot be read: each is said once."
        self.n_images = 0

    def _new_sender(
        self, config: NodeConfig, key: bytes, queue: Queue, is_earlier: bool
    ) -> NodeEnd:
        link = config.link
        identity = Identity(config.node, queue.bundle_id, key)
        equipment = Equipment(self._counters, queue.outbox, self._governor, self._timing)
        if link.lorawan:
            return LoRaWanSender(identity, equipment, self._fault)
        options = SenderOptions(
            has_downlink=link.has_downlink,
            parity=link.parity,
            max_packet_bytes=link.max_packet_bytes,
            wants_time=link.wants_time and any(queue.bundle_id),  # a HELLO names the bundle
            wants_slot=link.wants_slot and any(queue.bundle_id),
            fault=self._fault,
            greets=is_earlier,
        )
        return Sender(identity, equipment, options)

    def run(self, notifier: Notifier) -> None:
        """Until the source has ended and nothing waits; the watchdog hears of every turn in which
        all goes on.
        """
        is_ready = False
        while not self._is_done:
            now_s = boot_s()
            self._end_transmission(now_s)
            self._capture(now_s)
            self._look_after_source(now_s)
            self._transmit(boot_s())
            self._listen()
            if self._is_well(boot_s()):
                if not is_ready:
                    notifier.ready()
                    is_ready = True
                notifier.worked()
            elif self._trial is not None:
                self._trial.excuse()
        if self._source_error is not None:
            raise self._source_error

    def _is_well(self, now_s: float) -> bool:
        """Whether packets leave and images come, as far as a new start could help that."""
        is_stuck = self._capturing is not None and self._capturing.is_stuck(now_s)
        return self._radio.is_open and not is_stuck and now_s < self._unwell_from_s

    @property
    def ledger_notice(self) -> str | None:
        return self._governor.ledger.notice

    @property
    def _sender(self) -> NodeEnd:
        return self._turns.sender

    @property
    def _is_done(self) -> bool:
        if self._safe_mode is not None:
            return self._safe_mode.is_over
        return self._capturing is None and self._outgoing is None and not self._turns.n_images

    def _is_capture_due(self, now_s: float) -> bool:
        """At the interval's end; without one when the line can soon carry the image, since one that
        waits only ages.
        """
        if self._capturing is None or self._capturing.is_busy or now_s < self._next_capture_s:
            return False
        if (wait_s := self._closed_for_s(now_s)) > 0:
            self._capture_due_s = now_s + wait_s
            return False
        return self._interval_s > 0 or (self._turns.is_own and self._sender.wants_image(now_s))

    @property
    def _next_capture_s(self) -> float:
        return max(self._capture_due_s, self._capturing.due_s if self._capturing else math.inf)

    def _capture(self, now_s: float) -> None:
        """Ask for an image if one is due, and queue what the source gives."""
        if self._capturing is None:
            return
        if self._is_capture_due(now_s):
            self._capturing.ask(now_s)
        was_well = not self._capturing.has_failed
        try:
            outcome = self._capturing.take(now_s)
            if outcome == "ended":
                self._end_source()
            elif isinstance(outcome, SourceAwayError):
                if was_well:
                    self._console.notice(f"{outcome}; it is tried again")
            elif isinstance(outcome, UnreadableImageError):
                raise outcome
            elif isinstance(outcome, Image):
                self._keep(outcome)
        except SourceError as error:
            self._end_source(error)
        except UnreadableImageError as error:
            self._capture_due_s = max(now_s, self._capture_due_s + self._interval_s)
            if (sentence := str(error)) not in self._unreadable:
                self._console.notice(sentence)
            self._unreadable = (
                {*self._unreadable, sentence}
                if len(self._unreadable) < MAX_UNREADABLE
                else {sentence}
            )

    def _keep(self, image: Image) -> None:
        """An image was captured: into the queue with it if it shows something new."""
        self._capture_due_s = max(boot_s(), self._capture_due_s + self._interval_s)
        if not self._is_news(image):
            return
        captured = self._queue(image)
        self.n_images += 1
        self._console.image(captured)
        if self._trial is not None:
            self._trial.image_queued()

    def _look_after_source(self, now_s: float) -> None:
        """Tell person and host what keeps images from coming, and when they come again."""
        if self._capturing is None:
            return
        fault = self._capturing.fault(now_s)
        if fault == self._fault:
            return
        self._fault = fault
        self._sender.tell(fault)
        self._console.notice(f"{fault}; the host is told" if fault else "images come again")

    def _closed_for_s(self, now_s: float) -> float:
        """How long until the hours of capture begin; 0 within them, or while nobody has told the
        time.
        """
        offset_s = self._sender.unix_offset_s
        return (
            0.0 if self._hours is None or offset_s is None else self._hours.wait_s(now_s + offset_s)
        )

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
        """No image comes any more. What waits is sent all the same, and only then the node ends
        with the error.
        """
        self._capturing = None
        self._source_error = error
        self._sender.flush()
        if error is not None and self._outbox.n_images:
            self._console.notice(f"{error}; {self._outbox.n_images} images wait and are sent first")

    def _queue(self, image: Image) -> Captured:
        assert self._loaded is not None, "without a bundle nothing is captured"
        encoded = self._loaded.encode(image.pixels)
        began_s = time.perf_counter()
        captured_s = boot_s() - (time.monotonic() - image.captured_s)
        n_chunks, image_id = self._put(encoded.bitstream, captured_s)
        put_ms = 1000 * (time.perf_counter() - began_s)
        ms = encoded.ms | {"coder": encoded.ms["coder"] + put_ms}
        return Captured(image, image_id, len(encoded.bitstream), n_chunks, ms)

    def _put(self, bitstream: bytes, captured_s: float) -> tuple[int, int]:
        """Into the outbox; in how many chunks, and the image's id."""
        pieces = self._cut(bitstream)
        image_id = self._counters.next()
        offset_s = self._sender.unix_offset_s
        self._outbox.put(
            image_id, pieces, captured_s, None if offset_s is None else captured_s + offset_s
        )
        return len(pieces), image_id

    def _cut(self, bitstream: bytes) -> list[bytes]:
        """As the settings want it; where that is too many chunks, into pieces as long as packets
        take.
        """
        wanted, longest = self._chunk_bytes
        try:
            with suppress(ValueError):
                return split(bitstream, *wanted)
            return split(bitstream, *longest)
        except ValueError as error:
            raise UnreadableImageError(f"an image is left out: {error}") from None

    def _transmit(self, now_s: float) -> None:
        """Send the next packet if there is one and nothing is on the air."""
        if self._on_air_until_s is not None:
            return
        if self._outgoing is None:
            if not self._turns.is_own and not self._turns.current.outbox.n_images:
                self._sender.flush()
            self._outgoing = self._sender.next_packet(now_s)
            self._tell_silence()
            if self._outgoing is None:
                self._turns.move_on(now_s)
                return
            self._charged_s = now_s
            self._console.packet(
                self._outgoing, self._timing.wire_bytes(len(self._outgoing.packet))
            )
        elif now_s < self._offer_s or not self._is_charged(self._outgoing, now_s):
            return
        start_s, was_open = boot_s(), self._radio.is_open
        try:
            has_left = self._radio.send(self._outgoing.packet)
        except DoesNotFit as error:
            self._send_less(error)
            return
        except NotSentError as error:
            self._send_later(error)
            return
        if has_left:
            self._unwell_from_s = math.inf
            self._offers.worked()
            self._on_air_until_s = max(boot_s(), start_s + self._outgoing.airtime_s)
            self._governor.left(self._on_air_until_s)
            # a modem has sent it by now, and may have the answer already
            self._end_transmission(boot_s())
            return
        self._unwell_from_s = min(self._unwell_from_s, boot_s() + PORT_PATIENCE_S)
        if was_open:
            self._charged_s = -math.inf  # it may have been on the air when the port failed

    def _send_less(self, error: DoesNotFit) -> None:
        """The modem does not take this packet at present, but may take a shorter one."""
        self._outgoing = None
        self._unwell_from_s = math.inf
        self._sender.does_not_fit(boot_s(), error.max_packet_bytes)
        if boot_s() >= self._unfit_told_s + UNFIT_TOLD_S:
            self._unfit_told_s = boot_s()
            self._console.notice(f"{error}; something shorter is sent first")

    def _send_later(self, error: NotSentError) -> None:
        """It is kept, and offered again after a moment."""
        assert self._outgoing is not None
        self._governor.take_back(self._outgoing.airtime_s)
        self._charged_s = -math.inf
        self._offer_s = boot_s() + self._offers.failed()
        if self._unwell_from_s == math.inf:
            self._unwell_from_s = boot_s() + STUCK_AFTER_S
            self._console.notice(f"{error}; what is to be sent is kept")

    def _is_charged(self, outgoing: Outgoing, now_s: float) -> bool:
        """Whether a packet that waited for its port may leave: after a while its airtime is charged
        anew.
        """
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
        if self._capturing is not None:
            if self._capturing.is_busy:
                due_s.append(now_s + BUSY_POLL_S)
            elif self._interval_s > 0:
                due_s.append(self._next_capture_s)
        for received in self._radio.receive(max(0.0, min(due_s) - now_s)):
            self._hear(received.packet)

    def _hear(self, packet: bytes) -> None:
        heard = self._sender.receive(packet, boot_s())
        if heard is not None and not isinstance(heard, Rejected):
            self._prove()
        if isinstance(heard, Acknowledged):
            self._console.heard(heard, self._governor.budget_s(boot_s()))
        elif isinstance(heard, TimeHeard):
            self._set_clock(heard)

    def _set_clock(self, heard: TimeHeard) -> None:
        """Date what waits; and begin the hours of capture anew, by the new time."""
        if (offset_s := self._sender.unix_offset_s) is not None:
            self._outbox.date_images(offset_s)
        if heard.is_news:
            if self._hours is not None:
                self._capture_due_s = min(self._capture_due_s, boot_s() + self._interval_s)
            self._console.notice(
                f"the host's clock says {time.strftime('%F %T', time.gmtime(heard.unix_s))} UTC"
            )

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


def _opener(config: NodeConfig, spec: ImageSpec) -> OpenSource:
    return lambda limit: open_source(replace(config.source, limit=limit), spec, config.state_dir)


def _open_carrier(config: NodeConfig) -> Carrier:
    link = config.link
    if link.lorawan:
        from link.lorawan.node import MacSettings, Rn2483Mac

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
    return open_carrier(
        settings if link.power_dbm is None else replace(settings, power_dbm=link.power_dbm)
    )
