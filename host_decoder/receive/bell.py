"""Bell: what gateways ring when they have something for the loop that serves them all, and the lock
of all that lies between the threads.
"""

import threading
from collections.abc import Callable


class Bell:
    """A context that is held by whoever looks at what lies between the threads, or changes it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.is_watched = False
        "Every look at a port rings, not only one that found something."

    def ring(self) -> None:
        """While it is held."""
        self._condition.notify_all()

    def hear(self) -> None:
        """While it is held: until it rings."""
        self._condition.wait()

    def wait_for(
        self, condition: Callable[[], bool], timeout_s: float, every_look: bool = False
    ) -> None:
        """Until the condition, which is asked whenever it rings, is true."""
        with self:
            self.is_watched = every_look
            self._condition.wait_for(condition, timeout_s)
            self.is_watched = False

    def __enter__(self) -> None:
        self._condition.__enter__()

    def __exit__(self, *_: object) -> None:
        self._condition.release()
