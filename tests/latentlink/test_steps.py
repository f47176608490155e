"""Which run and bundle are meant, and what is done about them: read from the steps that `make -n`
shows.
"""

import hashlib
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from host_training.data.listing import Listing
from host_training.run import Run, RunError, Source, write_run
from latentlink.said import Said
from latentlink.targets import STEPS
from link.base.lock import FolderLock

DIGITS = Run("digits", None, None, None, 1797, "0", "digits", {}, "duphil", is_finished=True)


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "elsewhere/photos", "cifar10"):
        folder = tmp_path / name / "cat"
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(name.encode())
    return tmp_path


def shown(capsys, target: str, **said: str) -> list[list[str]]:
    """The steps of a target, each without the environment's Python."""
    capsys.readouterr()
    STEPS[target](Said(said, is_dry=True))
    return [shlex.split(line)[2:] for line in capsys.readouterr().out.splitlines()]


def option(step: list[str], name: str) -> str:
    return step[step.index(name) + 1]


def make_run(
    text: str, preset: str | None = None, folder: str | None = None, newer_s: int = 0, **changes
) -> Path:
    """A finished run, with checkpoints of which nothing but the hash counts."""
    source = Source.of(text)
    own = None if source.folder is None else Listing.of(source.folder)
    run = replace(
        DIGITS,
        data_set=source.name,
        folder=None if source.folder is None else str(source.folder),
        image_size=None if source.folder is None else 64,
        preset=preset or source.preset,
        **changes,
    )
    path = Path(folder) if folder else source.run_dir(preset)
    write_run(run, path, own)
    for stage in ("ce", "duphil"):
        (path / f"{stage}.pt").write_text(f"{path} {stage}")
    older(path / "run.json", newer_s)
    return path


def make_bundle(
    path: Path,
    data_set: str = "digits",
    stage: str = "duphil",
    newer_s: int = 0,
    options: str = "",
    groups: int | None = None,
) -> Path:
    checkpoint = path.parent / f"{stage}.pt"
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest() if checkpoint.exists() else ""
    provenance = {
        "data_set": data_set,
        "preset": "digits",
        "stage": stage,
        "checkpoint_sha256": sha256,
        "command": f"python -m export --checkpoint x{options} --components 1 --max-drop-points 1",
    }
    path.mkdir(parents=True, exist_ok=True)
    team = None if groups is None else {"groups": groups}
    content = {"provenance": provenance, "node": {"image": {"height": 32}, "team": team}}
    (path / "manifest.json").write_text(json.dumps(content))
    older(path / "manifest.json", newer_s)
    return path


def older(path: Path, newer_s: int) -> None:
    os.utime(path, (1_000_000_000 + newer_s, 1_000_000_000 + newer_s))


def test_from_nothing_everything_is_made_in_order(capsys):
    steps = shown(capsys, "live", IMAGES="5", SEED="3")
    assert [step[:2] for step in steps] == [
        ["host_training", "train"],
        ["export", "--run"],
        ["host_training", "replay"],
        ["host_decoder", "live"],
    ]
    assert option(steps[0], "--run") == "runs/digits-digits"
    assert option(steps[1], "--run") == "runs/digits-digits"
    assert option(steps[3], "--results") == "runs/results"
    assert (
        option(steps[3], "--images"),
        option(steps[0], "--seed"),
        option(steps[3], "--seed"),
    ) == ("5", "3", "3")


def test_a_team_is_trained_by_its_preset_and_told_to_the_live_run(capsys):
    steps = shown(capsys, "live", FOG="3", KILL="1", PRESET="branch-3")
    assert option(steps[0], "--preset") == "branch-3"
    assert (option(steps[-1], "--fog"), option(steps[-1], "--kill")) == ("3", "1")


def test_what_is_made_is_not_made_again_and_the_seed_is_then_the_lines(capsys):
    make_bundle(make_run("digits") / "bundle")
    (Path("runs/digits-digits") / "replay.npz").touch()
    [live] = shown(capsys, "live", SEED="3")
    assert option(live, "--bundle") == "runs/digits-digits/bundle"


def test_what_many_devices_learned_is_exported_and_classified_live_like_any_run(capsys):
    [study] = shown(capsys, "global", SEED="3")
    assert study[:2] == ["tests.studies", "global_real"]
    assert option(study, "--run") == "runs/digits-flower"
    make_run("digits", folder="runs/digits-flower")
    steps = shown(capsys, "global", IMAGES="5")
    assert [step[0] for step in steps] == ["export", "host_training", "host_decoder"]
    assert option(steps[0], "--run") == "runs/digits-flower"
    assert option(steps[2], "--images") == "5"


def test_a_run_remembers_its_preset(capsys):
    run = make_run("photos", "narrow-5", stage="ce")
    export, *_ = shown(capsys, "live", DATASET="photos")
    assert option(export, "--run") == str(run)
    make_bundle(run / "bundle", "photos", stage="ce")
    replay, live = shown(capsys, "live", DATASET="photos/")
    assert option(live, "--bundle") == f"{run}/bundle"
    assert option(replay, "--run") == str(run)


def test_the_newest_bundle_of_the_data_set_is_taken_and_said(capsys):
    old, new = make_run("photos", "narrow-5"), make_run("photos", "photo-32")
    make_bundle(old / "bundle", "photos", newer_s=9)
    make_bundle(new / "bundle", "photos", newer_s=5)
    *_, live = shown(capsys, "live", DATASET="photos")
    assert option(live, "--bundle") == f"{old}/bundle"
    *_, live = shown(capsys, "live", DATASET="photos", PRESET="photo-32")
    assert option(live, "--bundle") == f"{new}/bundle"
    STEPS["live"](Said({"DATASET": "photos"}, is_dry=True))
    said = capsys.readouterr().err
    assert (
        f"bundle    {old}/bundle, narrow-5 on 1797 images of side 64 of {Path('photos').resolve()}"
        in said
    )


def test_folders_of_one_name_are_two_data_sets(capsys):
    make_bundle(make_run("photos") / "bundle", "photos")
    train, *_ = shown(capsys, "live", DATASET="elsewhere/photos")
    assert train[:2] == ["host_training", "train"]
    assert option(train, "--run") == str(Source.of("elsewhere/photos").run_dir())


def test_a_folder_called_like_a_data_set_is_not_that_data_set(capsys):
    make_bundle(Path("models/cifar10"), "cifar10")
    train, *_ = shown(capsys, "live", DATASET="./cifar10")
    assert train[:2] == ["host_training", "train"]
    *_, live = shown(capsys, "live", DATASET="cifar10")
    assert option(live, "--bundle") == "models/cifar10"


@pytest.mark.parametrize(
    ("groups", "fog", "sentence"),
    [
        (None, "7", "is for one node, and only a team has members; leave FOG and KILL out"),
        (3, "7", "is cut for 3 members: say FOG=3"),
    ],
)
def test_members_that_a_bundle_has_not_are_refused_before_images_are_fetched(
    capsys, groups, fog, sentence
):
    make_bundle(Path("models/cifar10"), "cifar10", groups=groups)
    with pytest.raises(RunError, match=sentence):
        shown(capsys, "live", BUNDLE="models/cifar10", FOG=fog, KILL="2")
    assert "host_training" not in capsys.readouterr().out
    if groups:
        *_, step = shown(capsys, "live", BUNDLE="models/cifar10", FOG="3", KILL="2")
        assert step[:2] == ["host_decoder", "live"]


def test_one_s_own_bundle_stands_before_one_that_came_along(capsys):
    make_bundle(Path("models/cifar10"), "cifar10", newer_s=99)
    run = make_run("cifar10", "cifar-32")
    *_, live = shown(capsys, "live", DATASET="cifar10")
    assert option(live, "--bundle") == "models/cifar10", (
        "a run without a bundle is no reason to export it"
    )
    make_bundle(run / "bundle", "cifar10")
    *_, live = shown(capsys, "live", DATASET="cifar10")
    assert option(live, "--bundle") == f"{run}/bundle"


def test_a_copy_that_was_added_to_is_taken_for_the_bundle_it_is_of(capsys):
    make_bundle(Path("models/cifar10"), "cifar10", newer_s=99)
    make_bundle(Path("runs/bundles/cifar10"), "cifar10")
    replay, live = shown(capsys, "live", DATASET="cifar10")
    assert option(live, "--bundle") == "runs/bundles/cifar10"
    assert replay[2:] == [
        "--dataset",
        "cifar10",
        "--image-size",
        "32",
        "--out",
        "runs/replay/cifar10-32.npz",
    ]


def test_changed_pictures_are_refused_with_what_changed_and_what_to_type():
    run = make_run("photos")
    make_bundle(run / "bundle", "photos")
    Path("photos/cat/b.png").write_bytes(b"b")
    for target in ("live", "export", "bench", "train"):
        with pytest.raises(
            RunError,
            match=r"1 pictures then, 2 now, 1 new \(such as cat/b.png\).*make train DATASET=",
        ):
            STEPS[target](Said({"DATASET": "photos"}, is_dry=True))


def test_a_folder_that_was_moved_is_the_data_set_that_it_was(capsys):
    run = make_run("photos", "narrow-5")
    make_bundle(run / "bundle", "photos")
    Path("photos").rename("moved")
    *_, live = shown(capsys, "live", DATASET="moved")
    assert option(live, "--bundle") == f"{run}/bundle"
    *_, live = shown(capsys, "live", BUNDLE=f"{run}/bundle")  # it is remembered
    Path("moved").rename("elsewhere/moved")
    with pytest.raises(RunError, match=r"were in .*moved, and are not there"):
        STEPS["live"](Said({"BUNDLE": f"{run}/bundle"}, is_dry=True))


def test_an_export_that_is_said_otherwise_is_not_mixed_up_with_the_one_that_is_there(capsys):
    make_bundle(make_run("digits") / "bundle", options=" --order importance --coarseness 2")
    for said in (
        {"ORDER": "discriminative"},
        {"COARSENESS": "1"},
        {"STAGE": "ce"},
        {"LATENTS": "8"},
        {"VIEWS": "2"},
    ):
        [(name, value)] = said.items()
        with pytest.raises(
            RunError, match=rf"was exported otherwise \({name} is .*, not {value}\); `make export`"
        ):
            STEPS["live"](Said(said, is_dry=True))
    assert (
        len(shown(capsys, "live", ORDER="importance", COARSENESS="2.0", VIEWS="1", MAX_DROP="1"))
        == 2
    )
    [export] = shown(capsys, "export", STAGE="ce")
    assert option(export, "--stage") == "ce"


def test_a_bundle_of_a_checkpoint_that_was_trained_anew_is_exported_anew(capsys):
    run = make_run("digits")
    make_bundle(run / "bundle")
    (run / "duphil.pt").write_text("trained anew")
    assert [step[0] for step in shown(capsys, "live")] == [
        "export",
        "host_training",
        "host_decoder",
    ]


def test_a_run_that_is_named_is_the_run_and_another_preset_is_refused():
    make_run("photos", folder="runs/mine")
    with pytest.raises(
        RunError, match=r"runs/mine holds another run \(its preset is photo, not narrow-5\)"
    ):
        STEPS["train"](Said({"RUN": "runs/mine", "PRESET": "narrow-5"}, is_dry=True))
    with pytest.raises(RunError, match=r"its data set is .*photos, not digits"):
        STEPS["export"](Said({"RUN": "runs/mine", "DATASET": "digits"}, is_dry=True))


def test_the_home_folder_is_meant_by_its_sign(capsys, monkeypatch, workplace):
    monkeypatch.setenv("HOME", str(workplace))
    [train] = shown(capsys, "train", DATASET="~/photos", TEACHER="~/teacher.pt", RUN="~/run")
    assert option(train, "--dataset") == f"{workplace}/photos"
    assert (option(train, "--teacher"), option(train, "--run")) == (
        f"{workplace}/teacher.pt",
        f"{workplace}/run",
    )


def test_training_goes_on_where_it_was_interrupted_whatever_its_preset(capsys):
    run = make_run("photos", "narrow-5", is_finished=False)
    make_run("photos", "wide-70")
    [train] = shown(capsys, "train", DATASET="photos")
    assert option(train, "--run") == str(run)


def test_a_further_decoder_may_be_of_another_data_set(capsys):
    make_bundle(Path("models/cifar10"), "cifar10")
    [step] = shown(capsys, "decoder", BUNDLE="models/cifar10", TASK="label", DATASET="digits")
    assert step == [
        *("export", "decoder", "--bundle", "models/cifar10"),
        *("--task", "label", "--dataset", "digits"),
    ]
    with pytest.raises(RunError, match="say what the decoder is asked: TASK="):
        STEPS["decoder"](Said({}, is_dry=True))


def test_no_node_gets_a_bundle_that_was_made_in_passing(capsys):
    with pytest.raises(RunError, match="say which bundle the node gets"):
        STEPS["deploy-model"](Said({"ADDRESS": "node-1"}, is_dry=True))
    with pytest.raises(RunError, match="there is no bundle in runs/digits-digits/bundle"):
        STEPS["deploy-model"](Said({"ADDRESS": "node-1", "DATASET": "digits"}, is_dry=True))
    make_bundle(make_run("digits") / "bundle")
    [step] = shown(capsys, "deploy-model", ADDRESS="node-1", DATASET="digits")
    assert step[1:4] == ["deploy", "node-1", "--bundle"]
    [step] = shown(capsys, "deploy-model", ADDRESS="node-1", DATASET="digits", HOST_DIR="my site")
    assert option(step, "--host-dir") == "my site"


def test_of_a_team_all_members_are_meant_by_one_address_or_by_a_list(capsys):
    make_bundle(make_run("digits") / "bundle")
    team = {"ADDRESS": "pi-%.local", "FOG": "3", "DATASET": "digits"}
    [step] = shown(capsys, "deploy-model", **team)
    assert step[2:6] == ["pi-0.local", "pi-1.local", "pi-2.local", "--bundle"]
    [step] = shown(capsys, "deploy-model", WITHOUT="1", **team)
    assert (step[2:4], option(step, "--without")) == (["pi-0.local", "pi-2.local"], "1")
    assert shown(capsys, "deploy", ADDRESS="a b") == [["device.flash", "deploy", "a", "b"]]
    with pytest.raises(RunError, match="say how many members ADDRESS=% stands for: FOG=7"):
        STEPS["deploy"](Said({"ADDRESS": "pi-%.local"}, is_dry=True))


def test_what_is_said_of_a_team_reaches_flashing(capsys):
    team = {"FOG": "7", "MEMBER": "3", "PEERS": "a:1 b:1", "CAMERAS": "0,1", "MODEMS": "0"}
    [step] = shown(capsys, "flash", TARGET="team-%.img", **team)
    said = {name: option(step, f"--{name.lower()}") for name in team}
    assert said == team


def test_runs_are_deleted_only_when_that_is_confirmed_and_one_alone_when_it_is_named(capsys):
    make_bundle(make_run("digits") / "bundle")
    make_run("photos")
    STEPS["clean-runs"](Said({}))
    said = capsys.readouterr().out
    assert "runs/digits-digits: 0.0 MB, bundles: 1" in said
    assert "nothing was deleted: `make clean-runs CONFIRM=yes`" in said
    STEPS["clean-runs"](Said({"CONFIRM": "yes", "RUN": "runs/digits-digits"}))
    assert [path.name for path in Path("runs").iterdir()] == [Source.of("photos").run_dir().name]
    with FolderLock(Source.of("photos").run_dir()):
        STEPS["clean-runs"](Said({"CONFIRM": "yes"}))
    assert "left, since something is training there" in capsys.readouterr().out
    STEPS["clean-runs"](Said({"CONFIRM": "yes"}))
    assert list(Path("runs").iterdir()) == []


def test_clean_removes_caches_and_nothing_that_anybody_made(capsys):
    stays = ["runs/digits/last.pt", "data/cifar.bin", ".venv/lib/__pycache__/a.pyc", "notes.txt"]
    goes = [".mypy_cache/a", ".pytest_cache/b", "link/__pycache__/c", "tests/link/__pycache__/d"]
    for name in (*stays, *goes):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    STEPS["clean"](Said({}, is_dry=True))
    assert all(Path(name).exists() for name in goes)
    assert "rm -rf tests/link/__pycache__" in capsys.readouterr().out.splitlines()
    STEPS["clean"](Said({}))
    assert [Path(name).exists() for name in (*stays, *goes)] == [True] * 4 + [False] * 4
    assert Path("photos/cat/a.png").exists()


@pytest.mark.parametrize("inside", ["cat/1.jpg", "run.json", "1.jpg"])
def test_what_is_not_the_folder_of_a_run_alone_is_never_deleted(tmp_path, inside):
    place = tmp_path / "mine"
    for name in ("cat/1.jpg", "1.jpg", inside):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("{}")
    for named in (place, Path()):
        with pytest.raises(RunError, match="is not the folder of a run and of nothing else"):
            STEPS["clean-runs"](Said({"CONFIRM": "yes", "RUN": str(named)}))
    assert (place / "cat" / "1.jpg").is_file()


def test_of_a_run_that_lies_elsewhere_only_the_link_is_deleted(tmp_path):
    run = make_run("digits").rename(tmp_path / "away")
    (run / "bundle").mkdir()
    link = Path("runs/linked")
    link.symlink_to(run.resolve())
    STEPS["clean-runs"](Said({"CONFIRM": "yes"}))
    assert not os.path.lexists(link)
    assert (run / "run.json").is_file()
    STEPS["clean-runs"](Said({"CONFIRM": "yes", "RUN": str(run)}))
    assert not run.exists()


def test_what_is_chosen_of_photos_reaches_training_in_a_run_of_its_own(capsys):
    usual = make_run("photos", changes={"split_by": "series"})
    other = make_run("photos", folder="runs/other", changes={"split_by": "series", "flip": False})
    [train, _] = shown(capsys, "export", DATASET="photos", FLIP="no", CROP="0.6")
    assert (option(train, "--flip"), option(train, "--crop")) == ("no", "0.6")
    assert option(train, "--run") == f"{usual}-flip-no-crop-0.6"
    [export] = shown(capsys, "export", DATASET="photos", FLIP="no", SPLIT_BY="series")
    assert option(export, "--run") == str(other)
