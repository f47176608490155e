"""Pause: how long to wait before what failed is tried again, twice as long each time."""


class Pause:
    """From first_s up to longest_s; what works again begins with first_s."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.n_failed = 0
        "Failures, one after the other."

    def failed(self) -> float:
        """How long to wait now."""
        self.n_failed += 1
        return min(self._longest_s, self._first_s * 2.0 ** min(self.n_failed - 1, 60))

    def worked(self) -> None:
        self.n_failed = 0
