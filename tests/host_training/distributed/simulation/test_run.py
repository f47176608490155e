"""Run: it goes on where it was cut off, and ends with a checkpoint that is one."""

import json
from dataclasses import replace

import pytest

from host_training.distributed.server.rules import Rules
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.run import RESULT, Run, World
from host_training.training.checkpoint import Checkpoint
from tests.worlds.small_global import ARCHITECTURE, DATA
from tests.worlds.small_training import RECIPE

PLAN = Plan(
    n_devices=4, n_groups=2, batch_images=16, epochs=2, up_bytes=600, down_bytes=600, crop_pixels=1
)
SMALL = replace(RECIPE, model=ARCHITECTURE)
HONEST = World(rules=Rules(is_filtered=False))


@pytest.mark.parametrize(("frozen", "last"), [(0.0, 2), (0.7, 2), (0.7, 5)])
def test_a_run_that_is_interrupted_ends_as_one_that_was_not(tmp_path, frozen, last):
    plan = replace(PLAN, frozen=frozen)
    whole = Run(DATA, SMALL, plan, HONEST, tmp_path / "whole")
    assert whole.train(judged_every=3)
    cut = tmp_path / "cut"
    begun = Run(DATA, SMALL, plan, HONEST, cut)
    assert not begun.train(judged_every=3, until=lambda: begun.server.round_ == last)
    (cut / "rounds.jsonl").open("a").write('{"round": 2, "now')  # cut off by a kill
    again = Run(DATA, SMALL, plan, HONEST, cut)
    assert again.server.round_ == last
    assert len(whole.server.held.statistics) == (len(whole.flat.statistics) if frozen else 0)
    assert again.train(judged_every=3)
    assert again.server.hash == whole.server.hash
    assert [line["round"] for line in again.lines] == list(range(whole.settings.n_rounds))
    text = (cut / "rounds.jsonl").read_text()
    assert len(text.splitlines()) == whole.settings.n_rounds


@pytest.mark.parametrize("last", [2, None])
def test_a_round_that_a_kill_left_without_its_line_gets_one(tmp_path, last):
    begun = Run(DATA, SMALL, PLAN, HONEST, tmp_path)
    begun.train(judged_every=3, until=lambda: begun.server.round_ == last)
    path = tmp_path / "rounds.jsonl"
    *lines, lost = path.read_text().splitlines(True)
    path.write_text("".join(lines))
    again = Run(DATA, SMALL, PLAN, HONEST, tmp_path)
    assert again.train(judged_every=3)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["round"] for line in found] == list(range(again.settings.n_rounds))
    restored = found[len(lines)]
    assert {name: restored[name] for name in ("accepted", "hash")} == {
        name: json.loads(lost)[name] for name in ("accepted", "hash")
    }
    assert again.report()


def test_its_result_is_an_ordinary_checkpoint(tmp_path):
    run = Run(DATA, SMALL, PLAN, HONEST)
    run.train(judged_every=100)
    written = run.write_checkpoint(tmp_path / RESULT)
    read = Checkpoint.read(tmp_path / RESULT)
    assert read.validation == written.validation
    assert read.validation.accuracy == pytest.approx(run.lines[-1]["accuracy"])
    assert read.latent_order is not None
    assert read.provenance.recipe.ce_epochs == 2


def test_duphils_two_phases_go_on_from_its_result(tmp_path):
    run = Run(DATA, SMALL, PLAN, HONEST)
    run.train(judged_every=100)
    before = run.write_checkpoint(tmp_path / RESULT)
    plan = replace(PLAN, rate=0.02, up_bytes=900, down_bytes=900)
    second = Run(DATA, SMALL, plan, HONEST, start_from=tmp_path / RESULT)
    second.train(judged_every=100)
    after = second.write_checkpoint(tmp_path / "duphil.pt")
    assert (before.stage, after.stage) == ("ce", "duphil")
    assert Checkpoint.read(tmp_path / "duphil.pt").provenance.started_from_sha256 is not None
    for part in ("encoder", "side_branch", "decoder"):
        pairs = zip(
            getattr(Checkpoint.read(tmp_path / RESULT).model, part).parameters(),
            getattr(after.model, part).parameters(),
            strict=True,
        )
        assert any(not one.equal(other) for one, other in pairs)


def test_its_report_has_a_line_for_every_device():
    run = Run(DATA, SMALL, PLAN, HONEST)
    run.train(judged_every=100)
    text = run.report()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    n_counted = sum(len(line["accepted"]) for line in run.lines)
    counted = [int(row.split("|")[2]) for row in rows[-4:]]
    assert sum(counted) == n_counted
    assert "validation accuracy" in text
