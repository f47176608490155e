"""Session: a connection to a broker that comes back by itself, on which nobody waits.

    connection = session.connection     None while it is away
    session.lose(error)                 it failed: another is opened after a pause that grows

It is opened in a thread of its own and then belongs to whoever asks for it.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future

from link.base.pause import Pause
from link.carriers.carrier import PortError
from link.carriers.deadline import begin, within
from link.carriers.mqtt.connection import BrokerConnection

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
STEADY_S = 30.0
"A connection that was there for so long had come back for good."
CLOSE_S = 0.5

Connect = Callable[[], BrokerConnection]
Tell = Callable[[PortError | None], None]
"Told why there is none, once until the reason changes, and None when there is one again."


class BrokerSession:
    """One connection after the other."""

    def __init__(self, connect: Connect, tell: Tell) -> None:
        self._connect, self._tell = connect, tell
        self._pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._opened: BrokerConnection | None = None
        self._opening: Future[BrokerConnection] | None = None
        self._opened_s = self._retry_s = 0.0
        self._told = ""

    @property
    def connection(self) -> BrokerConnection | None:
        """Whoever asks again and again has one as soon as may be."""
        if self._opened is None:
            self._come_back()
        return self._opened

    def lose(self, error: PortError) -> None:
        """It broke."""
        if self._opened is not None and time.monotonic() > self._opened_s + STEADY_S:
            self._pause.worked()
        self.close()
        self._retry_s = time.monotonic() + self._pause.failed()
        if str(error) != self._told:
            self._told = str(error)
            self._tell(error)

    def close(self) -> None:
        """In order, and not for long; whoever asks again has another one opened."""
        if self._opening is not None:
            self._opening.add_done_callback(_close_again)
            self._opening = None
        if self._opened is not None:
            opened, self._opened = self._opened, None
            with contextlib.suppress(PortError):
                within(CLOSE_S, opened.close, "taking leave of a broker")

    def _come_back(self) -> None:
        if self._opening is None:
            if time.monotonic() < self._retry_s:
                return
            self._opening = begin(self._connect, "opening a connection to a broker")
        if not self._opening.done():
            return
        opening, self._opening = self._opening, None
        try:
            self._opened = opening.result()
        except PortError as error:
            self.lose(error)
            return
        self._opened_s, self._told = time.monotonic(), ""
        self._tell(None)


def _close_again(opening: Future[BrokerConnection]) -> None:
    """What was opened when nobody wanted it any more."""
    if opening.exception() is None:
        opening.result().close()
