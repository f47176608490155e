"""What a live run leaves is named by all that makes it another run than the plain one."""

from dataclasses import replace
from pathlib import Path

import pytest

from host_decoder.live.options import LiveOptions
from host_decoder.live.report import figures, study_name
from host_decoder.live.run import LiveResult
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally
from tests.worlds.small_host import NODE, TEAM_LINE, answer, captured, told

PLAIN = LiveOptions(Path("models/cifar10"), Path("replay.npz"))


def test_a_plain_run_is_named_by_data_and_link():
    assert study_name(PLAIN, "cifar10") == "live-cifar10-lora-sf7"


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"images": 100}, "-drawn-100"),
        ({"loss": "edge"}, "-loss-edge"),
        ({"bit_errors": 1e-4}, "-bit-errors-0.0001"),
        ({"has_downlink": False}, "-no-downlink"),
        ({"verdict": 0.95}, "-verdict-0.95"),
        ({"first_chunk_bytes": 2, "chunk_bytes": 1}, "-first-chunk-2-chunk-1"),
    ],
)
def test_whatever_makes_it_another_run_is_in_its_name(change, end):
    assert study_name(replace(PLAIN, **change), "cifar10") == f"live-cifar10-lora-sf7{end}"


def test_another_bundle_of_the_same_data_is_named_and_signs_are_plain():
    wide = replace(PLAIN, bundle=Path("models/cifar10-wide"), loss="20%/4")
    assert study_name(wide, "cifar10") == "live-cifar10-wide-lora-sf7-loss-20-4"


def test_what_the_run_could_not_tell_is_left_out():
    tally = Tally()
    known = figures(LiveResult(tally, None, {}, {}, is_interrupted=False))
    assert known["live_images"] == 0
    assert "live_accuracy" not in known
    assert "first_label_s" not in known
    tally.add_captured(captured(0), NODE, 0.0)
    tally.add_answer(answer(0), now_s=0.5)
    known = figures(LiveResult(tally, 2.5, {}, {"downlink_packets": 3}, is_interrupted=False))
    assert (known["live_accuracy"], known["first_label_s"]) == (1.0, 2.5)
    assert known["live_downlink_packets"] == 3


def test_a_team_s_run_is_named_by_its_members_and_kills_and_told_by_who_was_alive():
    assert study_name(replace(PLAIN, fog=7, kill=2), "digits").endswith("-fog-7-kill-2")
    team = TeamTally(3)
    team.add(told())
    team.killed(1)
    tally = Tally(None, team)
    for image in (0, 1):
        tally.add_captured(captured(image), NODE, 0.0)
    tally.add_answer(replace(answer(0), alive=(True, False, True)), now_s=0.5)
    known = figures(LiveResult(tally, None, {}, {}, is_interrupted=False))
    assert (known["live_images_2_alive"], known["live_accuracy_2_alive"]) == (1, 1.0)
    assert (known["live_unanswered"], known["live_kills"]) == (1, 1)
    assert known["live_published_bytes_per_member"] == TEAM_LINE["published_bytes"]
    assert known["live_overhead_ms_p99"] == TEAM_LINE["overhead_ms"]
