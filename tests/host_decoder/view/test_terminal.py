"""The view shows what a person needs to follow a run, in a terminal and without one."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from host_decoder.decode.verdict import Strangeness
from host_decoder.view.dashboard import answer_line
from host_decoder.view.row import Row
from host_decoder.view.statistics_view import link_tables
from host_decoder.view.summary import Title, summary
from host_decoder.view.tally import Tally
from host_decoder.view.terminal import (
    Dashboard,
    LiveScreen,
    PlainScreen,
    _line,
    dashboard,
    make_screen,
)
from link.host.interface import NotUsed, Reason
from link.host.losses import Losses
from link.host.statistics import NodeStatistics
from link.medium.profiles import get_profile
from link.output.terminal import SCHEME, readable_output
from tests.worlds.small_host import CLASSES, NODE, answer, captured, sent

TITLE = Title(bundle="blobs 3fa2", link="emulated lora-sf7", node="7")


@pytest.fixture
def tally():
    """One right answer, one image that is missing, one wrong answer, one refusal."""
    tally = Tally(get_profile("lora-sf7"))
    probabilities = np.array([0.02, 0.917, 0.06, 0.003], np.float32)
    for image, label in ((0, 1), (1, None), (2, 2)):
        grey = replace(captured(image), pixels=bytes([200] * 64), shape=(8, 8, 1))
        tally.add_captured(grey, NODE, image)
        tally.add_sent(sent((image, 0, 4)), NODE, image)
        if label is not None:
            order = np.roll(probabilities, label - 1)
            tally.add_answer(replace(answer(image), probabilities=order), now_s=image + 0.25)
    tally.add_rejected(NotUsed(Reason.REPLAY, "seen before"))
    return tally


def drawn(renderable, width: int = 100) -> str:
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(renderable)
    return console.export_text()


def test_the_picture_shows_image_answer_and_running_figures(tally):
    text = drawn(dashboard(TITLE, tally, tally.latest[0]))
    assert "blobs 3fa2 · emulated lora-sf7 · node 7" in text
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
    assert "image 2  cat  ✗ truth: bee" in drawn(dashboard(TITLE, tally, tally.latest[1]))


def test_the_view_says_that_picture_and_truth_did_not_cross_the_link(tally):
    text = drawn(dashboard(TITLE, tally, tally.latest[0]))
    assert "picture and truth are from the node's own console; only packets cross the link" in text


def test_the_pixels_colours_are_the_image_s(tally):
    console = Console(
        record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(dashboard(TITLE, tally, tally.latest[0]))
    assert "#c8c8c8" in console.export_html()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30), (200, 60)])
def test_it_fits_the_terminal(tally, columns, lines):
    text = drawn(
        dashboard(TITLE, tally, tally.latest[0], "a notice", picture_lines=lines - 8), columns
    )
    assert len(text.splitlines()) <= lines
    assert max(map(len, text.splitlines())) <= columns


def test_before_the_first_answer_it_waits_and_shows_what_was_sent():
    tally = Tally()
    assert "waiting for the first image" in drawn(dashboard(TITLE, tally, None))
    tally.add_captured(captured(0), NODE, 0.0)
    assert "▀" in drawn(dashboard(TITLE, tally, None))


def test_names_with_brackets_are_shown_as_they_are(tally):
    classes = ("[red]", "[/bold]", *CLASSES[2:])
    row = tally.add_answer(replace(answer(2), classes=classes), now_s=3.0)
    text = drawn(dashboard(TITLE, tally, row))
    assert "[/bold]" in text


def test_a_listener_s_view_has_what_came_and_nothing_that_only_a_node_knows():
    tally = Tally()
    tally.n_lost = 5
    row = tally.add_answer(answer(0), now_s=1.0)
    listening = replace(TITLE, has_console=False)
    text = drawn(dashboard(listening, tally, row))
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
            "captured 3 of 60",
            "delivered 2 of 3",
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


def test_what_was_on_its_way_when_a_run_was_interrupted_is_not_wrong(tally):
    rows = rows_of(summary(TITLE, tally, is_interrupted=True))
    assert rows["accuracy of all captured"] == "50.0%, 1 that were on their way left out"


def test_without_a_terminal_there_is_a_line_per_image(tally):
    stream = io.StringIO()
    console = Console(file=stream, width=40)
    with make_screen(TITLE, console) as view:
        assert isinstance(view, PlainScreen)
        for row in tally.latest:
            view.show(tally, row)
        view.tick(tally)
        view.notice("a notice")
    first, *images, notice = stream.getvalue().splitlines()
    assert first == "bundle blobs 3fa2 over emulated lora-sf7, node 7"
    assert images[0] == (
        "image 0: bee 91.7% · truth bee ✓ · 4 bytes, 15 on the wire · airtime 50.0 ms · "
        "latency 250.0 ms · "
        "accuracy so far 50.0%"
    )
    assert images[1].startswith("image 2: cat 91.7% · truth bee ✗")
    assert notice == "a notice"


@pytest.mark.parametrize(("is_enough", "outlook"), [(False, "more to come"), (True, "enough")])
def test_a_partial_answer_says_whether_more_comes(tally, is_enough, outlook):
    row = tally.add_answer(
        replace(answer(2), n_known=5, is_complete=False, is_enough=is_enough), now_s=3.0
    )
    stream = io.StringIO()
    PlainScreen(TITLE, Console(file=stream)).show(tally, row)
    assert f"5 of 12 symbols, {outlook}" in stream.getvalue()


def test_a_terminal_gets_the_live_view_unless_lines_are_wanted(tally):
    stream = io.StringIO()
    console = Console(file=stream, width=100, height=40, force_terminal=True)
    assert isinstance(make_screen(TITLE, console, is_plain=True), PlainScreen)
    dumb = Console(file=stream, force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(make_screen(TITLE, dumb), PlainScreen), "where nothing can be drawn over"
    with make_screen(TITLE, console) as view:
        assert isinstance(view, LiveScreen)
        view.show(tally, tally.latest[0])
        view.notice("a notice")
    assert "91.7%" in stream.getvalue()
    assert "a notice" in stream.getvalue()


def rows_of(table) -> dict[str, str]:
    lines = [line.split("│") for line in drawn(table).splitlines() if "│" in line]
    return {line[1].strip(): line[2].strip() for line in lines}


def test_the_summary_says_both_accuracies(tally):
    rows = rows_of(summary(TITLE, tally, first_label_s=2.5))
    assert rows["images answered / captured"] == "2 / 3"
    assert rows["accuracy of the answered"] == "50.0%"
    assert rows["accuracy of all captured"] == "33.3%"
    assert rows["first label after"] == "2.50 s"
    assert rows["refused"] == "1 replay"
    assert (rows["stopped by verdict"], rows["accuracy at the verdict"]) == ("none", "–")


def test_the_summary_says_what_verdicts_saved_and_how_right_they_were(tally):
    for image in (0, 2):
        tally.add_answer(
            replace(tally._rows[NODE, image].answer, is_complete=False, is_enough=True), now_s=3.0
        )
    tally.add_stopped([0, 2], NODE)
    tally.add_sent(sent((0, 0, 4)), NODE, 0.0)
    rows = rows_of(summary(TITLE, tally))
    assert rows["stopped by verdict"] == "2 images, after 1.0 chunks"
    assert rows["accuracy at the verdict"] == "50.0%"
    assert rows["saved by verdicts per image"].startswith("2.7 bytes (33.3%), ")
    assert rows["chunks sent again"] == "1"


def test_a_link_s_figures_are_a_column_per_node():
    statistics = NodeStatistics(Losses(n=1), n_received=3)
    statistics.snr_db.add(7.5)
    [sheet] = link_tables([{"node": node, **statistics.to_json()} for node in (1, 2)])
    text = drawn(sheet)
    assert "node 1" in text
    assert any("received / lost" in line and line.count("3 / 1") == 2 for line in text.splitlines())
    assert any("SNR" in line and line.count("7.5 / 7.5") == 2 for line in text.splitlines())


@pytest.mark.parametrize("is_anomaly", [True, False])
def test_an_image_of_none_of_the_classes_is_said_to_be_so(is_anomaly):
    strange = replace(answer(1), strangeness=Strangeness(2.5, is_anomaly))
    shown = drawn(answer_line(Row(answer=strange), strange)), _line(Row(answer=strange), Tally())
    assert [("none of these?" in text) for text in shown] == [is_anomaly, is_anomaly]


def test_of_a_long_number_the_end_is_shown():
    assert Row(answer=answer(117_021_834_000_680)).name == "…000680"
    assert Row(answer=answer(680)).name == "680"
