"""Which members live, and what passed between them, in a line that can be read without colours."""

from dataclasses import replace

import pytest

from host_decoder.view.dashboard import Dashboard
from host_decoder.view.summary import Title, summary
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally, alive_phrase, groups_line, team_line
from tests.worlds.screens import drawn
from tests.worlds.small_host import NODE, answer, captured, told

TITLE = Title("blobs", "lora-sf7", f"{NODE} (3 members)")
TWO = (True, False, True)


@pytest.fixture
def team():
    """Three members; member 2 closed an image behind the one of member 0, and was killed."""
    team = TeamTally(3)
    team.add(told())
    later = told(member=2, image=6, sequence=3, leader=1, aggregator=None)
    team.add(replace(later, overhead_ms=7.5))
    team.killed(2)
    return team


def test_the_newest_image_says_who_leads_and_who_speaks(team):
    team.add(told(image=4, leader=2))
    assert (team.leader, team.aggregator, team.n_through) == (1, None, 4)
    assert (team.published_bytes, team.n_frames, team.bytes_per_image) == (1200, 9, 400)


def test_an_image_of_which_no_sequence_was_heard_counts_all_the_same(team):
    team.add(told(sequence=None))
    assert (team.n_through, team.n_closed[0]) == (4, 2)


def test_the_line_marks_the_dead_and_says_what_flowed(team):
    assert team_line(team).plain == ("team  0 1 ✗2  leader 1 · 0.8 kB in 6 frames · 1 killed")
    red = [span for span in team_line(team).spans if "red" in str(span.style)]
    assert len(red) == 2
    team.revived(2)
    assert team_line(team).plain.startswith("team  0 1 2 ")
    assert TeamTally(2).overhead_ms_at(50) is TeamTally(2).bytes_per_image is None


def test_an_answer_says_of_which_groups_it_is():
    assert groups_line(TWO).plain == "2 of 3  0 ✗1 2 "
    assert alive_phrase(TWO) == "2 of 3 alive, without 1"
    assert alive_phrase((True, True)) == "2 of 2 alive"


@pytest.fixture
def tally(team):
    """Two images by all, one by two members, which is wrong."""
    tally = Tally(None, team)
    for image, alive, label in ((0, (True,) * 3, 1), (1, (True,) * 3, 1), (2, TWO, 2)):
        tally.add_captured(captured(image), NODE, 0.0)
        tally.add_captured(captured(image), NODE, 9.0)
        tally.add_answer(replace(answer(image, label), alive=alive), now_s=0.25)
    tally.add_captured(captured(3), NODE, 0.0)
    return tally


def test_accuracy_is_told_by_how_many_were_alive(tally):
    assert tally.by_alive() == [(3, 2, 1.0), (2, 1, 0.0)]
    assert Tally().by_alive() == []


def test_what_several_members_tell_of_an_image_counts_once(tally):
    assert (tally.n_captured, tally.n_answered) == (4, 3)
    assert tally.median_latency_s == 0.25


def test_the_summary_of_a_team_tells_all_of_it(tally):
    lines = [" ".join(line.split()) for line in drawn(summary(TITLE, tally)).splitlines()]
    for said in (
        "answers with 3 alive │ 2 images, 100.0% right",
        "answers with 2 alive │ 1 image, 0.0% right",
        "unanswered │ 1 image",
        "members killed │ 1 time",
        "between members │ 0.8 kB in 6 frames",
        "published by a member per image │ 400.0 bytes",
        "overhead, median / 99 % │ 5.0 / 7.5 ms",
    ):
        assert any(said in line for line in lines), (said, lines)
    assert "alive" not in drawn(summary(TITLE, Tally()))


def test_the_dashboard_shows_the_team_and_of_whom_the_answer_is(tally):
    text = drawn(Dashboard(TITLE, tally, tally.latest[-1], lines=30))
    assert "team  0 1 ✗2" in text
    assert "alive        2 of 3  0 ✗1 2" in text


def test_an_image_that_only_its_members_tell_of_is_counted_and_its_truth_is_known():
    tally = Tally(None, TeamTally(3, ["ape", "bee", "cat"]))
    for member in (0, 1):
        tally.add_told(told(member=member, image=5, sequence=1), NODE)
    tally.add_told(told(image=6, sequence=9), NODE)
    tally.add_told(told(image=7, sequence=None), NODE)
    row = tally.add_answer(answer(5), now_s=0.25)
    assert (row.name, row.truth, row.is_right) == ("1", "bee", True)
    assert (tally.n_captured, tally.n_answered, tally.total("with_truth")) == (2, 1, 1)
    tally.add_captured(captured(5), NODE, 0.0)
    assert (tally.n_captured, row.name) == (2, "1")
