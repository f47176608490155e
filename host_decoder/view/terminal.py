"""The screen: what a person sees while images arrive. A picture that is redrawn in a terminal, a
line each elsewhere.
"""

import contextlib
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from host_decoder.view.dashboard import Dashboard, outlook, wire_bytes
from host_decoder.view.row import Row
from host_decoder.view.summary import Title, duration, percent
from host_decoder.view.tally import Tally
from host_decoder.view.team import alive_phrase

REFRESH_PERIOD_S = 0.1


class Screen(AbstractContextManager["Screen"], Protocol):
    """Shows a tally as it grows."""

    def show(self, tally: Tally, row: Row) -> None:
        """An image was answered, or answered better."""

    def notice(self, sentence: str) -> None:
        """Something the person should know."""

    def tick(self, tally: Tally) -> None:
        """Nothing happened; called often."""


def make_screen(title: Title, console: Console, is_plain: bool = False) -> Screen:
    """The live picture on a terminal, plain lines elsewhere."""
    can_redraw = console.is_terminal and not console.is_dumb_terminal
    return (
        LiveScreen(title, console) if can_redraw and not is_plain else PlainScreen(title, console)
    )


class PlainScreen:
    """One line per answer, for logs and pipes."""

    def __init__(self, title: Title, console: Console) -> None:
        self._title = title
        self._console = console

    def __enter__(self) -> "PlainScreen":
        self._print(f"bundle {self._title.bundle} over {self._title.link}, node {self._title.node}")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, tally: Tally, row: Row) -> None:
        if row.answer is not None:
            self._print(_line(row, tally, self._title.has_console, self._title.n_images))

    def notice(self, sentence: str) -> None:
        self._print(sentence)

    def tick(self, tally: Tally) -> None:
        pass

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class LiveScreen:
    """The picture, its answer and the running figures, redrawn in place."""

    def __init__(self, title: Title, console: Console) -> None:
        self._title = title
        self._tally = Tally()
        self._row: Row | None = None
        self._notice = ""
        self._drawn_s = 0.0
        self._drawn: tuple[object, ...] = ()
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._keys = ExitStack()

    def __enter__(self) -> "LiveScreen":
        self._keys.enter_context(without_echo())
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        self._live.stop()
        self._keys.close()

    def show(self, tally: Tally, row: Row) -> None:
        self._row = row
        self.tick(tally)

    def notice(self, sentence: str) -> None:
        self._notice = sentence

    def tick(self, tally: Tally) -> None:
        self._tally = tally
        team = tally.team
        shown = (
            team and (team.n_frames, team.n_kills, len(team.dead)),
            tally.total("packets"),
            tally.n_answered,
            tally.rejected.total(),
            self._row,
            self._notice,
        )
        if shown != self._drawn and time.monotonic() - self._drawn_s >= REFRESH_PERIOD_S:
            self._drawn = shown
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        drawn = Dashboard(self._title, self._tally, self._row, self._notice, self._console.height)
        self._live.update(drawn, refresh=True)


def _line(row: Row, tally: Tally, has_console: bool = True, n_images: int | None = None) -> str:
    """An answer in one line."""
    assert row.answer is not None
    answer = row.answer
    [(label, probability)] = answer.top(1)
    name = row.called(n_images) if has_console else f"node {answer.node}, image {row.name}"
    parts = [f"{name}: {label} {probability:.1%}{', none of these?' if answer.is_strange else ''}"]
    if row.truth is not None:
        parts.append(f"truth {row.truth} {'✓' if row.is_right else '✗'}")
    parts.append(f"{answer.bitstream_bytes} bytes, {wire_bytes(row, answer):.0f} on the wire")
    if answer.alive is not None:
        parts.append(alive_phrase(answer.alive))
    if not answer.is_complete:
        parts.append(f"{answer.n_known} of {answer.n_latents} symbols{outlook(answer)}")
    if row.captured is not None:
        parts.append(f"airtime {duration(row.airtime_s)}")
    if row.latency_s is not None:
        parts.append(f"latency {duration(row.latency_s)}")
    if tally.figure("accuracy") is not None:
        parts.append(f"accuracy so far {percent(tally.figure('accuracy'))}")
    return " · ".join(parts)


@contextmanager
def without_echo() -> Iterator[None]:
    """Keys, Ctrl-C among them, work as ever and are not shown: they would move what is drawn in
    place.
    """
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (termios.error, ValueError, OSError, AttributeError):  # no terminal, or no input at all
        yield
        return
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
