"""The view: what a person sees while images arrive. A picture that is redrawn in a terminal, a line each elsewhere."""

import time
from types import TracebackType
from typing import Protocol

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from host_decoder.events import Answer
from host_decoder.halfblock import PIXEL_ROWS, half_blocks
from host_decoder.row import Row
from host_decoder.summary import UNKNOWN, Title, duration, number, percent, refused, saved
from host_decoder.tally import Tally

REFRESH_PERIOD_S = 0.1
BAR_COLUMNS = 28
CAPTION = "picture and truth are from the node's own console; only packets cross the link"
OTHER_LINES = 8
"Of the whole picture, beside the image."
NO_PICTURE = "the picture stays\non the node"


class View(Protocol):
    """Shows a tally as it grows."""

    def __enter__(self) -> "View": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, tally: Tally, row: Row) -> None:
        """An image was answered, or answered better."""

    def notice(self, sentence: str) -> None:
        """Something the person should know."""

    def tick(self, tally: Tally) -> None:
        """Nothing happened; called often."""


def make_view(title: Title, console: Console, is_plain: bool = False) -> View:
    """The live picture on a terminal, plain lines elsewhere."""
    return PlainView(title, console) if is_plain or not console.is_terminal else LiveView(title, console)


class PlainView:
    """One line per answer, for logs and pipes."""

    def __init__(self, title: Title, console: Console) -> None:
        self._title, self._console = title, console

    def __enter__(self) -> "PlainView":
        self._print(f"bundle {self._title.bundle} over {self._title.link}, node {self._title.node}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, tally: Tally, row: Row) -> None:
        if row.answer is not None:
            self._print(_line(row, tally))

    def notice(self, sentence: str) -> None:
        self._print(sentence)

    def tick(self, tally: Tally) -> None:
        pass

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class LiveView:
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

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()
        self._live.stop()

    def show(self, tally: Tally, row: Row) -> None:
        self._row = row
        self.tick(tally)

    def notice(self, sentence: str) -> None:
        self._notice = sentence

    def tick(self, tally: Tally) -> None:
        self._tally = tally
        shown = (tally.total("packets"), tally.n_answered, tally.refusals.total(), self._row, self._notice)
        if shown != self._drawn and time.monotonic() - self._drawn_s >= REFRESH_PERIOD_S:
            self._drawn = shown
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        n_lines = max(4, self._console.height - OTHER_LINES)
        self._live.update(dashboard(self._title, self._tally, self._row, self._notice, n_lines), refresh=True)


def dashboard(title: Title, tally: Tally, row: Row | None, notice: str = "", picture_lines: int = 20) -> RenderableType:
    """The whole picture: header, image beside its answer, running figures, last results."""
    body = Table.grid(padding=(0, 2))
    body.add_row(_picture(row or tally.newest, picture_lines), _answer(row))
    parts: list[RenderableType] = [body, Text(), _running(tally), _latest(tally)]
    if notice:
        parts.append(Text(notice, style="yellow"))
    heading = Text(f"latentlink live · bundle {title.bundle} · {title.link} · node {title.node}")
    return Panel(
        Group(*parts),
        title=heading,
        title_align="left",
        subtitle=Text(CAPTION, style="dim"),
        subtitle_align="left",
        border_style="cyan",
    )


def _picture(row: Row | None, n_lines: int) -> RenderableType:
    if row is None or row.captured is None:
        return Panel(Align.center(Text(NO_PICTURE, style="dim"), vertical="middle"), width=32, height=10)
    return half_blocks(row.captured.pixels, pixel_rows=min(PIXEL_ROWS, 2 * n_lines))


def _answer(row: Row | None) -> RenderableType:
    if row is None or row.answer is None:
        return Text("waiting for the first image …", style="dim")
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(row, row.answer):
        facts.add_row(Text(name, style="dim"), value)
    return Group(_verdict(row, row.answer), Text(), _bars(row.answer), Text(), facts)


def _verdict(row: Row, answer: Answer) -> Text:
    verdict = Text.assemble((f"image {row.name}  ", "dim"), (answer.label, "bold"))
    if row.is_right is not None:
        mark, style = ("✓", "bold green") if row.is_right else ("✗", "bold red")
        verdict.append(f"  {mark} ", style).append(f"truth: {row.truth}", "dim")
    return verdict


def _bars(answer: Answer) -> Table:
    bars = Table.grid(padding=(0, 1))
    for label, probability in answer.top():
        n_eighths = round(8 * BAR_COLUMNS * probability)
        bar = "█" * (n_eighths // 8) + " ▏▎▍▌▋▊▉"[n_eighths % 8].strip()
        bars.add_row(Text(label), Text(bar.ljust(BAR_COLUMNS), "cyan"), Text(f"{probability:6.1%}"))
    return bars


def _facts(row: Row, answer: Answer) -> list[tuple[str, str]]:
    """Name and value of what the table beside the picture says."""
    n_packets = row.n_packets or answer.n_chunks
    whole = f" of {row.captured.bitstream_bytes}" if row.captured else ""
    facts = [
        ("bitstream", f"{answer.bitstream_bytes}{whole} bytes"),
        ("on the wire", f"{_wire_bytes(row, answer):.0f} bytes in {n_packets} packet{'s' if n_packets > 1 else ''}"),
        ("symbols", f"{answer.n_known} of {answer.n_latents}{_outlook(answer)}"),
    ]
    if answer.confidence is not None:
        facts.append(("confidence", percent(answer.confidence)))
    if row.captured is not None:
        facts.append(("airtime", duration(row.airtime_s)))
        facts.append(("node's work", duration(sum(row.captured.node_ms.values()) / 1000)))
    if row.latency_s is not None:
        facts.append(("latency", duration(row.latency_s)))
    return facts


def _wire_bytes(row: Row, answer: Answer) -> float:
    """By the node's word where there is one."""
    return row.wire_bytes or answer.packet_bytes


def _outlook(answer: Answer) -> str:
    if answer.is_complete:
        return ""
    return ", enough" if answer.is_enough else ", more to come"


def _running(tally: Tally) -> Table:
    grid = Table.grid(padding=(0, 3))
    judged = f"{tally.total('right'):.0f} of {tally.total('judged'):.0f}"
    on_wire = f"wire {number(tally.wire_bytes_per_image)}"
    cells = [
        ("accuracy", f"{percent(tally.accuracy)} ({judged})"),
        ("bytes per image", f"{number(tally.bitstream_bytes_per_image)} ({on_wire})"),
        ("link in use", percent(tally.link_use)),
        ("delivered", f"{tally.n_answered} of {tally.n_captured or UNKNOWN}"),
        ("saved", saved(tally)),
        ("refused", refused(tally)),
    ]
    texts = [Text.assemble((f"{name} ", "dim"), value) for name, value in cells]
    grid.add_row(*texts[:3])
    grid.add_row(*texts[3:])
    return grid


def _latest(tally: Tally) -> Text:
    latest = Text("last  ", style="dim", no_wrap=True, overflow="ellipsis")
    for row in reversed(tally.latest):
        if row.answer is not None:
            style = {True: "green", False: "red", None: ""}[row.is_right]
            mark = {True: "✓", False: "✗", None: ""}[row.is_right]
            latest.append(f"{row.answer.label}{mark}  ", style)
    return latest


def _line(row: Row, tally: Tally) -> str:
    """An answer in one line."""
    assert row.answer is not None
    answer = row.answer
    [(label, probability)] = answer.top(1)
    parts = [f"image {row.name}: {label} {probability:.1%}"]
    if row.truth is not None:
        parts.append(f"truth {row.truth} {'✓' if row.is_right else '✗'}")
    parts.append(f"{answer.bitstream_bytes} bytes, {_wire_bytes(row, answer):.0f} on the wire")
    if not answer.is_complete:
        parts.append(f"{answer.n_known} of {answer.n_latents} symbols{_outlook(answer)}")
    if row.captured is not None:
        parts.append(f"airtime {duration(row.airtime_s)}")
    if row.latency_s is not None:
        parts.append(f"latency {duration(row.latency_s)}")
    if tally.accuracy is not None:
        parts.append(f"accuracy so far {percent(tally.accuracy)}")
    return " · ".join(parts)
