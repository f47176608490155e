"""A live run, with real processes: it measures, and however it ends it leaves nothing behind."""

import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from host_decoder.commands import main
from host_decoder.live.options import LiveOptions, draw_replay
from host_decoder.live.run import LiveRun
from host_decoder.store.store import Store
from host_decoder.view.terminal import PlainScreen
from link.output.results import check_result
from link.picture.replay import Replay
from tests.host_decoder.conftest import N_IMAGES
from tests.scale import size
from tests.worlds.small_host import CLASSES, right_label
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images

PATIENCE_S = 180.0
N_TEAM_IMAGES = 50
MARK = "LATENTLINK_TEST_RUN"


class Run:
    """The live command in a process group of its own, its temporary folder and its children
    known.
    """

    def __init__(self, folder: Path, bundle: Path, replay: Path, *options: str) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        environment = os.environ | {
            "TMPDIR": str(self.temporary),
            MARK: self.mark,
            "PYTHONUNBUFFERED": "1",
        }
        command = [
            sys.executable,
            "-m",
            "host_decoder",
            "live",
            "--bundle",
            str(bundle),
            "--replay",
            str(replay),
        ]
        command += ["--results", str(folder / "results"), *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err

    def wait_for_an_answer(self) -> None:
        assert self.process.stdout
        while not (line := self.process.stdout.readline()).startswith("image "):
            assert line, self.process.communicate()

    def processes(self) -> dict[int, str]:
        """Process id and command of all that carry this run's mark and are alive."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if (
                    folder.name.isdigit()
                    and f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                ):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return {pid: command for pid, command in found.items() if command}

    def assert_nothing_is_left(self) -> None:
        assert self.processes() == {}
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def start(tmp_path, live_bundle, replay_file):
    runs = []

    def begin(*options: str, bundle: Path | None = None) -> Run:
        runs.append(Run(tmp_path, bundle or live_bundle.path, replay_file, *options))
        return runs[-1]

    yield begin
    for run in runs:
        for pid in run.processes():
            os.kill(pid, signal.SIGKILL)


def result(run: Run) -> dict:
    [path] = (run.folder / "results").iterdir()
    content = json.loads(path.read_text())
    check_result(content)
    assert path.stem == content["study"]
    return content


def test_a_whole_run_answers_every_image_and_measures(start, tmp_path):
    run = start("--link", "serial-115200", "--store", str(tmp_path / "kept.sqlite"))
    code, out, err = run.finish()
    assert (code, err) == (0, "")
    lines = re.findall(r"^image (\d+) of 10: (\w+) .*truth (\w+) ([✓✗])", out, re.MULTILINE)
    assert [int(number) for number, *_ in lines] == list(range(1, N_IMAGES + 1))
    assert [mark for *_, mark in lines] == ["✓"] * (N_IMAGES - 1) + ["✗"], "the last truth is a lie"
    assert len({label for _, label, *_ in lines}) >= 3
    assert "images answered / captured" in out
    [path] = (run.folder / "results").iterdir()
    assert f"figures are in {path}\n" in out, "a path that can be copied is on one line"
    content = result(run)
    figures = content["figures"]
    assert content["study"] == "live-blobs-serial-115200"
    assert (figures["live_images"], figures["live_images_received"]) == (N_IMAGES, N_IMAGES)
    assert figures["live_accuracy"] == figures["live_accuracy_of_captured"] == pytest.approx(0.9)
    overhead_bytes = figures["live_wire_bytes_per_image"] - figures["live_bytes_per_image"]
    assert 15 <= overhead_bytes < 27, (
        "11 bytes around the bitstream, 4 for the cable, and 12 until the first answer"
    )
    assert 0 < figures["first_label_s"] < PATIENCE_S
    assert figures["live_airtime_s_per_image"] == pytest.approx(
        10 * figures["live_wire_bytes_per_image"] / 115_200
    )
    assert content["line"]["bytes_lost"] == 0
    with Store(tmp_path / "kept.sqlite", must_exist=True) as store:
        assert sum(row["images"] for row in store.statistics()["labels"]) == N_IMAGES
    run.assert_nothing_is_left()


def test_what_is_lost_is_sent_again_until_every_image_is_there(start):
    run = start("--link", "lora-sf7", "--loss", "0.3", "--seed", "0", "--images", "3")
    code, out, _ = run.finish()
    assert code == 0
    content = result(run)
    figures = content["figures"]
    assert (content["loss"], content["seeds"], content["study"]) == (
        "0.3",
        [0],
        "live-blobs-lora-sf7-drawn-3-loss-0.3",
    )
    assert (
        figures["live_images"],
        figures["live_images_received"],
        figures["live_delivery_ratio"],
    ) == (3, 3, 1.0)
    assert figures["live_accuracy"] == figures["live_accuracy_of_captured"] == 1.0
    assert figures["live_chunks_repeated"] > 0
    assert content["line"]["frames_lost"] > 0
    assert content["node"]["downlink_packets"] == figures["live_downlink_packets"] > 0
    assert "packets sent, by its counters" in out
    run.assert_nothing_is_left()


def test_a_store_that_is_locked_for_long_ends_a_run_with_a_sentence(start, tmp_path):
    Store(tmp_path / "kept.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "kept.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        run = start("--link", "serial-115200", "--store", str(tmp_path / "kept.sqlite"))
        code, _, err = run.finish()
    assert code == 1
    assert "kept.sqlite is locked by another program" in err
    run.assert_nothing_is_left()


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii"])
def test_terminals_of_few_signs_see_everything(live_bundle, replay_file, tmp_path, encoding):
    bundle, store, replay = str(live_bundle.path), str(tmp_path / "host.sqlite"), str(replay_file)
    live = [
        "live",
        "--bundle",
        bundle,
        "--replay",
        replay,
        "--link",
        "serial-115200",
        "--images",
        "3",
        "--plain",
    ]
    for words in (
        [*live, "--results", str(tmp_path), "--store", store],
        ["stats", store],
        ["decode", store, "--bundle", bundle],
    ):
        command = [sys.executable, "-m", "host_decoder", *words]
        done = subprocess.run(
            command, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode(encoding)
        assert b"?" not in done.stdout


def test_a_part_of_a_replay_sorted_by_class_shows_several_classes(
    live_bundle, replay_file, tmp_path
):
    arrays = dict(np.load(replay_file))
    order = np.argsort(arrays["labels"], kind="stable")
    np.savez(
        tmp_path / "sorted.npz", images=arrays["images"][order], labels=arrays["labels"][order]
    )
    options = LiveOptions(live_bundle.path, tmp_path / "sorted.npz", images=4, seed=1)
    replay = Replay.read(options.replay)
    drawn = draw_replay(options, replay, tmp_path / "run")
    with np.load(drawn.replay) as content:
        assert len(content["images"]) == 4
        assert len(set(content["labels"].tolist())) > 1
    assert draw_replay(options, replay, tmp_path / "run") == drawn
    assert draw_replay(replace(options, images=N_IMAGES), replay, tmp_path).replay == options.replay


def test_a_line_that_lets_nothing_through_is_told(live_bundle, replay_file, tmp_path, monkeypatch):
    monkeypatch.setattr("host_decoder.live.run.SILENCE_S", 0.5)
    told = io.StringIO()
    options = LiveOptions(
        live_bundle.path, replay_file, "serial-115200", loss="1", store=tmp_path / "store.sqlite"
    )
    run = LiveRun(options, time.monotonic(), lambda: "Ctrl-C ends the run" in told.getvalue())
    with PlainScreen(run.title, Console(file=told, width=1000)) as view:
        assert run.run(view).is_interrupted
    assert (
        "no image has come through in 0.5 s, over a line with loss 1 and bit errors 0"
        in told.getvalue()
    )


def test_without_a_downlink_losses_are_counted_and_never_stop_a_run(start):
    run = start(
        "--link", "lora-sf7", "--no-downlink", "--loss", "0.4", "--seed", "7", "--images", "8"
    )
    code, _, _ = run.finish()
    assert code == 0
    content = result(run)
    figures = content["figures"]
    assert content["study"] == "live-blobs-lora-sf7-drawn-8-loss-0.4-no-downlink"
    assert figures["live_images"] == 8
    assert figures["live_images_received"] == 8 - content["line"]["frames_lost"] < 8
    assert figures["live_accuracy"] == 1.0
    assert figures["live_accuracy_of_captured"] == pytest.approx(
        figures["live_images_received"] / 8
    )
    overhead_bytes = figures["live_wire_bytes_per_image"] - figures["live_bytes_per_image"]
    assert 11 < overhead_bytes <= 11 + 12, "every image once, some packets with a salt"
    assert figures["live_downlink_packets"] == 0


def test_verdicts_spare_the_chunks_that_are_not_wanted(start, calibrated_live_bundle):
    run = start(
        *(
            "--link",
            "serial-9600",
            "--verdict",
            "0.01",
            "--first-chunk-bytes",
            "8",
            "--chunk-bytes",
            "4",
        ),
        bundle=calibrated_live_bundle.path,
    )
    code, out, err = run.finish()
    assert (code, err) == (0, "")
    figures = result(run)["figures"]
    assert figures["live_images_decided"] == N_IMAGES
    assert figures["live_chunks_at_verdict"] < 5
    assert figures["live_bytes_saved_per_image"] > 0
    assert figures["live_bytes_saved_per_image"] + figures["live_bytes_per_image"] == pytest.approx(
        figures["live_bytes_saved_per_image"] / figures["live_bytes_saved_share"]
    )
    assert figures["live_airtime_saved_s_per_image"] > 0
    assert "live_accuracy_at_verdict" in figures
    assert "saved by verdicts per image" in out
    run.assert_nothing_is_left()


MODEMS = ["rn2483-sf7", "rak3172-sf7", "e22-9600"]


@pytest.mark.parametrize("link", MODEMS[: size(1, len(MODEMS))])
def test_modems_are_spoken_to_in_their_own_language(start, link):
    run = start("--link", link, "--images", "3")
    code, _, err = run.finish()
    assert (code, err) == (0, "")
    figures = result(run)["figures"]
    assert (figures["live_images_received"], figures["live_accuracy"]) == (3, 1.0)
    run.assert_nothing_is_left()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child that its parent was killed"
)
def test_a_run_that_is_killed_leaves_no_process(start):
    run = start("--link", "lora-sf10", "--interval", "0.2")
    run.wait_for_an_answer()
    assert len(run.processes()) == 3
    run.process.kill()
    run.finish()
    deadline_s = time.monotonic() + PATIENCE_S
    while run.processes():
        assert time.monotonic() < deadline_s, run.processes()
        time.sleep(0.02)


def has_echo(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def test_a_terminal_sees_the_picture_and_is_given_back_whole(live_bundle, replay_file, tmp_path):
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [
        sys.executable,
        "-m",
        "host_decoder",
        "live",
        "--bundle",
        live_bundle.path,
        "--replay",
        replay_file,
    ]
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    run = subprocess.Popen(
        [*command, "--link", "serial-115200", "--results", tmp_path],
        stdin=far,
        stdout=far,
        stderr=far,
        env=environment,
    )
    os.close(far)
    seen, shows_keys = b"", [has_echo(near)]
    try:
        while part := os.read(near, 65536):
            seen += part
            shows_keys.append(has_echo(near))
    except OSError:
        pass  # how a pseudo-terminal says that the other side has closed it
    os.close(near)
    assert run.wait(PATIENCE_S) == 0
    text = seen.decode()
    assert "▀▀" in text
    assert "accuracy" in text
    assert "link in use" in text
    assert shows_keys[0]
    assert False in shows_keys, "a key would move what is drawn in place"
    assert shows_keys[-1]
    hide_cursor, show_cursor = "\x1b[?25l", "\x1b[?25h"
    assert text.rindex(show_cursor) > text.rindex(hide_cursor)


@pytest.mark.parametrize(
    ("number", "to_group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]
)
def test_an_interrupted_run_ends_at_once_and_leaves_nothing(start, number, to_group):
    run = start("--link", "lora-sf10", "--interval", "0.2")
    run.wait_for_an_answer()
    assert len(run.processes()) == 3
    (os.killpg if to_group else os.kill)(run.process.pid, number)
    interrupted_s = time.monotonic()
    code, out, err = run.finish()
    assert time.monotonic() - interrupted_s < 30
    assert code == 128 + number
    assert "images answered / captured" in out
    assert f"ended by {signal.Signals(number).name}; no results file is written" in err
    assert not (run.folder / "results").exists()
    run.assert_nothing_is_left()


def test_interrupted_before_the_first_word_it_leaves_nothing_too(start):
    run = start("--link", "lora-sf10")
    while len(run.processes()) < 2:
        time.sleep(0.01)
    run.process.send_signal(signal.SIGINT)
    code, _, _ = run.finish()
    assert code == 128 + signal.SIGINT
    run.assert_nothing_is_left()


def test_a_node_that_dies_is_quoted(start, live_bundle, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(live_bundle.path, damaged)
    (damaged / "encoder.tflite").write_bytes(b"no model")
    run = start("--link", "lora-sf7", bundle=damaged)
    code, _, err = run.finish()
    assert code == 1
    assert "the node ended with exit code 1, saying" in err
    assert "encoder.tflite" in err
    assert "is damaged" in err
    run.assert_nothing_is_left()


def test_a_line_that_dies_ends_the_run(start):
    run = start("--link", "lora-sf10", "--interval", "0.2")
    run.wait_for_an_answer()
    [line] = [pid for pid, command in run.processes().items() if "link emulate" in command]
    os.kill(line, signal.SIGKILL)
    code, _, err = run.finish()
    assert code == 1
    assert "the emulated line was ended by signal SIGKILL" in err or "vanished" in err
    run.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--link", "lora-sf99"], 'no link profile "lora-sf99"; there are: '),
        (["--link", "/dev/ttyUSB0"], "live emulates its line and cannot use the port /dev/ttyUSB0"),
        (["--link", "udp"], "live emulates its line, and udp needs none"),
        (["--verdict", "0.95", "--no-downlink"], "a verdict needs a downlink"),
        (["--loss", "often"], 'loss "often" is not understood'),
        (
            ["--replay", "nowhere.npz"],
            "there is no replay file nowhere.npz; `python -m host_training replay` writes one",
        ),
        (["--bundle", "nowhere"], "there is no bundle at nowhere"),
    ],
)
def test_a_wrong_argument_is_a_sentence_before_anything_starts(
    live_bundle, replay_file, options, sentence, capsys
):
    command = ["live", "--bundle", str(live_bundle.path), "--replay", str(replay_file), *options]
    assert main(command) == 1
    assert sentence in capsys.readouterr().err


def test_a_replay_of_other_classes_is_refused(live_bundle, tmp_path, capsys):
    path = tmp_path / "cars.npz"
    np.savez(
        path,
        images=np.zeros((1, 8, 8, 1), np.uint8),
        labels=np.zeros(1, int),
        classes=np.array(["car"]),
    )
    assert main(["live", "--bundle", str(live_bundle.path), "--replay", str(path)]) == 1
    assert "has the class 'car'" in capsys.readouterr().err
    path.write_bytes(b"PK damaged")
    assert main(["live", "--bundle", str(live_bundle.path), "--replay", str(path)]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A team's bundle with parts that run, and a replay whose truths are what these give in one
    process.
    """
    folder = tmp_path_factory.mktemp("team")
    bundle = make_team_bundle(folder / "blobs")
    images = random_images(N_TEAM_IMAGES, seed=7)
    labels = [CLASSES.index(right_label(symbols)) for symbols in chain_of(bundle)(images)]
    path = folder / "replay.npz"
    np.savez(path, images=images, labels=np.array(labels), classes=np.array(CLASSES))
    return bundle.path, path


def test_a_team_answers_every_image_though_its_members_are_killed(tmp_path, team):
    bundle, replay = team
    run = Run(tmp_path, bundle, replay, "--fog", "3", "--kill", "1", "--dataset", "blobs")
    code, out, err = run.finish()
    assert code == 0, err
    figures = result(run)["figures"]
    assert figures["live_unanswered"] == 0
    assert figures["live_kills"] >= 1
    assert figures["live_accuracy_3_alive"] > 0.8, "what came too late for a segment aside, all"
    found = re.findall(rf"^image (\d+) of {N_TEAM_IMAGES}: ", out, re.MULTILINE)
    assert set(map(int, found)) == set(range(1, N_TEAM_IMAGES + 1))
    assert "is killed" in out
    assert re.search(r"2 of 3 alive, without \d", out)
    run.assert_nothing_is_left()
