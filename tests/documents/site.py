"""Site: README and docs/ as pages for a browser, without a network and without scripts.

python -m tests.documents.site [FOLDER]           runs/site, unless another is named
"""

import re
import shutil
import sys
from html import escape
from pathlib import Path
from textwrap import dedent, indent

import markdown

from tests.documents.parts import ROOT, pages

OUT = Path("runs/site")
STYLE = """
:root { color-scheme: light dark; --line: #8884; --link: #0a7ea4; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; display: grid;
       grid-template-columns: minmax(13rem, 17rem) minmax(0, 62rem); gap: 0 2.5rem; }
nav { padding: 1.5rem; border-right: 1px solid var(--line); position: sticky; top: 0;
      height: 100vh; box-sizing: border-box; overflow: auto; }
nav a { display: block; padding: .2rem 0; text-decoration: none; }
nav a[aria-current] { font-weight: 700; }
main { padding: 1.5rem 1.5rem 4rem 0; }
a { color: var(--link); }
pre, code { font: .88em/1.4 ui-monospace, monospace; }
pre { overflow: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; display: block; overflow: auto; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left;
         vertical-align: top; }
img { max-width: 100%; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; }
                            main { padding: 1.5rem; } }
"""
EXTENSIONS = ("tables", "fenced_code", "toc", "sane_lists")

IN_A_LIST = re.compile(r"^ +```\w*[^\n]*\n(.*?)^ +```$", re.DOTALL | re.MULTILINE)
"A block there is only understood without its fence."

FILE = re.compile(r"\]\((?:\.\./)?((?!docs/|[.])[\w/.-]+/[\w.-]+\.\w+|[A-Z]+(?:\.cff)?)\)")
"A link to a file of the project that is no page."


def anchor(title: str, separator: str = "-") -> str:
    """What a heading is called in a link, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", separator)


def address(page: Path) -> str:
    """A page's file in the site; the front door is index.html."""
    return "index.html" if page.name == "README.md" else f"{page.stem}.html"


def title_of(text: str) -> str:
    return next(line[2:] for line in text.splitlines() if line.startswith("# "))


def rendered(text: str) -> str:
    """A page's HTML; what a block says to `make docs-check` is left out, links lead to pages."""
    text = re.sub(r"^(```\w+) [^\n`]+$", r"\1", text, flags=re.MULTILINE)
    text = IN_A_LIST.sub(lambda found: indent(dedent(found[1]), " " * 8), text)
    html = markdown.markdown(
        text, extensions=list(EXTENSIONS), extension_configs={"toc": {"slugify": anchor}}
    )
    html = re.sub(r'(href|src)="docs/', r'\1="', html)
    html = html.replace('href="../README.md', 'href="index.html').replace('href="../', 'href="')
    return re.sub(r'href="(?!https?:)([\w-]+)\.md', r'href="\1.html', html)


def build(folder: Path) -> list[Path]:
    """Write the site; the pages that were written."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    for drawing in [*(ROOT / "docs").glob("*.svg"), *(ROOT / "docs").glob("*.png")]:
        shutil.copy(drawing, folder / drawing.name)
    for name in {name for text in texts.values() for name in FILE.findall(text)}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    written = []
    for page, text in texts.items():
        links = "\n".join(
            f'<a href="{address(other)}"{" aria-current=page" if other == page else ""}>'
            f"{escape(title_of(about))}</a>"
            for other, about in texts.items()
        )
        written.append(folder / address(page))
        written[-1].write_text(
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(title_of(text))}</title>\n<style>{STYLE}</style>\n"
            f"<nav>\n{links}\n</nav>\n<main>\n{rendered(text)}\n</main>\n</html>\n",
            encoding="utf-8",
        )
    return written


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    written = build(folder)
    print(f"{len(written)} pages; the first is {folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
