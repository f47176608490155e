"""The page in a real browser: it shows what the store holds and what is new, by mouse, keyboard and
on a phone, and its console stays empty.
"""

import threading
import time
from typing import Any

import pytest

from host_decoder.store.store import Store
from tests.worlds.browser_request import browser, wants_browser
from tests.worlds.page_process import PageProcess
from tests.worlds.small_fleet import SITE, fill
from tests.worlds.small_host import CLASSES

PATIENCE_MS = 20_000
PLACED = {"latitude": 52.1, "longitude": 11.6, "period_s": 3600.0, "bundle": ""}
NAMED = [
    {"site": SITE, "node": 7, "name": "Gate", **PLACED},
    {"site": SITE, "node": 9, "name": "Never heard", **PLACED},
]


@pytest.fixture(scope="module")
def page_process(tmp_path_factory, bundle):
    wants_browser()
    folder = tmp_path_factory.mktemp("page")
    with Store(folder / "host.sqlite", site=SITE) as store:
        fill(store, bundle)
        with PageProcess(store.place, [bundle.path], folder, NAMED) as process:
            yield process


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


class Tab:
    """A tab, and what its console says."""

    def __init__(self, context: Any, url: str) -> None:
        self.errors: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda said: self.errors.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.url = url

    def open(self, path: str, shows: str) -> Any:
        self.page.goto(self.url + path)
        self.page.wait_for_selector(shows)
        return self.page


def shown(page: Any, where: str, text: str) -> None:
    """Waits until it is."""
    page.locator(where).filter(has_text=text).first.wait_for()


@pytest.fixture
def tab(chromium, page_process):
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    tab = Tab(context, page_process.url)
    yield tab
    context.close()
    assert tab.errors == []


def result(image: int, label: str, node: int = 7) -> dict[str, Any]:
    return {
        "event": "result", "site": SITE, "node": node, "image": image, "revision": 1,
        "key": f"{SITE}:{node}:{image}", "label": label, "top": [[label, 0.9]], "confidence": 0.9,
        "is_anomaly": False, "is_complete": True, "received_s": time.time(),
    }  # fmt: skip


def test_the_wall_shows_each_node_and_what_is_new_at_once(tab, page_process):
    page = tab.open("/", ".tile")
    assert page.locator(".tile .name span:first-child").all_inner_texts() == [
        "Gate", "Node 8", "Never heard",
    ]  # fmt: skip
    assert page.locator(".tile.silent .why").inner_text() == "not heard yet"
    shown(page, "#state", "results/s")
    page_process.tell(result(900, "owl"))
    shown(page, ".tile .label", "owl")
    page.get_by_role("searchbox").fill("gate")
    assert page.locator(".tile:visible").count() == 1


def test_the_keyboard_finds_walks_and_opens(tab):
    page = tab.open("/", ".tile")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.press("Escape")
    page.locator(".tile").first.focus()
    page.keyboard.press("ArrowRight")
    assert "Node 8" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cells span")
    assert page.title() == "Node – latentlink"
    assert page.locator("h1").inner_text() == "Node 8"
    page.go_back()
    page.wait_for_selector(".tile")


def test_a_node_has_its_symbols_chunks_and_probabilities(tab):
    page = tab.open(f"/nodes/{SITE}/8", ".cells span")
    assert page.locator(".cells span").count() == 12
    assert page.locator(".parts span").count() >= 1
    shown = page.locator(".heat thead th").all_inner_texts()
    assert set(shown[1:-1]) == set(CLASSES)
    page.wait_for_selector(".uplot canvas")
    assert page.locator(".row").count() == 6


def test_images_are_sifted_labelled_and_shown_as_a_scatter(tab, page_process):
    page = tab.open("/images", ".shot")
    assert page.locator(".shot").count() == 12
    page.get_by_label("Node", exact=True).select_option(f"{SITE}/8")
    page.locator(".shot").nth(6).wait_for(state="detached")
    page.locator(".shot").nth(5).wait_for()
    assert page.locator(".shot").count() == 6
    page.locator(".shot").first.click()
    page.get_by_label("What it shows").fill("barn owl")
    asked: list[bytes] = []

    def answer() -> None:
        asked.append(page_process.process.stdout.readline())
        page_process.tell({"event": "decided", "number": 1, "error": None})

    host = threading.Thread(target=answer)
    host.start()
    page.get_by_role("button", name="Label", exact=True).click()
    shown(page, "#said", "barn owl")
    host.join()
    assert b"barn owl" in asked[0]
    page.get_by_role("button", name="Scatter").click()
    page.wait_for_selector("canvas.scatter")
    page.locator("canvas.scatter").focus()
    page.keyboard.press("ArrowRight")
    shown(page, "p", "node 8, image")


@pytest.mark.parametrize(
    ("path", "shows"),
    [("/link", ".heat td"), ("/map", "svg a"), ("/jobs", "td"), ("/desk", "section")],
)
def test_every_other_page_is_there(tab, path, shows):
    tab.open(path, shows)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_it(chromium, page_process, scheme):
    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    tab = Tab(context, page_process.url)
    paths = {"/": ".tile", f"/nodes/{SITE}/7": ".uplot", "/images": ".shot", "/link": ".heat"}
    for path, shows in paths.items():
        page = tab.open(path, shows)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    root = "getComputedStyle(document.documentElement)"
    ink, paper = page.evaluate(f"[{root}.color, {root}.backgroundColor]")
    lighter = [sum(int(part) for part in one[4:-1].split(",")) for one in (ink, paper)]
    assert (lighter[0] > lighter[1]) == (scheme == "dark")
    context.close()
    assert tab.errors == []


def test_seven_tabs_have_one_connection_and_all_hear_what_is_new(chromium, page_process):
    context = chromium.new_context()
    tabs = [Tab(context, page_process.url) for _ in range(7)]
    pages = [tab.open("/", ".tile") for tab in tabs]
    shown(pages[0], "#state", "results/s")
    page_process.tell(result(901, "lynx"))
    for page in pages:
        shown(page, ".tile .label", "lynx")
    pages[0].close()  # who holds the connection: another goes on
    page_process.tell(result(902, "hare"))
    for page in pages[1:]:
        shown(page, ".tile .label", "hare")
    context.close()
    assert [tab.errors for tab in tabs] == [[]] * 7
