"""Intake: when an image is due, whether what came is worth sending, and what keeps images from
coming.
"""

import math
from collections.abc import Callable

from device.capture.capturing import Capturing, OpenSource
from device.capture.gate import Gate
from device.capture.schedule import Timetable
from device.capture.source import Image, SourceAwayError, SourceError
from device.capture.source_config import SourceConfig
from device.console import Console
from link.base import Recent, boot_s
from link.picture import UnreadableImageError

MAX_UNREADABLE = 1000
"Images of which it is remembered that the person knows."
BUSY_POLL_S = 0.05
"Longest sleep while an image is being taken."


class Intake:
    """The source of one node, opened at once."""

    def __init__(
        self,
        source: SourceConfig,
        open_source: OpenSource,
        limit: int | None,
        console: Console,
        tell: Callable[[str | None], None],
    ) -> None:
        """`tell` is told what keeps images from coming, and None when they come again."""
        now_s = boot_s()
        self._console = console
        self._tell = tell
        self._gate = Gate(source.gate_threshold, source.heartbeat_s) if source.gate else None
        self._n_unchanged = 0
        self.has_interval = source.interval_s > 0
        self._timetable = Timetable(source.interval_s, source.hours, now_s)
        self.error: SourceError | None = None
        "Why no image comes any more, where that is a fault."
        self._fault: str | None = None
        "What keeps images from coming, as it was told."
        self._unreadable: Recent[str, None] = Recent(MAX_UNREADABLE)
        "Sentences on images that cannot be read: each is said once."
        self._capturing = Capturing(open_source, limit)
        self._capturing.open(now_s)

    @property
    def is_over(self) -> bool:
        """No image comes any more."""
        return self._capturing.is_over

    @property
    def is_away(self) -> bool:
        """The source gives nothing now, as far as is known."""
        return self._capturing.has_failed

    @property
    def is_busy(self) -> bool:
        """An image is being taken, or the source opened."""
        return self._capturing.is_busy

    def is_stuck(self, now_s: float) -> bool:
        """Whether only a new process could help."""
        return not self.is_over and self._capturing.is_stuck(now_s)

    def due_s(self, now_s: float, unix_offset_s: float | None) -> float:
        """When the next image is due."""
        return max(self._timetable.due_s(now_s, unix_offset_s), self._capturing.due_s)

    def is_due(self, now_s: float, unix_offset_s: float | None) -> bool:
        is_free = not self.is_over and not self.is_busy
        return is_free and now_s >= self.due_s(now_s, unix_offset_s)

    def wake_s(self, now_s: float, unix_offset_s: float | None) -> float:
        """When there may be something to do; inf: not before an image is wanted."""
        if self.is_over:
            return math.inf
        if self.is_busy:
            return now_s + BUSY_POLL_S
        return self.due_s(now_s, unix_offset_s) if self.has_interval else math.inf

    def ask(self, now_s: float) -> None:
        self._capturing.ask(now_s)

    def take(self, now_s: float, unix_offset_s: float | None) -> Image | None:
        """An image that has come. What else becomes of it is said here."""
        was_well = not self._capturing.has_failed
        try:
            outcome = self._capturing.take(now_s)
            if isinstance(outcome, SourceAwayError):
                if was_well:
                    self._console.notice(f"{outcome}; it is tried again")
            elif isinstance(outcome, UnreadableImageError):
                raise outcome
            elif isinstance(outcome, Image):
                self._timetable.taken(boot_s(), unix_offset_s)
                return outcome
        except SourceError as error:
            self.error = error
        except UnreadableImageError as error:
            self.leave_out(error, now_s, unix_offset_s)
        return None

    def leave_out(
        self, error: UnreadableImageError, now_s: float, unix_offset_s: float | None
    ) -> None:
        """An image that cannot be used: it is said once, and the next is due in time."""
        self._timetable.taken(now_s, unix_offset_s)
        if (sentence := str(error)) not in self._unreadable:
            self._console.notice(sentence)
        self._unreadable[sentence] = None

    def lets_pass(self, image: Image, is_everything_wanted: bool) -> bool:
        """Whether to send it."""
        if self._gate is None or is_everything_wanted:
            return True
        if self._gate.lets_pass(image.pixels, boot_s()):
            self._n_unchanged = 0
            return True
        self._n_unchanged += 1
        self._console.unchanged(self._n_unchanged)
        return False

    def look_after(self, now_s: float) -> None:
        """Tell what keeps images from coming, and when they come again."""
        fault = None if self.is_over else self._capturing.fault(now_s)
        if self.is_over or fault == self._fault:
            return
        self._fault = fault
        self._tell(fault)
        self._console.notice(f"{fault}; the host is told" if fault else "images come again")
