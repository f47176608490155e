"""Report: docs/results.md and docs/results.html, from the results files that are here.

The HTML file holds its plots and needs nothing beside it; it is large, and not in git.
"""

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.studies import catalogue, goals
from tests.studies.common import DOCS, Table

TITLE = "latentlink: results of the studies"
INTRODUCTION = (
    "Every figure is of test images, each through the int8 encoder, the wire coder and the host's "
    "decoder; bytes are per image. Checkpoints are chosen on a validation split. Of the copy of "
    "CIFAR-10 measured here, 170 of the 60,000 images (32 of the test split) are JPEG copies of "
    "the originals. ± is the standard deviation over seeds. Reduced sizes are what a CPU can train "
    "in an hour or two, far from the published schedules; medium ones were trained to the end on a "
    "GPU; `--size full` is the same command with the paper's models and schedules. Commands are "
    "those of the revision beside them; today a study is run by `python -m tests.studies NAME`."
)
STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto}"
    "td,th{padding:.2em .8em;text-align:left}svg{max-width:100%}"
)


@dataclass(frozen=True)
class Section:
    """One study in the report."""

    title: str
    about: str
    made_by: str
    tables: Sequence[Table]
    plot: Path


def sections() -> Iterator[Section]:
    for study in catalogue.STUDIES:
        for path in catalogue.written(study):
            if path.stem.startswith("study-"):
                yield section(study, path)


def section(study: str, path: Path) -> Section:
    result = json.loads(path.read_text(encoding="utf-8"))
    title, rest = catalogue.about(study)
    title = title[:1].upper() + title[1:]
    title = f"{title} ({result['size']})" if "size" in result else title
    tables = catalogue.module(study).tables(result)
    return Section(title, " ".join(rest.split()), origin(result), tables, DOCS / f"{path.stem}.svg")


def origin(result: dict[str, Any]) -> str:
    """Command, revision, machine, seeds, epochs, time."""
    parts = [
        f"`{result['command']}`",
        f"revision {result['commit'][:12]}",
        f"{result['machine']['cpu']}, {result['machine']['cores']} cores",
        f"seeds {', '.join(map(str, result['seeds']))}" if result["seeds"] else "",
        f"epochs {json.dumps(result['epochs'])}" if "epochs" in result else "",
        f"{result['wall_s'] / 60:.0f} min (what was trained before not counted)"
        if "wall_s" in result
        else "",
    ]
    return "; ".join(part for part in parts if part)


def markdown(all_sections: Sequence[Section]) -> str:
    lines = [
        f"# {TITLE}",
        "",
        INTRODUCTION,
        "",
        "## Goals",
        "",
        goals.REASON,
        "",
        *markdown_table(goals.table()),
        "",
    ]
    lines += [goals.ABOUT_OTHERS, "", *markdown_table(goals.others()), ""]
    for section in all_sections:
        lines += [f"## {section.title}", "", section.about, "", section.made_by, ""]
        lines += [f"![{section.title}]({section.plot.name})", ""]
        for table in section.tables:
            lines += [*markdown_table(table), ""]
    return "\n".join(lines)


def markdown_table(table: Table) -> list[str]:
    return [row(table.header), row(["---"] * len(table.header)), *map(row, table.rows)]


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page(all_sections: Sequence[Section]) -> str:
    body = [f"<h1>{html.escape(TITLE)}</h1><p>{html.escape(INTRODUCTION)}</p>"]
    body += [f"<h2>Goals</h2><p>{html.escape(goals.REASON)}</p>", html_table(goals.table())]
    body += [f"<p>{html.escape(goals.ABOUT_OTHERS)}</p>", html_table(goals.others())]
    for section in all_sections:
        body.append(f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.about)}</p>")
        body.append(f"<p><small>{html.escape(section.made_by)}</small></p>")
        drawing = section.plot.read_text(encoding="utf-8")
        body.append(drawing[drawing.index("<svg") :])
        for table in section.tables:
            body.append(html_table(table))
    return (
        "<!doctype html><meta "
        f"charset=utf-8><title>{TITLE}</title><style>{STYLE}</style>{''.join(body)}\n"
    )


def html_table(table: Table) -> str:
    rows = [html_row("th", table.header), *(html_row("td", cells) for cells in table.rows)]
    return f"<table>{''.join(rows)}</table>"


def html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def main(_: object) -> None:
    found = list(sections())
    for name, text in (("results.md", markdown(found)), ("results.html", page(found))):
        (DOCS / name).write_text(text, encoding="utf-8")
        print(DOCS / name)
