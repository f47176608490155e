"""Progress of a stage: a bar that stays in its line, a line of figures for every epoch; in a pipe
the lines alone.
"""

import sys

from tqdm import tqdm

BAR = "{desc} {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} steps, {remaining} left"


class StageProgress:
    """Shown on standard error while it is entered."""

    def __init__(self, name: str, n_steps: int, done: int, n_epochs: int) -> None:
        self._name = name
        self._n_epochs = n_epochs
        self._bar = tqdm(
            total=n_steps,
            initial=done,
            desc=name,
            bar_format=BAR,
            mininterval=1.0,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def step(self) -> None:
        self._bar.update()

    def epoch(self, number: int, figures: str) -> None:
        """The figures stay above the bar."""
        self._bar.clear()
        print(
            f"{self._name}, epoch {number} of {self._n_epochs}: {figures}",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> "StageProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
