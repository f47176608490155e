"""Contact sheet: every folder's pictures on one page that needs nothing beside it, the most typical
first and the odd ones last, where one looks for what does not belong.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from host_decoder.collect.gathered import Gathered, own_name
from host_decoder.collect.sorting import Folder
from link.base import durable
from link.picture import UnreadableImageError, files_below, read_picture, writer

SHEET = "contact-sheet.html"
THUMBNAIL, QUALITY = 112, 75
"Pixels of the shorter side; a hundred pictures make half a megabyte."
N_TYPICAL, N_ODD = 24, 24
"Shown of a folder, from both ends."
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2em; background: #fff; color: #222 }}
h2 {{ margin: 1.4em 0 .3em; font-size: 1.1em }} h2 span, p {{ color: #666; font-weight: normal }}
div {{ display: flex; flex-wrap: wrap; gap: 4px }}
img {{ height: 112px; min-width: 60px; image-rendering: pixelated; background: #eee }}
.labelled h2 {{ color: #286 }}
</style></head><body>
<h1>{title}</h1>
<p>In each folder the most typical pictures come first and the odd ones last. Rename a folder to
what it shows, move odd pictures where they belong, put a folder into another of its kind, delete
what is of no use. A folder that keeps its name is left out of training.</p>
{folders}
</body></html>
"""


def write_sheet(out: Path, folders: Sequence[Folder], pictures: Sequence[Gathered]) -> Path:
    """The page, beside the folders; its path."""
    symbols = {one.path.stem: one for one in pictures}
    sections = [_section(folder, symbols) for folder in sorted(folders, key=_unlabelled_first)]
    page = PAGE.format(title=html.escape(out.resolve().name), folders="\n".join(sections))
    with durable.whole(out / SHEET) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return out / SHEET


def _unlabelled_first(folder: Folder) -> tuple[bool, str]:
    return folder.is_labelled, folder.path.name


def _section(folder: Folder, symbols: Mapping[str, Gathered]) -> str:
    paths = in_order(files_below(folder.path), symbols)
    shown = paths
    if len(paths) > N_TYPICAL + N_ODD:
        shown = [*paths[:N_TYPICAL], *paths[-N_ODD:]]
    hidden = f", {len(paths) - len(shown)} not shown" if len(shown) < len(paths) else ""
    images = "".join(_image(path) for path in shown)
    name = html.escape(folder.path.name)
    kind = "" if folder.is_labelled else ' class="labelled"'
    head = f"<h2>{name} <span>{len(paths)}{hidden}</span></h2>"
    return f"<section{kind}>{head}<div>{images}</div></section>"


def in_order(paths: Sequence[Path], symbols: Mapping[str, Gathered]) -> list[Path]:
    """The most typical of a folder first; those of which no symbols are known come last."""
    known = [path for path in paths if own_name(path.stem) in symbols]
    others = [path for path in paths if own_name(path.stem) not in symbols]
    ordered = []
    of_each = [symbols[own_name(path.stem)] for path in known]
    for kind in dict.fromkeys((one.bundle, len(one.symbols)) for one in of_each):
        places = [n for n, one in enumerate(of_each) if (one.bundle, len(one.symbols)) == kind]
        points = np.array([of_each[place].symbols for place in places], np.float64)
        distances = ((points - np.median(points, axis=0)) ** 2).sum(axis=1)
        ordered += [known[places[n]] for n in np.argsort(distances, kind="stable")]
    return [*ordered, *others]


def _image(path: Path) -> str:
    try:
        pixels = read_picture(path, at_least=THUMBNAIL)
    except UnreadableImageError:
        return ""
    content = base64.b64encode(writer.to_jpeg(pixels, THUMBNAIL, QUALITY)).decode()
    title = html.escape(path.name, quote=True)
    return f'<img src="data:image/jpeg;base64,{content}" title="{title}" alt="">'
