"""The view: what a person sees while images arrive. A picture that is redrawn in a terminal, a line each elsewhere."""

import time
from dataclasses import dataclass
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
from host_decoder.tally import Row, Tally

REFRESH_PERIOD_S = 0.1
BAR_COLUMNS = 28
CAPTION = "picture and truth are from the node's own console; only packets cross the link"
OTHER_LINES = 8
"Of the whole picture, beside the image."
UNKNOWN = "–"
NO_PICTURE = "the picture stays\non the node"


@dataclass(frozen=True)
class Title:
    """What does not change during a run."""

    bundle: str
    link: str
    node: str


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
        shown = (tally.n_sent, tally.n_answered, tally.refusals.total(), self._row, self._notice)
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
    if row is None or row.sent is None:
        return Panel(Align.center(Text(NO_PICTURE, style="dim"), vertical="middle"), width=32, height=10)
    return half_blocks(row.sent.pixels, pixel_rows=min(PIXEL_ROWS, 2 * n_lines))


def _answer(row: Row | None) -> RenderableType:
    if row is None or row.answer is None:
        return Text("waiting for the first image …", style="dim")
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(row, row.answer):
        facts.add_row(Text(name, style="dim"), value)
    return Group(_verdict(row, row.answer), Text(), _bars(row.answer), Text(), facts)


def _verdict(row: Row, answer: Answer) -> Text:
    verdict = Text.assemble((f"image {answer.image}  ", "dim"), (answer.label, "bold"))
    if row.is_right is not None and row.sent is not None:
        mark, style = ("✓", "bold green") if row.is_right else ("✗", "bold red")
        verdict.append(f"  {mark} ", style).append(f"truth: {row.sent.truth}", "dim")
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
    n_packets = f"{answer.n_chunks} packet{'s' if answer.n_chunks > 1 else ''}"
    facts = [
        ("bitstream", f"{answer.bitstream_bytes} bytes"),
        ("on the wire", f"{row.sent.wire_bytes if row.sent else answer.packet_bytes} bytes in {n_packets}"),
        ("symbols", f"{answer.n_known} of {answer.n_latents}" + ("" if answer.is_complete else ", more to come")),
    ]
    if row.sent is not None:
        facts.append(("airtime", _duration(row.sent.airtime_s)))
        facts.append(("node's work", _duration(sum(row.sent.node_ms.values()) / 1000)))
    if row.latency_s is not None:
        facts.append(("latency", _duration(row.latency_s)))
    return facts


def _running(tally: Tally) -> Table:
    grid = Table.grid(padding=(0, 3))
    judged = f"{tally.total('right'):.0f} of {tally.total('judged'):.0f}"
    on_wire = f"wire {_number(tally.wire_bytes_per_image)}"
    cells = [
        ("accuracy", f"{_percent(tally.accuracy)} ({judged})"),
        ("bytes per image", f"{_number(tally.bitstream_bytes_per_image)} ({on_wire})"),
        ("link in use", _percent(tally.link_use)),
        ("answered", f"{tally.n_answered} images"),
        ("lost", UNKNOWN if tally.n_lost is None else f"{tally.n_lost} of {tally.n_sent} sent"),
        ("refused", _refused(tally)),
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
    wire_bytes = row.sent.wire_bytes if row.sent else answer.packet_bytes
    parts = [f"image {answer.image}: {label} {probability:.1%}"]
    if row.sent is not None and row.sent.truth is not None:
        parts.append(f"truth {row.sent.truth} {'✓' if row.is_right else '✗'}")
    parts.append(f"{answer.bitstream_bytes} bytes, {wire_bytes} on the wire")
    if not answer.is_complete:
        parts.append(f"{answer.n_known} of {answer.n_latents} symbols, more to come")
    if row.sent is not None:
        parts.append(f"airtime {_duration(row.sent.airtime_s)}")
    if row.latency_s is not None:
        parts.append(f"latency {_duration(row.latency_s)}")
    if tally.accuracy is not None:
        parts.append(f"accuracy so far {_percent(tally.accuracy)}")
    return " · ".join(parts)


def summary(title: Title, tally: Tally, first_label_s: float | None = None) -> Table:
    """The table at the end of a run."""
    n_sent = tally.n_sent or "?"
    airtime_s = tally.airtime_s_per_image
    rows = [
        ("bundle", title.bundle),
        ("link", title.link),
        ("images answered / sent", f"{tally.n_answered} / {n_sent}"),
        ("accuracy of the answered", _percent(tally.accuracy)),
        ("accuracy of all sent", _percent(tally.accuracy_of_sent)),
        ("bitstream per image", f"{_number(tally.bitstream_bytes_per_image)} bytes"),
        ("on the wire per image", f"{_number(tally.wire_bytes_per_image)} bytes"),
        ("airtime per image", UNKNOWN if airtime_s is None else _duration(airtime_s)),
        ("link in use", _percent(tally.link_use)),
        ("first label after", UNKNOWN if first_label_s is None else _duration(first_label_s)),
        ("refused", _refused(tally)),
    ]
    table = Table(show_header=False)
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def _refused(tally: Tally) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in tally.refusals.most_common()) or "none"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _percent(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.1%}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
