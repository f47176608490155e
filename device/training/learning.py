"""Learning: one device's part in a run, round by round: what comes from the server is taken, what
is learned is given.

Messages come from threads of the exchange; rounds are trained in the one that calls `run`, which
goes on by itself where a kill or a limit broke it off, whoever asks or not. A message of a later
round ends the training of an earlier one.
"""

import threading
from collections.abc import Callable

from device.training.learner import AbandonedError, DivergedError, Learner, PausedError
from link.base import boot_s
from link.update.device_end import DeviceEnd, Learned, Standing, Work
from link.update.message import MessageError

LOOK_S = 0.3
"How often who waits for something looks around."
LONGEST_PAUSE_S = 60.0
"After which a limit is asked again: the clock may have been set."


class Learning:
    """A device's end of the run, and its learner."""

    def __init__(self, end: DeviceEnd, learner: Learner, say: Callable[[str], None]) -> None:
        self._end, self._learner, self._say = end, learner, say
        self._changed = threading.Condition()
        self._why_not, self._is_resting = "", False
        self._diverged = -1
        "The round whose training came to nothing."

    def answer(self, message: bytes, is_there: Callable[[], bool]) -> bytes:
        """The update of the round that the device is then in, as soon as it is made; a message that
        asks for what was missed; nothing where it does not learn now, or the run is over.
        """
        with self._changed:
            if message and (missed := self._take(message)) is not None:
                return missed
            while self._is_at_it() and is_there():
                self._changed.wait(LOOK_S)
            return self._end.update

    def _is_at_it(self) -> bool:
        """Whether an update will come that is not there yet."""
        is_open = self._end.work() is not None and self._end.round_ != self._diverged
        return is_open and not self._is_resting

    def run(self) -> None:
        """Train what there is to train, for ever."""
        while True:
            with self._changed:
                work = self._end.work()
                if work is None or work.round_ == self._diverged:
                    self._changed.wait(LOOK_S)  # without an end it may sleep over a signal
                    continue
            learned = self._train(work)
            with self._changed:
                if learned is not None and self._end.round_ == work.round_:
                    self._end.give(learned)
                    self._say(
                        f"round {work.round_}: {learned.n_images} images, loss {learned.loss:.3f}, "
                        f"{len(self._end.update)} bytes"
                    )
                    self._changed.notify_all()

    def _train(self, work: Work) -> Learned | None:
        """None where a limit or a later round came between."""
        self._learner.settle(work.last_round)
        self._learner.forget(work.sent)
        if work.statistics is not None:
            self._learner.freeze(work.statistics)
        try:
            learned = self._learner.train(
                work.weights, work.round_, lambda: self._end.round_ == work.round_
            )
        except AbandonedError:
            return None
        except DivergedError as error:
            self._say(f"round {work.round_}: {error}")
            with self._changed:
                self._diverged = work.round_
                self._changed.notify_all()
            return None
        except PausedError as pause:
            self._pause(str(pause), pause.stop.wait_s)
            return None
        self._why_not = ""
        return learned

    def _pause(self, why: str, wait_s: float) -> None:
        with self._changed:
            if why != self._why_not:
                self._say(f"{why}; it learns on in {wait_s:.0f} s")
            self._why_not, self._is_resting = why, wait_s > LONGEST_PAUSE_S
            self._changed.notify_all()
            self._rest(min(wait_s, LONGEST_PAUSE_S))
            self._is_resting = False

    def _rest(self, seconds: float) -> None:
        until_s = boot_s() + seconds
        while boot_s() < until_s:
            self._changed.wait(LOOK_S)

    def _take(self, message: bytes) -> bytes | None:
        """What to answer at once; None where the update is the answer."""
        try:
            standing = self._end.take(message)
        except MessageError as error:
            self._say(str(error))
            return b""
        if standing is Standing.MISSED:
            return self._end.ask()
        if standing is Standing.CURRENT:
            self._changed.notify_all()
        return None
