"""The radio as the node holds it: a carrier that may vanish and come back, on which the node does
not wait.

It is opened in a thread of its own, since asking a name service, greeting a modem and joining a
network take their time; meanwhile the node captures. Between two tries the pauses grow.
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from link.base import Pause
from link.carriers import Carrier, NotSentError, PortError, Received

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
POLL_S = 1.0
"Longest sleep while the port is gone."


class Radio:
    """A carrier, opened again when its port vanished; an impatient one raises PortError instead."""

    def __init__(
        self,
        open_carrier: Callable[[], Carrier],
        say: Callable[[str], None],
        is_patient: bool = True,
        waits_for_first: bool = False,
    ) -> None:
        """Opens the carrier, or PortError; `waits_for_first`: one that is not there yet is waited
        for as later ones.
        """
        self._open = open_carrier
        self._say = say
        self._is_patient = is_patient
        self._carrier: Carrier | None = None
        self._pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._retry_s = 0.0
        self._opening: _Opening | None = None
        try:
            self._carrier = open_carrier()
        except PortError as error:
            if not waits_for_first:
                raise
            self._lost(error)

    @property
    def is_open(self) -> bool:
        return self._carrier is not None

    def send(self, packet: bytes) -> bool:
        """Whether the packet left; False while the port is gone.

        NotSentError: it did not, and the port is as good as before; DoesNotFit: a smaller one may.
        """
        if carrier := self._present():
            try:
                carrier.send(packet)
                # not before: a port may open each time and never take anything
                self._pause.worked()
                return True
            except NotSentError:
                raise
            except PortError as error:
                self._lost(error)
        return False

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first; nothing while the port is
        gone.
        """
        if carrier := self._present():
            try:
                return carrier.receive(timeout_s)
            except PortError as error:
                self._lost(error)
        time.sleep(min(timeout_s, POLL_S))
        return []

    def close(self) -> None:
        if self._opening is not None:
            self._opening.give_up()
            self._opening = None
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None

    def __enter__(self) -> "Radio":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _present(self) -> Carrier | None:
        """The carrier, or None when it cannot be had yet."""
        if self._carrier is not None:
            return self._carrier
        if self._opening is None:
            if time.monotonic() >= self._retry_s:
                self._opening = _Opening(self._open)
            return None
        outcome = self._opening.outcome()
        if outcome is None:
            return None
        self._opening = None
        if isinstance(outcome, PortError):
            self._retry_s = time.monotonic() + self._pause.failed()
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            self._carrier = outcome
            self._say("the port is back")
        return self._carrier

    def _lost(self, error: PortError) -> None:
        self.close()
        if not self._is_patient:
            raise error
        self._retry_s = time.monotonic() + self._pause.failed()
        self._say(f"{error}; what is to be sent is kept until then")


class _Opening:
    """One try to open a carrier, in a thread that nobody waits for."""

    def __init__(self, open_carrier: Callable[[], Carrier]) -> None:
        self._open = open_carrier
        self._lock = threading.Lock()
        self._is_wanted = True
        self._outcome: SimpleQueue[Carrier | Exception] = SimpleQueue()
        threading.Thread(target=self._run, name="open the port", daemon=True).start()

    def outcome(self) -> Carrier | Exception | None:
        """None: it is not decided yet."""
        try:
            return self._outcome.get_nowait()
        except Empty:
            return None

    def give_up(self) -> None:
        """What is opened later is closed again."""
        with self._lock:
            self._is_wanted = False
        if isinstance(outcome := self.outcome(), Exception | None):
            return
        outcome.close()

    def _run(self) -> None:
        try:
            carrier = self._open()
        except Exception as error:  # for the node's thread to judge
            self._outcome.put(error)
            return
        with self._lock:
            if self._is_wanted:
                self._outcome.put(carrier)
                return
        carrier.close()
