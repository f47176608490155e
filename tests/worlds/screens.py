"""Screens: what is drawn, as text."""

import io

from rich.console import Console

from host_decoder.view.summary import Title

TITLE = Title(bundle="blobs 3fa2", link="emulated lora-sf7", node="7")


def drawn(renderable, width: int = 100) -> str:
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(renderable)
    return console.export_text()


def rows_of(table) -> dict[str, str]:
    lines = [line.split("│") for line in drawn(table).splitlines() if "│" in line]
    return {line[1].strip(): line[2].strip() for line in lines}
