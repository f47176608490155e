"""A run says what it is; who asks for another one is told so, and nothing is mixed."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_training.commands import held, main, missing_weights
from host_training.data.listing import Listing
from host_training.presets import recipe
from host_training.run import (
    Run,
    RunError,
    Source,
    Wanted,
    origin,
    read_pictures,
    read_run,
    require_pictures,
    result_stage,
    write_run,
)

QUICK = ("--ce-epochs", "1", "--duphil-epochs", "0", "--threads", "1")


def paint(folder: Path, n: int = 4, seed: int = 0) -> Path:
    """A folder of one's own: two classes of n pictures."""
    rng = np.random.default_rng(seed)
    for label, level in {"dark": 40, "light": 200}.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = rng.integers(level - 40, level + 40, (20, 20, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{seed}-{i}.png")
    return folder


def command(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line, run here: PyTorch is loaded already."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = main([*map(str, arguments)])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder that sees the packages, and in it a run of one epoch on a folder of pictures."""
    folder = tmp_path_factory.mktemp("workplace")
    for package in ("link", "host_training"):
        (folder / package).symlink_to(Path(__file__).parent.parent.parent / package)
    paint(folder / "my photos")
    options = (
        "--dataset",
        "my photos",
        "--image-size",
        16,
        "--preset",
        "cifar-16-short",
        "--seed",
        5,
    )
    done = command("train", *options, *QUICK, "--run", "a run", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_says_what_it_is(workplace):
    run = read_run(workplace / "a run")
    assert run is not None
    assert run.source == Source("my photos", (workplace / "my photos").resolve())
    assert (run.preset, run.image_size, run.n_images, run.stage) == ("cifar-16-short", 16, 8, "ce")
    assert run.changes == {"split_by": "series", "seed": 5, "ce_epochs": 1, "duphil_epochs": 0}
    assert run.is_finished
    assert len(json.loads((workplace / "a run" / "pictures.json").read_text())) == 8


def test_what_a_run_says_need_not_be_said_again(workplace):
    done = command("train", "--run", "a run", folder=workplace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == "a run"
    done = command("replay", "--run", "a run", folder=workplace)
    assert done.returncode == 0, done.stderr
    with np.load(workplace / "a run" / "replay.npz") as replay:
        assert replay["images"].shape[1:] == (16, 16, 3)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (("--preset", "narrow-5"), "its preset is cifar-16-short, not narrow-5"),
        (("--image-size", "32"), "its image size is 16, not 32"),
        (("--seed", "6"), "its seed is 5, not 6"),
        (("--dataset", "digits"), r"its data set is .*my photos, not digits"),
        (("--teacher", "a run/ce.pt"), "its teacher is none, not a run/ce.pt"),
        (("--start-from", "a run/last.pt"), "its start_from is none, not a run/last.pt"),
    ],
)
def test_what_is_said_otherwise_is_refused_with_both_values(workplace, said, sentence):
    done = command("train", *said, "--run", "a run", folder=workplace)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: a run holds another run (")
    assert re.search(sentence, done.stderr), done.stderr
    assert "train into another folder (RUN=…)" in done.stderr


def test_other_pictures_are_refused_and_the_old_ones_taken_wherever_they_are(workplace):
    run = read_run(workplace / "a run")
    assert run is not None
    photos = workplace / "my photos"
    extra = photos / "dark" / "extra.png"
    extra.write_bytes((photos / "dark" / "0-0.png").read_bytes())
    done = command("train", "--run", "a run", folder=workplace)
    assert done.returncode == 1
    assert "8 pictures then, 9 now, 1 new (such as dark/extra.png)" in done.stderr
    assert (
        f"make train DATASET='{photos}' PRESET=cifar-16-short IMAGE_SIZE=16 RUN='a run-2'"
        in done.stderr
    )
    replay = command("replay", "--run", "a run", folder=workplace)
    assert "1 new (such as dark/extra.png)" in replay.stderr
    begun = workplace / "a run-2"
    write_run(run, begun, Listing.of(photos))
    # was begun with these pictures, and goes on
    with pytest.raises(RunError, match=r"RUN=.*a run-2'"):
        require_pictures(run, workplace / "a run")
    write_run(run, begun, read_pictures(workplace / "a run"))  # with others it is not the one
    with pytest.raises(RunError, match=r"RUN=.*a run-3'"):
        require_pictures(run, workplace / "a run")
    extra.unlink()
    photos.rename(workplace / "moved")
    try:
        with pytest.raises(RunError, match=r"were in .*my photos, and are not there; say where"):
            require_pictures(run, workplace / "a run")
        paint(photos, seed=1)  # another folder of the same name
        with pytest.raises(RunError, match=r"8 pictures then, 8 now, 8 new .*, 8 gone"):
            require_pictures(run, workplace / "a run")
        assert require_pictures(run, workplace / "a run", str(workplace / "moved")).name == "moved"
        moved = read_run(workplace / "a run")
        assert moved is not None
        assert moved.folder == str((workplace / "moved").resolve())
        assert origin(workplace / "a run", None, None)[0] == moved.folder
    finally:
        for path in photos.rglob("*.png"):
            path.unlink()
        for path in (*photos.iterdir(), photos):
            path.rmdir()
        (workplace / "moved").rename(photos)
        write_run(run, workplace / "a run", Listing.of(photos))


def test_a_run_of_an_earlier_version_is_taken_as_its_checkpoint_says(workplace):
    def train() -> subprocess.CompletedProcess[str]:
        return command("train", "--run", "old", folder=workplace)

    assert (
        command("train", "--dataset", "digits", *QUICK, "--run", "old", folder=workplace).returncode
        == 0
    )
    (workplace / "old" / "run.json").unlink()
    done = train()
    assert done.returncode == 0, done.stderr
    assert (
        "old has no run.json, as an earlier version wrote none; its checkpoint says: data set "
        "digits"
    ) in done.stderr
    again = train()
    assert (again.stdout, "earlier version" in again.stderr) == (done.stdout, False)


def test_two_do_not_train_in_one_folder(workplace):
    with held(workplace / "held"):
        words = [sys.executable, "-m", "host_training", "train", "--run", "held"]
        second = subprocess.run(words, cwd=workplace, capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr.startswith("error: another process is training in held; wait for it, or")


@pytest.mark.parametrize("after_s", [0, 0.7])
def test_ctrl_c_while_it_begins_is_a_sentence(workplace, after_s):
    """From the moment on in which PyTorch begins to load."""
    words = [sys.executable, "-m", "host_training", "train", "--run", "never", "--ce-epochs", "9"]
    process = subprocess.Popen(words, cwd=workplace, stderr=subprocess.PIPE, text=True)
    while "torch" not in Path(f"/proc/{process.pid}/maps").read_text():
        time.sleep(0.01)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert "interrupted" in said
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "delete this one file"),
        ("[]", "delete this one file"),
        ('{"format": 7}', "it has format 7, this program has 1"),
        (None, "preset is 3.*writes it anew"),
    ],
)
def test_a_damaged_run_file_is_named_with_the_way_out(workplace, tmp_path, content, sentence):
    if content is None:
        said = json.loads((workplace / "a run" / "run.json").read_text())
        content = json.dumps({**said, "preset": 3})
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=f"run.json is damaged.*{sentence}"):
        read_run(tmp_path)


def test_no_two_data_sets_share_a_run_whatever_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cifar10", "a/photos", "b/photos"):
        (tmp_path / name).mkdir(parents=True)
    texts = ("cifar10", "./cifar10", "a/photos", "b/photos", "digits")
    assert len({Source.of(text).run_dir() for text in texts}) == len(texts)
    assert Source.of("cifar10").run_dir() == Path("runs/cifar10-cifar-32")
    assert Source.of("a/photos/") == Source.of(str(tmp_path / "b" / ".." / "a" / "photos"))
    with pytest.raises(
        RunError, match=r"data set 'nowhere' is neither digits, cifar10, .* nor a folder here"
    ):
        Source.of("nowhere")


def test_what_nobody_says_is_no_difference():
    run = Run("digits", None, None, None, 9, "0", "digits", {}, "duphil")
    assert list(Wanted().differences(run)) == []
    assert list(Wanted("digits", "digits", seed=0, ce_epochs=60).differences(run)) == []


@pytest.mark.parametrize(
    ("preset", "changes", "stage"),
    [
        ("digits", {}, "duphil"),
        ("digits", {"duphil_epochs": 0}, "ce"),
        ("narrow-5", {}, "ce"),
        ("narrow-5", {"ce_epochs": 0}, "duphil"),
        ("plain-20", {}, "ce"),
    ],
)
def test_the_result_is_of_the_presets_stage_unless_that_was_left_out(preset, changes, stage):
    assert result_stage(preset, recipe(preset, **changes)) == stage


def test_what_a_preset_builds_on_is_told_when_nobody_names_it():
    wanted = Wanted(preset="plain-20-medium")
    [sentence] = missing_weights(wanted, Source("cifar10"))
    assert (
        "a run of wide-70-long to learn from (TEACHER=runs/cifar10-wide-70-long/ce.pt)" in sentence
    )
    assert list(missing_weights(replace(wanted, teacher=Path("t.pt")), Source("cifar10"))) == []
    [sentence] = missing_weights(Wanted(preset="cifar-32-fine"), Source("cifar10"))
    assert "to begin with (START_FROM=runs/cifar10-cifar-32/ce.pt)" in sentence
    assert list(missing_weights(Wanted(), Source("digits"))) == []


def test_what_was_chosen_of_photos_is_said_as_variables_where_it_is_not_usual():
    run = Run("photos", "/photos", None, 64, 9, "0", "photo-32", {"split_by": "series"}, "ce")
    assert run.choices == {}
    chosen = {"split_by": "random", "flip": False, "crop": 0.6, "rotation_degrees": 0.0, "seed": 1}
    assert replace(run, changes=chosen).choices == {
        "SPLIT_BY": "random",
        "FLIP": "no",
        "ROTATION": "0.0",
        "CROP": "0.6",
    }
