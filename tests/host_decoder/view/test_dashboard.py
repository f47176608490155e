"""The dashboard shows image, answer and figures in whatever room there is."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from host_decoder.view.dashboard import Dashboard
from host_decoder.view.summary import summary
from host_decoder.view.tally import Tally
from link.output.terminal import SCHEME, readable_output
from tests.worlds.screens import TITLE, drawn, rows_of
from tests.worlds.small_host import CLASSES, NODE, answer, captured


def test_the_picture_shows_image_answer_and_running_figures(tally):
    text = drawn(Dashboard(TITLE, tally, tally.latest[0]))
    assert "emulated lora-sf7 · bundle blobs 3fa2 · node 7" in text
    assert "image 0  bee  ✓ truth: bee" in text
    for label, percent in (("bee", "91.7%"), ("cat", "6.0%"), ("ape", "2.0%")):
        assert any(label in line and percent in line for line in text.splitlines())
    assert "0.3%" not in text, "only the top three are shown"
    assert "▀" * 40 in text
    for figure in (
        "15 bytes in 1 packet",
        "50.0 ms",
        "250.0 ms",
        "50.0% (1 of 2)",
        "2 of 3",
        "1 replay",
    ):
        assert figure in text
    assert "bee✓" in text
    assert "cat✗" in text


def test_a_wrong_answer_is_crossed(tally):
    assert "image 2  cat  ✗ truth: bee" in drawn(Dashboard(TITLE, tally, tally.latest[1]))


def test_the_view_says_that_picture_and_truth_did_not_cross_the_link(tally):
    text = drawn(Dashboard(TITLE, tally, tally.latest[0]))
    assert "picture and truth are from the node's own console; only packets cross the link" in text


def test_the_pixels_colours_are_the_image_s(tally):
    console = Console(
        record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Dashboard(TITLE, tally, tally.latest[0]))
    assert "#c8c8c8" in console.export_html()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30), (200, 60)])
def test_it_fits_the_terminal(tally, columns, lines):
    text = drawn(Dashboard(TITLE, tally, tally.latest[0], "a notice", lines=lines), columns)
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines())) <= columns


def test_before_the_first_answer_it_waits_and_shows_what_was_sent():
    tally = Tally()
    assert "waiting for the first image" in drawn(Dashboard(TITLE, tally, None))
    tally.add_captured(captured(0), NODE, 0.0)
    assert "▀" in drawn(Dashboard(TITLE, tally, None))


def test_names_with_brackets_are_shown_as_they_are(tally):
    classes = ("[red]", "[/bold]", *CLASSES[2:])
    row = tally.add_answer(replace(answer(2), classes=classes), now_s=3.0)
    text = drawn(Dashboard(TITLE, tally, row))
    assert "[/bold]" in text


def test_a_listener_s_view_has_what_came_and_nothing_that_only_a_node_knows():
    tally = Tally()
    tally.n_lost = 5
    row = tally.add_answer(answer(0), now_s=1.0)
    listening = replace(TITLE, has_console=False)
    text = drawn(Dashboard(listening, tally, row))
    assert f"node {NODE} · image 0  bee  " in text
    assert "the pictures stay on the nodes" in text
    assert "15 bytes in 1 packet" in text
    assert "lost 5 packets" in text
    for untrue in ("truth", "console", "accuracy", "link in use", "delivered", "–", "▀"):
        assert untrue not in text
    rows = rows_of(summary(listening, tally))
    assert rows["images answered / captured"] == "1 / ?"
    assert "–" not in rows.values()


@pytest.mark.parametrize(
    ("columns", "lines"),
    [(200, 60), (120, 40), (80, 24), (60, 20), (50, 18), (40, 12), (30, 20), (20, 10), (10, 4)],
)
@pytest.mark.parametrize(
    "notice", ["", "a notice that goes on and on until its line is full and then some more of it"]
)
def test_the_figures_stay_in_whatever_room_there_is(tally, columns, lines, notice):
    tally.n_lost = 7
    shown = Dashboard(replace(TITLE, n_images=60), tally, tally.latest[0], notice, lines)
    text = drawn(shown, columns)
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines())) <= columns
    if columns >= 30 and lines >= 18:
        for figure in (
            "bee",
            "91.7%",
            "50.0% (1 of 2)",
            "image 1 of 60",
            "captured 3 of 60",
            "delivered 2 of 3",
            "left about 65 s",
            "lost 7 packets",
        ):
            assert figure in text
        assert "sent again 0 chunks" in text
        assert "last  " in text
    assert ("▀" in text) == (columns >= 50), "the picture goes first"


def test_a_title_that_is_cut_says_so(tally):
    assert (
        "…"
        in drawn(
            Dashboard(replace(TITLE, link="a link of many words" * 9), tally, None)
        ).splitlines()[0]
    )


def test_a_terminal_without_the_signs_keeps_its_columns(tally):
    latin = io.TextIOWrapper(io.BytesIO(), encoding="iso-8859-1", errors="strict")
    console = Console(file=latin, width=50, force_terminal=True, color_system=None)
    tally.n_lost = 7
    readable_output()
    latin.reconfigure(errors=SCHEME)
    console.print(
        Dashboard(replace(TITLE, link="a link of many words" * 9), tally, tally.latest[0], lines=18)
    )
    latin.flush()
    lines = latin.buffer.getvalue().decode("iso-8859-1").splitlines()
    assert {len(line) for line in lines} == {50}
    assert "..." in lines[0]
    assert any("truth: bee" in line for line in lines)


@pytest.mark.parametrize(("columns", "lines"), [(200, 60), (80, 24), (72, 22)])
def test_a_legend_explains_the_figures_where_there_is_room(tally, columns, lines):
    text = drawn(Dashboard(TITLE, tally, tally.latest[0], lines=lines), columns)
    assert "link in use: the node held the line" in " ".join(text.replace("│", "").split())
    assert len(text.splitlines()) <= lines


@pytest.mark.parametrize("columns", range(50, 201, 5))
@pytest.mark.parametrize("lines", [18, 21, 24, 30, 43, 60])
def test_nothing_that_counts_is_cut_off_from_50_by_18_on(tally, columns, lines):
    tally.n_lost = 7
    title = replace(TITLE, link="emulated rn2483-sf12, loss edge", n_images=1000)
    shown = Dashboard(title, tally, tally.latest[0], "a notice of some length", lines)
    text = drawn(shown, columns)
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines())) <= columns
    flat = " ".join(text.replace("│", " ").replace("▀", "").split())
    for figure in (
        *("loss edge", "image 1 of 1000", "bee", "91.7%", "12 of 12 received", "a notice"),
        *("accuracy 50.0% (1 of 2)", "captured 3 of 1000", "delivered 2 of 3", "left about 19 min"),
        *("lost 7 packets", "sent again 0 chunks", "refused 1 replay", "last cat✗ bee✓"),
    ):
        assert figure in flat, f"{figure} is not in\n{text}"
