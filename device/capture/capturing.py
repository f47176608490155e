"""Capturing: the source at work in a thread of its own, so that one that hangs, fails or is away
stops nothing else.

    ask     an image is wanted now
    take    what has come of it, if anything yet

A source that gives nothing is opened anew, after pauses that grow. One that does not return from a
call cannot be helped from here; `fault` says so, and a new start of the process is the cure.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal

from device.capture.source import Capture, Image, SourceAwayError, SourceError
from link.base import Pause
from link.picture import UnreadableImageError

HANGS_AFTER_S = 25.0
"No camera takes so long to open, to find its exposure and to give an image."
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
TOLD_AFTER = 3
"Failures, one after the other, of which the host is told."
STUCK_AFTER_S = 3600.0
"""A camera that stays away for so long may be kept away by what its driver remembers of this
process.
"""
PATIENCE_S = 0.2
"For which an image that was just asked for is waited for; most are there by then."

OpenSource = Callable[[int | None], Iterator[Capture]]
"The source, to be opened for at most so many images."
Outcome = Image | UnreadableImageError | SourceError | Literal["opened", "ended"]


@dataclass
class _Failure:
    """The source is away."""

    sentence: str
    since_s: float


class Capturing:
    """One source. Times are the caller's, of any clock that only goes forward."""

    def __init__(self, open_source: OpenSource, limit: int | None) -> None:
        """Opens it at once, in its thread."""
        self._open = open_source
        self._n_left = limit
        self._asked: SimpleQueue[bool] = SimpleQueue()
        "Whether an image is wanted, or the source is only to be opened."
        self._outcomes: SimpleQueue[Outcome | Exception] = SimpleQueue()
        self._asked_s: float | None = None
        "Since when the thread has been at work."
        self._is_patient = False
        self._pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._failure: _Failure | None = None
        self.due_s = -float("inf")
        "Not before then: the source failed."
        self.is_over = False
        "No image comes any more."
        threading.Thread(target=self._serve, name="capture", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        return self._asked_s is not None

    @property
    def has_failed(self) -> bool:
        """Whether the source is away, as far as is known."""
        return self._failure is not None

    def open(self, now_s: float) -> None:
        self._begin(False, now_s)

    def ask(self, now_s: float) -> None:
        self._begin(True, now_s)

    def take(self, now_s: float) -> Outcome | None:
        """An image; or that one cannot be read, that the source is away, that it ended. None:
        nothing to tell yet.

        Raises SourceError when the source will never give any.
        """
        if not self.is_busy:
            return None
        try:
            outcome = self._outcomes.get(
                timeout=PATIENCE_S if self._is_patient else None, block=self._is_patient
            )
        except Empty:
            self._is_patient = False
            return None
        self._asked_s = None
        if isinstance(outcome, Exception) and not isinstance(
            outcome, SourceAwayError | UnreadableImageError
        ):
            self.is_over = True
            raise outcome
        if isinstance(outcome, SourceAwayError):
            self._failed(outcome, now_s)
        elif isinstance(outcome, Image):
            self._failure = None
            self._pause.worked()
            if self._n_left is not None:
                self._n_left -= 1
        self.is_over |= outcome == "ended"
        return outcome

    def fault(self, now_s: float) -> str | None:
        """What keeps images from coming, once that is worth telling; None: nothing does."""
        if self._hangs(now_s):
            return f"the source of images hangs: it has not answered for {HANGS_AFTER_S:g} s"
        if self._failure is not None and self._pause.n_failed >= TOLD_AFTER:
            return self._failure.sentence
        return None

    def is_stuck(self, now_s: float) -> bool:
        """Whether only a new process could help."""
        stays_away = self._failure is not None and now_s >= self._failure.since_s + STUCK_AFTER_S
        return self._hangs(now_s) or stays_away

    def _hangs(self, now_s: float) -> bool:
        return self._asked_s is not None and now_s >= self._asked_s + HANGS_AFTER_S

    def _begin(self, wants_image: bool, now_s: float) -> None:
        if not self.is_busy and not self.is_over:
            self._asked_s = now_s
            self._is_patient = True
            self._asked.put(wants_image)

    def _failed(self, error: SourceAwayError, now_s: float) -> None:
        since_s = now_s if self._failure is None else self._failure.since_s
        self._failure = _Failure(str(error), since_s)
        self.due_s = now_s + self._pause.failed()

    def _serve(self) -> None:
        source: Iterator[Capture] | None = None
        while True:
            wants_image = self._asked.get()
            outcome: Outcome | Exception = "opened"
            capture: Capture | None = None
            try:
                source = source or self._open(self._n_left)
                if wants_image:
                    capture = next(source, None)
                    outcome = "ended" if capture is None else capture()
            except Exception as error:  # for the thread that takes it to judge
                outcome = error
                if capture is None:  # it is the source itself that failed, and no image of it
                    source = None
            self._outcomes.put(outcome)
