"""Sheets: tables that lose nothing: whole in a pipe, a line for each cell where a terminal is too
narrow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS = 10_000


@dataclass(frozen=True)
class Sheet:
    """A title, a heading for each column, and rows of cells."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        widths = [
            max(map(_longest_word, cells)) for cells in zip(self.headings, *self.rows, strict=True)
        ]
        fits = sum(widths) + 2 * len(widths) + 2 <= options.max_width
        yield self._table(widths) if fits else self._list()

    def _table(self, widths: Sequence[int]) -> Table:
        """Columns at least so wide: a date may be wrapped before its time, and a word nowhere."""
        table = Table(title=Text(self.title), title_justify="left", collapse_padding=True)
        for heading, width in zip(self.headings, widths, strict=True):
            table.add_column(heading, min_width=width)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def _list(self) -> Group:
        lines = [Text(self.title, style="italic", overflow="fold")]
        for row in self.rows:
            lines.append(Text())
            lines += [
                Text.assemble((f"{heading} ", "dim"), cell, overflow="fold")
                for heading, cell in zip(self.headings, row, strict=True)
            ]
        return Group(*lines)


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)


def wide_console() -> Console:
    """As wide as the terminal; without one, so wide that nothing is wrapped."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_COLUMNS)
