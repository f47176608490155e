"""The page a person reads: whole in itself, for screen readers too, and of any file names."""

from html.parser import HTMLParser

import pytest

from export.photo_report.page import page
from tests.worlds.examined_photos import examined_photos
from tests.worlds.small_bundle import make_bundle


class Elements(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "bundle")


def test_it_is_whole_in_itself_and_closes_what_it_opens(bundle, tmp_path):
    text = page(examined_photos(), bundle, tmp_path)
    elements = Elements(text)
    assert elements.open == []
    assert not elements.of("script") + elements.of("link") + elements.of("iframe")
    assert all(
        str(image["src"]).startswith("data:image/jpeg;base64,") for image in elements.of("img")
    )
    assert "http" not in text
    assert "url(" not in text
    assert str(tmp_path) not in text


def test_screen_readers_and_dark_screens_are_served(bundle):
    elements = Elements(page(examined_photos(), bundle, None))
    [html] = elements.of("html")
    assert html["lang"] == "en"
    assert "color-scheme: light dark" in elements.text
    assert len(elements.of("img")) == 7
    assert all("said" in str(image["alt"]) for image in elements.of("img"))
    assert all("scope" in head for head in elements.of("th"))
    assert len(elements.of("table")) == len(elements.of("caption")) == 4
    assert [tag for tag, _ in elements.found if tag in ("h1", "h2")] == ["h1"] + 6 * ["h2"]


def test_names_are_text_whatever_they_are(bundle):
    text = page(examined_photos(), bundle, None)
    assert "<owl>" not in text
    assert "\u202e" not in text
    assert '"0".jpg' not in text
    elements = Elements(text)
    assert "my <photos>: what the model makes" in elements.text
    assert any('/"' in str(image["alt"]) for image in elements.of("img"))


def test_both_figures_are_said_and_only_where_there_are_two(bundle):
    text = Elements(page(examined_photos(), bundle, None)).text
    assert "75.0% (57% to 87%) of 28 test photos" in text
    assert "Of 20 other photos, kept aside from series that were, 95.0% (76% to 99%)" in text
    assert "this figure flatters" in page(examined_photos(siblings=None), bundle, None)


def test_a_model_without_faults_has_no_worst_photos(bundle):
    perfect = examined_photos([[5, 0, 0], [0, 5, 0], [0, 0, 5]])
    elements = Elements(page(perfect, bundle, None))
    assert elements.of("img") == []
    assert "worst photos" not in elements.text
