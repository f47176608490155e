"""Every result has the one shape, and whatever lacks something is named."""

import copy
import json
import math
import subprocess
from typing import Any

import numpy as np
import pytest

from link.output.results import check_result, write_result
from tests.programs import program

RESULT: dict[str, Any] = {
    "study": "bench",
    "commit": "unknown",
    "command": "make bench",
    "machine": {"cpu": "x", "cores": 2, "os": "Linux"},
    "seeds": [1],
    "figures": {"node_ms_per_image": 1.5},
}


def test_a_result_is_written_in_the_one_shape_and_passes_the_check(tmp_path):
    path = write_result(
        "live-digits",
        {"live_accuracy": np.float32(0.5), "live_images": np.int64(3)},
        command="make live",
        seeds=(1, 2),
        extra={"link": "lora-sf7"},
        folder=tmp_path / "results",
    )
    assert path == tmp_path / "results" / "live-digits.json"
    result = json.loads(path.read_text())
    check_result(result)
    assert result["figures"] == {"live_accuracy": 0.5, "live_images": 3}
    assert result["seeds"] == [1, 2]
    assert result["link"] == "lora-sf7"
    assert result["command"] == "make live"
    assert result["machine"]["cores"] >= 1
    assert [file.name for file in path.parent.iterdir()] == ["live-digits.json"]


def test_the_commit_is_that_of_the_working_folder(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            [program("git"), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert json.loads(write_result("a", {"x": 1}, command="c").read_text())["commit"] == "unknown"
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file", "results/a.json")
    git("commit", "-qm", "first")
    revision = git("rev-parse", "HEAD")
    for figure in (1, 2):
        assert (
            json.loads(write_result("a", {"x": figure}, command="c").read_text())["commit"]
            == revision
        )
    (tmp_path / "file").write_text("2")
    assert (
        json.loads(write_result("a", {"x": 1}, command="c").read_text())["commit"]
        == f"{revision}-dirty"
    )


@pytest.mark.parametrize("key", list(RESULT))
def test_each_key_must_be_there_and_of_its_kind(key):
    check_result(RESULT)
    with pytest.raises(ValueError, match=key):
        check_result({name: value for name, value in RESULT.items() if name != key})
    with pytest.raises(ValueError, match=key):
        check_result({**RESULT, key: 7})


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("figures", "node_ms_per_image"), math.nan, "node_ms_per_image is nan"),
        (("figures", "node_ms_per_image"), "fast", "node_ms_per_image is 'fast'"),
        (("figures", "node_ms_per_image"), True, "node_ms_per_image is True"),
        (("machine", "cpu"), "", "machine's cpu"),
        (("study",), "../bench", "no file name"),
        (("figures",), {}, "empty figures"),
        (("seeds",), ["one"], "seed 'one'"),
    ],
)
def test_what_is_wrong_is_named(path, value, sentence):
    result = copy.deepcopy(RESULT)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=sentence):
        check_result(result)


def test_nothing_is_written_when_a_figure_is_no_number(tmp_path):
    for value in (math.inf, None, "1", True):
        with pytest.raises(ValueError, match="figure x is"):
            write_result("a", {"x": value}, command="c", folder=tmp_path)
    assert not list(tmp_path.iterdir())
