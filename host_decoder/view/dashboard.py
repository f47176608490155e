"""The dashboard: one image beside its answer and the running figures, drawn into whatever space
there is.

The figures count most: in a small terminal the picture shrinks, then goes; then facts go, the last
first; then the frame. Nothing is wrapped or scrolled out of sight.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from host_decoder.events import Answer
from host_decoder.view.halfblock import COLUMNS, PIXEL_ROWS, half_blocks
from host_decoder.view.row import Row
from host_decoder.view.summary import Title, about, duration, number, percent, refused, saved
from host_decoder.view.tally import Tally
from host_decoder.view.team import groups_line, team_line

CAPTION = "picture and truth are from the node's own console; only packets cross the link"
LISTENER_CAPTION = "the pictures stay on the nodes; only packets cross the link"
BAR_COLUMNS = 28
ANSWER_COLUMNS = 34
"What an answer needs beside a picture."
LEAST_PICTURE = (10, 5)
"Columns and lines; a smaller one shows nothing."
FRAMED = (40, 12)
"Columns and lines from which on there is a frame."
LEAST_ANSWER_LINES = 4
LEGEND = "symbols: the image's code, as far as it came · on the wire: bytes with seal and header"
NODE_LEGEND = (
    " · sent again: chunks that were lost on the way · link in use: the node held the line"
)
LEGEND_FROM = 12
"Lines for picture and answer from which on it stands below them."


@dataclass(frozen=True)
class Dashboard:
    """All of it; `lines` is the room from top to bottom."""

    title: Title
    tally: Tally
    row: Row | None
    notice: str = ""
    lines: int = 28

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        columns, cut = options.max_width, "..." if options.ascii_only else "…"
        title = self.title
        heading = f"{title.link} · bundle {title.bundle} · node {title.node}"
        if columns < FRAMED[0] or self.lines < FRAMED[1]:
            lines = [Text(heading, style="cyan"), *self._parts(console, columns, self.lines - 1)]
            yield Group(*_all_fitted(lines, columns, cut))
            return
        caption = CAPTION if title.has_console else LISTENER_CAPTION
        parts = self._parts(console, columns - 4, self.lines - 2)
        yield Panel(
            Group(*_all_fitted(parts, columns - 4, cut)),
            title=_fitted(Text(heading), columns - 6, cut),
            title_align="left",
            subtitle=_fitted(Text(caption, style="dim"), columns - 6, cut),
            subtitle_align="left",
            border_style="cyan",
        )

    def _parts(self, console: Console, columns: int, lines: int) -> list[RenderableType]:
        """The answer with or without its picture, then the figures; at most so many lines."""
        tail: list[RenderableType] = [
            Text(),
            *_packed(_cells(self.title, self.tally), columns),
            _latest(self.tally),
        ]
        if self.tally.team is not None:
            tail.insert(1, team_line(self.tally.team))
        if self.notice:
            tail += Text(self.notice, style="yellow").wrap(console, columns)[:2]
        is_spaced = True
        while len(tail) > 1 and lines - len(tail) < LEAST_ANSWER_LINES:
            tail.pop(0 if is_spaced else -1)
            is_spaced = False
        words = LEGEND + (NODE_LEGEND if self.title.has_console else "")
        legend = Text(words, style="dim").wrap(console, columns)
        if lines - len(tail) - len(legend) >= LEGEND_FROM:
            tail += legend
        body_lines = max(1, lines - len(tail))
        picture = self._picture(columns, body_lines)
        if picture is None:
            return [*self._answer(columns, body_lines), *tail][:lines]
        body = Table.grid(padding=(0, 2))
        answer_columns = columns - max(map(cell_len, picture.plain.splitlines())) - 2
        body.add_row(picture, Group(*self._answer(answer_columns, body_lines)))
        return [body, *tail]

    def _picture(self, columns: int, lines: int) -> Text | None:
        row = self.row or self.tally.newest
        room = min(COLUMNS, columns - ANSWER_COLUMNS - 2)
        if (
            row is None
            or row.captured is None
            or room < LEAST_PICTURE[0]
            or lines < LEAST_PICTURE[1]
        ):
            return None
        pixels = np.frombuffer(row.captured.pixels, np.uint8).reshape(row.captured.shape)
        return half_blocks(pixels, room, min(PIXEL_ROWS, 2 * lines))

    def _answer(self, columns: int, lines: int) -> list[Text]:
        """The label, the most probable classes, the facts; with blanks between where there is
        room.
        """
        row = self.row
        if row is None or row.answer is None:
            return [Text("waiting for the first image …", style="dim", no_wrap=True)]
        title = self.title
        first = answer_line(row, row.answer, title.has_console, title.n_images)
        bars, facts = _bars(row.answer, columns), _facts(row, row.answer)
        if len(bars) + len(facts) + 3 <= lines:
            return [first, Text(), *bars, Text(), *facts]
        return [first, *bars, *facts][:lines]


def answer_line(
    row: Row, answer: Answer, has_console: bool = True, n_images: int | None = None
) -> Text:
    """What the image is taken for, and whether that is right."""
    name = row.called(n_images) if has_console else f"node {answer.node} · image {row.name}"
    line = Text.assemble((f"{name}  ", "dim"), (answer.label, "bold"))
    if answer.is_strange:
        line.append("  none of these?", "yellow")
    if row.is_right is not None:
        mark, style = ("✓", "bold green") if row.is_right else ("✗", "bold red")
        line.append(f"  {mark} ", style).append(f"truth: {row.truth}", "dim")
    if not has_console:
        line.append(f"  {datetime.fromtimestamp(answer.received_s):%H:%M:%S}", "dim")
    return line


def wire_bytes(row: Row, answer: Answer) -> float:
    """By the node's word where there is one."""
    return row.wire_bytes or answer.packet_bytes


def outlook(answer: Answer) -> str:
    """Whether more of an image is to come."""
    if answer.is_complete:
        return ""
    return ", enough" if answer.is_enough else ", more to come"


def _bars(answer: Answer, columns: int) -> list[Text]:
    top = answer.top()
    longest = max(cell_len(label) for label, _ in top)
    label_columns = min(longest, max(6, columns // 3))
    n_columns = max(1, min(BAR_COLUMNS, columns - label_columns - 8))
    lines = []
    for label, probability in top:
        n_eighths = round(8 * n_columns * probability)
        bar = "█" * (n_eighths // 8) + " ▏▎▍▌▋▊▉"[n_eighths % 8].strip()
        line = Text.assemble(
            set_cell_size(label, label_columns), " ", (bar.ljust(n_columns), "cyan")
        )
        lines.append(line.append(f" {probability:6.1%}"))
    return lines


def _facts(row: Row, answer: Answer) -> list[Text]:
    """Name and value of what is known of the image, the most wanted first."""
    n_packets = row.n_packets or answer.n_chunks
    whole = f" of {row.captured.bitstream_bytes}" if row.captured else ""
    facts: list[tuple[str, str | Text]] = [
        ("symbols", f"{answer.n_known} of {answer.n_latents} received{outlook(answer)}")
    ]
    if answer.confidence is not None:
        facts.append(("confidence", percent(answer.confidence)))
    if answer.alive is not None:
        facts.append(("alive", groups_line(answer.alive)))
    facts += [
        ("bitstream", f"{answer.bitstream_bytes}{whole} bytes"),
        (
            "on the wire",
            (
                f"{wire_bytes(row, answer):.0f} bytes in {n_packets} "
                f"packet{'s' if n_packets > 1 else ''}"
            ),
        ),
    ]
    if row.latency_s is not None:
        facts.append(("latency", duration(row.latency_s)))
    if row.captured is not None:
        facts.append(("airtime", duration(row.airtime_s)))
        facts.append(("node's work", duration(sum(row.captured.ms.values()) / 1000)))
    return [Text.assemble((f"{name:<12} ", "dim"), value) for name, value in facts]


def _cells(title: Title, tally: Tally) -> list[Text]:
    """The running figures; what only a node's console tells is left out where there is none."""
    cells = [
        ("bytes per image", number(tally.figure("bytes_per_image"))),
        ("on the wire", number(tally.figure("wire_bytes_per_image"))),
        ("refused", refused(tally)),
    ]
    lost = [] if tally.n_lost is None else [("lost", f"{tally.n_lost} packets")]
    left_s = None if title.n_images is None else tally.time_left_s(title.n_images)
    left = [] if left_s is None else [("left", f"about {about(left_s)}")]
    if title.has_console:
        judged = f"{tally.total('right'):.0f} of {tally.total('judged'):.0f}"
        of_all = f" of {title.n_images}" if title.n_images else ""
        cells = [
            ("accuracy", f"{percent(tally.figure('accuracy'))} ({judged})"),
            ("captured", f"{tally.n_captured}{of_all}"),
            ("delivered", f"{tally.n_answered} of {tally.n_captured}"),
            *left,
            ("link in use", f"{percent(tally.link_use)} of the time"),
            *lost,
            ("sent again", f"{tally.total('repeated'):.0f} chunks"),
            *cells,
        ]
    else:
        cells = [("images", str(tally.n_answered)), *lost, *cells]
    if tally.total("stopped"):
        cells.append(("saved", saved(tally)))
    return [Text.assemble((f"{name} ", "dim"), value) for name, value in cells]


def _packed(cells: Sequence[Text], columns: int) -> list[Text]:
    """As many beside each other as fit, in order."""
    lines: list[Text] = []
    for cell in cells:
        if lines and lines[-1].cell_len + 3 + cell.cell_len <= columns:
            lines[-1] = Text.assemble(lines[-1], "   ", cell)
        else:
            lines.append(cell)
    return lines


def _latest(tally: Tally) -> Text:
    latest = Text("last  ", style="dim")
    for row in reversed(tally.latest):
        if row.answer is not None:
            style = {True: "green", False: "red", None: ""}[row.is_right]
            mark = {True: "✓", False: "✗", None: ""}[row.is_right]
            latest.append(f"{row.answer.label}{mark}  ", style)
    return latest


def _all_fitted(parts: Sequence[RenderableType], columns: int, cut: str) -> list[RenderableType]:
    return [_fitted(part, columns, cut) if isinstance(part, Text) else part for part in parts]


def _fitted(line: Text, columns: int, cut: str) -> Text:
    """A line that is too long ends with a sign that it was cut."""
    if line.cell_len <= columns:
        return line
    fitted = line.copy()
    fitted.no_wrap = True
    fitted.overflow = "crop"
    fitted.truncate(max(0, columns - len(cut)), overflow="crop")
    return fitted.append(cut)
