"""A gateway at work: its carrier lives in a thread of its own, so whatever it waits for, nobody
waits with it.

    gateway.start()                 opens its carrier, and again and again while it cannot be had
    gateway.has_news                it has something for the loop, and has rung the bell
    gateway.take()                  what it heard; it listens again after `release`, when that is
                                    stored
    gateway.send(packet, origin)    never waits: the packet leaves as soon as the carrier lets it

A carrier that hangs costs its own gateway only, also at the end: its thread is left behind and ends
with the process. One that vanishes is opened again (link.carriers.reopening). What lies between the
two threads is bounded: what one look at the port gave, and MAX_WAITING packets to send.
"""

import threading
import time
from collections import deque
from collections.abc import Hashable

from host_decoder.errors import ConfigError
from host_decoder.events import Notice
from host_decoder.gateway_config import GatewayConfig
from host_decoder.receive.bell import Bell
from link.base import Pause, boot_s
from link.carriers import Carrier, NotSentError, PortError, Received, Reopening

LOOK_S = 0.010
"How long the thread listens before it sees whether there is something to send."
AWAY_S = 0.05
"How long it waits for a carrier that is away before it sees whether it is over."
RETRY_S = 2.0
LONGEST_PAUSE_S = 60.0
"The pause before a carrier is opened again doubles up to this."
MAX_WAITING = 64
"Packets that wait to be sent; only a network server is given more than one at a time."
MAX_NOTICES = 16


class Gateway:
    """One carrier and its thread."""

    def __init__(self, config: GatewayConfig, bell: Bell, retry_s: float = RETRY_S) -> None:
        self.config = config
        self.has_news = False
        self.is_listening = False
        "It is at its port, open and not sending."
        self.n_looks = 0
        self._bell = bell
        self._port = Reopening(self._open, self._port_changed, Pause(retry_s, LONGEST_PAUSE_S))
        self._heard: list[Received] = []
        self._is_held = False
        "What was heard last is not stored yet."
        self._n_noise = self._n_noise_told = 0
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._said = ""
        self._waiting: deque[tuple[bytes, Hashable]] = deque()
        self._left_s: list[float | None] = []
        self._fault: ConfigError | None = None
        self._is_closing = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name=f"gateway {config.name}", daemon=True
        )

    # For the loop

    def start(self) -> None:
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Open, and with less to send than it takes at a time."""
        with self._bell:
            return self._port.is_open and len(self._waiting) < self.config.n_at_a_time

    def take(self) -> list[Received]:
        """What it heard since; nothing more comes before `release`. ConfigError when it can never
        be opened.
        """
        with self._bell:
            self.has_news = False
            if self._fault is not None:
                raise self._fault
            heard, self._heard = self._heard, []
            return heard

    def take_noise(self) -> int:
        """Pieces of input that were no packet, since the last call."""
        with self._bell:
            n_new, self._n_noise_told = self._n_noise - self._n_noise_told, self._n_noise
            return n_new

    def take_notices(self) -> list[Notice]:
        with self._bell:
            notices = list(self._notices)
            self._notices.clear()
            return notices

    def take_left(self) -> list[float | None]:
        """When packets have left, the last bit of each at the latest, on the clock boot_s; None:
        one has not.
        """
        with self._bell:
            left_s, self._left_s = self._left_s, []
            return left_s

    def release(self) -> None:
        """What `take` gave is stored, and what there is to say about it was given to `send`."""
        with self._bell:
            if self._is_held and not self._heard:
                self._is_held = False
                self._bell.ring()

    def send(self, packet: bytes, origin: Hashable = None) -> None:
        """To where a packet came from, if it has many ends; dropped while the carrier is away: the
        node asks again.
        """
        with self._bell:
            if self._port.is_open and len(self._waiting) < MAX_WAITING:
                self._waiting.append((packet, origin))
                self._bell.ring()

    def end(self) -> None:
        """Say that it is over."""
        self._is_closing.set()
        with self._bell:
            self._bell.ring()

    def join(self, until_s: float) -> None:
        """Wait for the thread until then, on the monotonic clock, and no longer."""
        self._thread.join(max(0.0, until_s - time.monotonic()))

    # The thread

    def _work(self) -> None:
        while not self._is_closing.is_set() and self._fault is None:
            try:
                self._send_waiting()
                self._look()
            except ConfigError as error:
                self._tell(fault=error)
            # of a library below a carrier: no reason for any gateway to be deaf
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                self._port.lose(PortError(f"gateway {self.config.name} failed ({why})"))
        self._forget_waiting()
        self._port.close()

    def _open(self) -> Carrier:
        try:
            return self.config.open()
        except ValueError as error:
            raise ConfigError(f"gateway {self.config.name}: {error}") from None

    def _port_changed(self, error: PortError | None) -> None:
        """It is open from now on, or away."""
        self._said = ""
        if error is None:
            self.is_listening = True
            self._tell(Notice(f"listening on {self.config.where}"))
        else:
            self._forget_waiting()
            sentence = f"{error}; trying again, at least once a minute"
            self._tell(Notice(sentence, is_problem=True))

    def _forget_waiting(self) -> None:
        """What was to be sent: a node that is not answered asks again."""
        with self._bell:
            self.is_listening = False
            self._waiting.clear()
            self._bell.ring()

    def _send_waiting(self) -> None:
        """The loop is told once of all that left, or it would go round for each."""
        has_sent = False
        while self._waiting and not self._is_closing.is_set():
            packet, origin = self._waiting[0]
            self.is_listening = False
            left_s = None
            try:
                if not self._port.send(packet, *([] if origin is None else [origin])):
                    break
                left_s = boot_s()
            except (NotSentError, ValueError) as error:  # of this packet, not of the port
                self._tell_once(f"an answer was not sent: {error}")
            with self._bell:
                self._waiting.popleft()
                self._left_s.append(left_s)
                self.is_listening = has_sent = True
        if has_sent:
            self._tell()

    def _look(self) -> None:
        """Listen for a moment; when something was heard, wait until it is stored."""
        heard = self._port.receive(LOOK_S if self._port.is_open else AWAY_S)
        sentences = self._port.notices()
        n_noise = self._port.n_noise
        with self._bell:
            self.n_looks += 1
            has_news = bool(heard or sentences or n_noise != self._n_noise)
            self._n_noise = n_noise
            self._heard = heard
            self._is_held = bool(heard)
            self._notices += map(Notice, sentences)
            self.has_news |= has_news
            if has_news or self._bell.is_watched:
                self._bell.ring()
            while self._is_held and not self._is_closing.is_set():
                self._bell.hear()

    def _tell_once(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._tell(Notice(sentence, is_problem=True))

    def _tell(self, notice: Notice | None = None, fault: ConfigError | None = None) -> None:
        """That something is new."""
        with self._bell:
            self._fault = fault or self._fault
            self._notices += [notice] if notice else []
            self.has_news = True
            self._bell.ring()
