"""The node's end of the link: its senders, its port, and the clock and the ledger for both.

What the link makes of the queues is the senders' affair (link.node.sender); here they take turns at
one port, and what the host says comes back to them.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress

from device.config import NodeConfig
from device.console import Console
from device.outbox.queues import Queue, Turns
from device.transmission import Transmission
from link.base import boot_s
from link.carriers import DoesNotFit, Reopening
from link.lorawan.node import LoRaWanSender
from link.medium import LinkTiming, governor_for
from link.node import (
    Acknowledged,
    Equipment,
    Identity,
    NodeEnd,
    Rejected,
    Sender,
    SenderOptions,
    TimeHeard,
)
from link.picture import UnreadableImageError
from link.security import CounterStore
from link.wire import split

LEDGER_FILE = "airtime.json"
UNFIT_TOLD_S = 3600.0
"A packet that does not fit is told of once an hour."


class LinkEnd:
    """Everything of one node that speaks and hears."""

    def __init__(
        self,
        config: NodeConfig,
        key: bytes,
        counters: CounterStore,
        queues: Sequence[Queue],
        port: Reopening,
        console: Console,
    ) -> None:
        """Images go into the last of the queues; earlier ones leave where the host takes them."""
        link = config.link
        self._config = config
        self._key = key
        self._counters = counters
        self._console = console
        self._timing = LinkTiming(link.profile, link.profile.turnaround_s)
        self.governor = governor_for(
            link.region, link.frequency_hz, link.profile, config.state_dir / LEDGER_FILE
        )
        self._transmission = Transmission(port, self.governor, console.notice)
        self._fault: str | None = None
        "What the host is told keeps the node from its work."
        self.turns = Turns(queues, self._new_sender, console.notice)
        sizes = link.first_chunk_bytes, link.chunk_bytes
        self._chunk_bytes = self._sender.chunk_bytes(*sizes), self._sender.chunk_bytes()
        "First and later pieces: as the settings want them, and as long as packets take."
        self._silent_because: str | None = None
        self._unfit_told_s = -math.inf
        self.newest_counter = -1
        "Counter of the packet that left last."
        self.is_proved = False
        "The settings work: the host answered, or a packet left where nobody answers."

    def _new_sender(self, queue: Queue, is_earlier: bool) -> NodeEnd:
        config, link = self._config, self._config.link
        identity = Identity(config.node, queue.bundle_id, self._key)
        equipment = Equipment(self._counters, queue.outbox, self.governor, self._timing)
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
            keeps_ids=config.team is not None,
        )
        return Sender(identity, equipment, options)

    @property
    def _sender(self) -> NodeEnd:
        return self.turns.sender

    @property
    def is_done(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        return self.is_idle and not self.turns.n_images

    @property
    def is_idle(self) -> bool:
        """Whether no packet is on its way."""
        return self._transmission.is_over

    @property
    def unix_offset_s(self) -> float | None:
        """Unix time less this node's clock, once the host has told it."""
        return self._sender.unix_offset_s

    def is_well(self, now_s: float) -> bool:
        """Whether packets leave, as far as a new start could help that."""
        return self._transmission.is_well(now_s)

    def wants_image(self, now_s: float) -> bool:
        """Whether an image captured now would leave soon; one that waits only ages."""
        return self.turns.is_own and self._sender.wants_image(now_s)

    def put(
        self,
        bitstream: bytes,
        captured_s: float,
        image_id: int | None = None,
        is_durable: bool = True,
    ) -> tuple[int, int]:
        """An image into its queue: in how many chunks, and its id, a new one unless it has one.

        One that is not durable survives the end of this process, and a power cut perhaps.
        """
        pieces, unix_s = self._cut(bitstream), self._unix_s(captured_s)
        if image_id is None:
            image_id = self._counters.next()
        self.turns.own.outbox.put(image_id, pieces, captured_s, unix_s, is_durable)
        return len(pieces), image_id

    def put_soon(self, bitstream: bytes, captured_s: float) -> tuple[int, int]:
        """The same without waiting for the disk; it is in its queue once `arrived` names it."""
        pieces, image_id = self._cut(bitstream), self._counters.next()
        outbox = self.turns.own.outbox
        outbox.put_soon(image_id, pieces, captured_s, self._unix_s(captured_s))
        return len(pieces), image_id

    def arrived(self, wait: bool = False) -> list[int]:
        """Images of `put_soon` that are on the disk now; `wait` for all of them."""
        return self.turns.own.outbox.arrived(wait)

    def _unix_s(self, clock_s: float) -> float | None:
        offset_s = self.unix_offset_s
        return None if offset_s is None else clock_s + offset_s

    def end_images(self) -> int:
        """No image follows; how many of this bundle wait."""
        self._sender.expect_no_image()
        return self.turns.own.outbox.n_images

    def tell(self, fault: str | None) -> None:
        """The host, until it has heard it: what keeps images from coming; None: nothing does."""
        self._fault = fault
        self._sender.tell_fault(fault)

    def transmit(self, now_s: float) -> None:
        """Go on with the packet that is on its way, or with the next one if it may leave."""
        if self.is_idle and not self._begin(now_s):
            return
        try:
            self._transmission.go_on(now_s)
        except DoesNotFit as error:
            self._send_less(error)
        self.end_transmission(boot_s())  # a modem has sent it by now, and may have the answer

    def end_transmission(self, now_s: float) -> None:
        """Tell its sender that a packet has left, if it has."""
        if (end_s := self._transmission.take_end(now_s)) is not None:
            self._sender.transmitted(end_s)
            self.is_proved |= not self._config.link.has_downlink

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something to do; None: not before an image or a packet comes."""
        return self._sender.next_due_s(now_s) if self.is_idle else self._transmission.end_s

    def listen(self, timeout_s: float) -> None:
        """Hear what the host says, waiting at most timeout_s for its first word."""
        for received in self._transmission.receive(timeout_s):
            heard = self._sender.receive(received.packet, boot_s())
            self.is_proved |= heard is not None and not isinstance(heard, Rejected)
            if isinstance(heard, Acknowledged):
                self._console.heard(heard, self.governor.budget_s(boot_s()))
            elif isinstance(heard, TimeHeard):
                self._set_clock(heard)

    def _cut(self, bitstream: bytes) -> list[bytes]:
        """As the settings want it; too many chunks become pieces as long as packets take."""
        wanted, longest = self._chunk_bytes
        try:
            with suppress(ValueError):
                return split(bitstream, *wanted)
            return split(bitstream, *longest)
        except ValueError as error:
            raise UnreadableImageError(f"an image is left out: {error}") from None

    def _begin(self, now_s: float) -> bool:
        """Whether there is a packet that may leave."""
        outgoing = self.turns.next_packet(now_s)
        self._tell_silence()
        if outgoing is None:
            self.turns.move_on(now_s)
            return False
        self.newest_counter = outgoing.counter
        self._transmission.begin(outgoing, now_s)
        self._console.packet(outgoing, self._timing.wire_bytes(len(outgoing.packet)))
        return True

    def _send_less(self, error: DoesNotFit) -> None:
        """The modem does not take this packet at present, but may take a shorter one."""
        now_s = boot_s()
        self._sender.does_not_fit(now_s, error.max_packet_bytes)
        if now_s >= self._unfit_told_s + UNFIT_TOLD_S:
            self._unfit_told_s = now_s
            self._console.notice(f"{error}; something shorter is sent first")

    def _set_clock(self, heard: TimeHeard) -> None:
        """Date what waits."""
        if self.unix_offset_s is not None:
            self.turns.own.outbox.date_images(self.unix_offset_s)
        if heard.is_news:
            told = time.strftime("%F %T", time.gmtime(heard.unix_s))
            self._console.notice(f"the host's clock says {told} UTC")

    def _tell_silence(self) -> None:
        """Once for each reason that forbids the radio to speak."""
        reason = self._sender.silent_because
        if reason and reason != self._silent_because:
            self._console.notice(reason)
        self._silent_because = reason
