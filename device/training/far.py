"""Far: a device that learns behind a narrow link: its port, and the thread that speaks and hears.

    with Far(config, settings.run_id, learning.answer, say): ...

It takes the place of the socket: messages come in pieces from a gateway, and updates leave in
pieces (device.training.mail). What waits to be sent survives a kill, and what was received of a
message is asked for again.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from device.outbox.outbox import open_outbox
from device.port import KEPT, reopened
from device.training.learn_config import FarConfig
from device.training.mail import Mail
from device.transmission import Transmission
from link.base import Pause, boot_id, boot_s, durable
from link.carriers import CarrierSettings, DoesNotFit, open_carrier
from link.medium import LinkTiming, governor_for
from link.messages import name_of
from link.node import Equipment, Identity, Sender, SenderOptions
from link.security import CounterStore, read_master_key

OUTBOX, LEDGER, TOLD = "outbox.sqlite", "airtime.json", "told"
LOOK_S = 0.2
"How often who waits for something looks around."
AGAIN_S = 5.0
"A device that rests, or has nothing to say, is asked again."
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"After a fault, until the next try."
Answer = Callable[[bytes, Callable[[], bool]], bytes]


class Far:
    """The link of one device, in a context."""

    def __init__(
        self, config: FarConfig, run: bytes, answer: Answer, say: Callable[[str], None]
    ) -> None:
        """`run`: 8 bytes that name it, which both ends seal with; `answer` as for Exchange."""
        self._config, self._answer, self._say = config, answer, say
        self._told_path = config.state_dir / TOLD
        self._changed = threading.Condition()
        self._message: bytes | None = None
        "What the server said last, for who learns."
        self._update: bytes | None = None
        "What is to be told."
        self._is_over = False
        with ExitStack() as stack:
            link = config.link
            counters = stack.enter_context(CounterStore(config.key_dir, config.node))
            outbox = open_outbox(config.state_dir / OUTBOX, boot_id=boot_id())
            stack.callback(outbox.close)
            timing = LinkTiming(link.profile, link.profile.turnaround_s).with_messages()
            governor = governor_for(
                link.region, link.frequency_hz, link.profile, config.state_dir / LEDGER
            )
            for notice in filter(None, (counters.notice, outbox.notice, governor.ledger.notice)):
                say(notice)
            equipment = Equipment(counters, outbox, governor, timing)
            self._sender = Sender(
                Identity(config.node, run, read_master_key(config.key_dir)),
                equipment,
                SenderOptions(
                    max_packet_bytes=link.max_packet_bytes, wants_messages=True, status_every=0
                ),
            )
            self._mail = Mail(self._sender, outbox, counters, timing, governor)
            settings = CarrierSettings(
                link.profile,
                link.port,
                bitrate_bps=link.bitrate_bps,
                frequency_hz=link.frequency_hz,
                peers=link.peers,
            )
            if link.power_dbm is not None:
                settings = replace(settings, power_dbm=link.power_dbm)
            port = reopened(lambda: open_carrier(settings), say, KEPT, waits_for_first=True)
            stack.callback(port.close)
            self._transmission = Transmission(port, governor, say)
            self._stack = stack.pop_all()
        self._threads = [
            threading.Thread(target=self._work, name=name, args=(turn,), daemon=True)
            for name, turn in (("far link", self._speak_and_hear), ("far learner", self._ask))
        ]

    def __enter__(self) -> "Far":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(2 * LOOK_S)
        self._stack.close()

    def _work(self, turn: Callable[[], None]) -> None:
        """Turns of a thread, to the end; a fault costs a pause."""
        pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while not self._is_over:
            try:
                turn()
                pause.worked()
            except (OSError, ValueError) as error:
                self._say(f"{error}; it is tried again")
                with self._changed:
                    self._changed.wait_for(lambda: self._is_over, pause.failed())

    def _speak_and_hear(self) -> None:
        """One turn of the link's thread."""
        now_s = boot_s()
        with self._changed:
            update, self._update = self._update, None
        if update is not None:
            self._mail.put(update, now_s)
            durable.write(self._told_path, name_of(update).hex())
        self._mail.poll(now_s)
        self._transmit(now_s)
        due_s = [self._mail.due_s(now_s), self._sender.next_due_s(now_s), self._transmission.end_s]
        wait_s = min(each for each in due_s if each is not None) - boot_s()
        for received in self._transmission.receive(min(max(wait_s, 0.001), LOOK_S)):
            heard = self._sender.receive(received.packet, boot_s())
            if (message := self._mail.heard(heard, boot_s())) is not None:
                with self._changed:
                    self._message = message
                    self._changed.notify_all()

    def _transmit(self, now_s: float) -> None:
        transmission = self._transmission
        if transmission.is_over:
            if (outgoing := self._sender.next_packet(now_s)) is None:
                return
            transmission.begin(outgoing, now_s)
        try:
            transmission.go_on(now_s)
        except DoesNotFit as error:
            self._sender.does_not_fit(now_s, error.max_packet_bytes)
        if (end_s := transmission.take_end(boot_s())) is not None:
            self._sender.transmitted(end_s)

    def _ask(self) -> None:
        """One turn of the thread that asks who learns."""
        with self._changed:
            message, self._message = self._message, None
        said = self._answer(message or b"", lambda: self._message is None and not self._is_over)
        with self._changed:
            if said and name_of(said).hex() != self._told():
                self._update = said
                self._changed.wait_for(lambda: self._update is None or self._is_over, AGAIN_S)
            self._changed.wait_for(lambda: self._message is not None or self._is_over, AGAIN_S)

    def _told(self) -> str:
        """The name of the update that was put last."""
        with suppress(OSError):
            return self._told_path.read_text().strip()
        return ""
