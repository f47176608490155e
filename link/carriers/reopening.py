"""Reopening: a carrier that may vanish and come back, on which nobody waits.

It is opened in a thread of its own, since asking a name service, greeting a modem and joining a
network take their time, and closed in another, since a driver may hang. Between two tries the
pauses grow. Why there is none is told once, until the reason changes.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress

from link.base.pause import Pause
from link.carriers.carrier import Carrier, NotSentError, PortError, Received
from link.carriers.deadline import begin, within

CLOSE_S = 0.5
"A carrier that takes longer to close is left to its thread."
STEADY_S = 60.0
"A carrier that was open for so long had come back for good, also if nothing passed through it."

Tell = Callable[[PortError | None], None]
"Told why there is no carrier, and None when there is one again; what it raises reaches the caller."


class Reopening:
    """A carrier, opened again whenever it is away. Like every carrier it belongs to one thread."""

    def __init__(self, open_carrier: Callable[[], Carrier], tell: Tell, pause: Pause) -> None:
        """Nothing is opened yet: `open` does it here and now, or the first use in its thread.

        What open_carrier raises that is no PortError reaches whoever uses this object next.
        """
        self._open = open_carrier
        self._tell = tell
        self._pause = pause
        self._carrier: Carrier | None = None
        self._opened_s = self._retry_s = 0.0
        self._opening: Future[Carrier] | None = None
        self._told = ""
        self._n_earlier_noise = 0

    @property
    def is_open(self) -> bool:
        return self._carrier is not None

    @property
    def n_noise(self) -> int:
        """Pieces of input that were no packet, of all carriers so far."""
        return self._n_earlier_noise + (self._carrier.statistics.n_noise if self._carrier else 0)

    def open(self) -> None:
        """Wait for the first one; raises what opening it raises."""
        self._have(self._open())

    def send(self, packet: bytes, *to: object) -> bool:
        """Whether the packet left; False while the carrier is away, and when it vanished over it.

        NotSentError: it did not, and the carrier is as good as before; DoesNotFit: a smaller one
        may.
        """
        self._come_back(0.0)
        if self._carrier is None:
            return False
        try:
            self._carrier.send(packet, *to)
        except NotSentError:
            raise
        except PortError as error:
            self.lose(error)
            return False
        # not before: a port may open each time and never take anything
        self._pause.worked()
        return True

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first; nothing while the carrier is
        away.
        """
        if self._carrier is None:
            self._come_back(timeout_s)
            return []
        try:
            heard = self._carrier.receive(timeout_s)
        except PortError as error:
            self.lose(error)
            return []
        if heard:
            self._pause.worked()
        return heard

    def fileno(self) -> int:
        """To be waited for together with others; -1: it is away, or of a kind that cannot be."""
        tell: Callable[[], int] = getattr(self._carrier, "fileno", lambda: -1)
        return tell()

    def notices(self) -> list[str]:
        """Sentences of the carrier itself, of one that has any."""
        tell: Callable[[], list[str]] = getattr(self._carrier, "notices", list)
        return tell()

    def lose(self, error: PortError) -> None:
        """It failed: close it, and open it again after a pause."""
        if self._carrier is not None and time.monotonic() > self._opened_s + STEADY_S:
            self._pause.worked()
        self.close()
        self._retry_s = time.monotonic() + self._pause.failed()
        if (sentence := str(error)) != self._told:
            self._told = sentence
            self._tell(error)

    def close(self) -> None:
        """Within CLOSE_S; the next use opens it again."""
        if self._opening is not None:
            self._opening.add_done_callback(_close_again)
            self._opening = None
        if self._carrier is not None:
            self._n_earlier_noise = self.n_noise
            carrier, self._carrier = self._carrier, None
            with suppress(PortError):
                within(CLOSE_S, carrier.close, "closing a port")

    def _come_back(self, timeout_s: float) -> None:
        """Open it if it is away and the pause is over, waiting no longer than that."""
        if self._carrier is not None:
            return
        if self._opening is None:
            if (pause_s := self._retry_s - time.monotonic()) > 0:
                time.sleep(min(timeout_s, pause_s))
                return
            self._opening = begin(self._open, "opening a port")
        wait([self._opening], timeout_s)
        if not self._opening.done():
            return
        opening, self._opening = self._opening, None
        try:
            self._have(opening.result())
        except PortError as error:
            self.lose(error)
        else:
            self._tell(None)

    def _have(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._opened_s = time.monotonic()
        self._told = ""


def _close_again(opening: Future[Carrier]) -> None:
    """What was opened when nobody wanted it any more."""
    if opening.exception() is None:
        opening.result().close()
