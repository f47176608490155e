"""The view shows what a person needs to follow a run, in a terminal and without one."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from host_decoder.decode.verdict import Strangeness
from host_decoder.view.dashboard import answer_line
from host_decoder.view.row import Row
from host_decoder.view.tally import Tally
from host_decoder.view.terminal import (
    LiveScreen,
    PlainScreen,
    _line,
    make_screen,
)
from tests.worlds.screens import TITLE, drawn
from tests.worlds.small_host import answer


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
        "image 0: bee 91.7% · truth bee ✓ · 4 bytes, 15 on the wire · airtime 50.0 ms · latency "
        "250.0 ms · accuracy so far 50.0%"
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


@pytest.mark.parametrize("is_anomaly", [True, False])
def test_an_image_of_none_of_the_classes_is_said_to_be_so(is_anomaly):
    strange = replace(answer(1), strangeness=Strangeness(2.5, is_anomaly))
    shown = drawn(answer_line(Row(answer=strange), strange)), _line(Row(answer=strange), Tally())
    assert [("none of these?" in text) for text in shown] == [is_anomaly, is_anomaly]
