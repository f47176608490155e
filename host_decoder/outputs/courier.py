"""Courier: brings alerts to somebody who may be away: one after the other, again and again, with
growing pauses, and not for ever.

It has a thread of its own, and each try another one: a server that never ends its answer costs that
try.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait

from host_decoder.alerts.watch import Alert
from link.base import Pause

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
TRY_S = 30.0
"For one try, all of it."
GIVE_UP_S = 24 * 3600.0
"An alert that could not be told for so long is told no more."
POLL_S = 0.2
MAX_WAITING = 200
MAX_HANGING = 4
"Tries that have not ended, each with a thread; then none is begun until one of them ends."


class NotToldError(Exception):
    """A try failed, for a reason that may pass; a sentence."""


class RefusedError(NotToldError):
    """Who was told does not want it: trying again will not help."""


class Courier:
    """One addressee."""

    def __init__(
        self,
        name: str,
        bring: Callable[[Alert], None],
        settled: Callable[[str, Alert], None],
        say: Callable[[str, bool], None],
        first_pause_s: float = FIRST_PAUSE_S,
        try_s: float = TRY_S,
    ) -> None:
        """`bring`: raises NotToldError. `settled`: called when an alert is told, or given up."""
        self.name = name
        self._bring, self._settled, self._say = bring, settled, say
        self._pause, self._try_s = Pause(first_pause_s, LONGEST_PAUSE_S), try_s
        self._waiting: deque[Alert] = deque(maxlen=MAX_WAITING)
        self._hanging: list[Future[None]] = []
        self._should_stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What waits is owed still."""
        self._should_stop.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @property
    def n_waiting(self) -> int:
        return len(self._waiting)

    def tell(self, alert: Alert) -> None:
        """Soon."""
        self._waiting.append(alert)

    def _run(self) -> None:
        said = ""
        while not self._should_stop.wait(POLL_S):
            while self._waiting and not self._should_stop.is_set():
                alert = self._waiting[0]
                try:
                    self._try(alert)
                    self._pause.worked()
                    said = ""
                except NotToldError as error:
                    if str(error) != said:
                        said = str(error)
                        self._say(f"{self.name}: {error}", True)
                    is_lost = time.time() > alert.at_s + GIVE_UP_S
                    if not (isinstance(error, RefusedError) or is_lost):
                        self._should_stop.wait(self._pause.failed())
                        continue
                if self._waiting and self._waiting[0] is alert:
                    self._waiting.popleft()
                self._settled(self.name, alert)

    def _try(self, alert: Alert) -> None:
        self._hanging = [one for one in self._hanging if not one.done()]
        if len(self._hanging) >= MAX_HANGING:
            raise NotToldError(f"{MAX_HANGING} tries have no end yet; waiting for one of them")
        outcome: Future[None] = Future()
        self._hanging.append(outcome)

        def run() -> None:
            try:
                outcome.set_result(self._bring(alert))
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name=f"{self.name}, a try", daemon=True).start()
        wait([outcome], self._try_s)
        if not outcome.done():
            raise NotToldError(f"no end of an answer within {self._try_s:g} s; trying again")
        outcome.result()
