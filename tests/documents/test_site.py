"""The site has every page, and every link in it leads to a page, a drawing or a heading of it."""

import re

import pytest

from tests.documents.parts import pages
from tests.documents.site import address, build, rendered


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    build(folder)
    return folder


def test_every_page_is_there_and_leads_to_every_other(site):
    names = {address(page) for page in pages()}
    assert {path.name for path in site.glob("*.html")} == names
    index = (site / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}"' in index for name in names)


def test_every_link_leads_somewhere(site):
    wrong = []
    for path in sorted(site.glob("*.html")):
        html = path.read_text(encoding="utf-8")
        for target, heading in re.findall(r'(?:href|src)="([^"#:]*)(?:#([^"]*))?"', html):
            file = site / target if target else path
            is_there = file.is_file()
            if is_there and heading:
                is_there = f'id="{heading}"' in file.read_text(encoding="utf-8")
            if not is_there:
                wrong.append(f"{path.name}: {target}#{heading}")
    assert wrong == []


def test_a_table_a_block_and_a_block_in_a_list_are_what_they_should_be():
    html = rendered("| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh dry\nmake help\n```\n")
    assert "<td>1</td>" in html
    assert '<code class="language-sh">make help' in html
    assert "dry" not in html
    html = rendered("1. Write:\n\n   ```toml\n   node = 1\n   ```\n\n2. Go.\n")
    assert html.count("<ol>") == 1
    assert "<code>node = 1" in html
