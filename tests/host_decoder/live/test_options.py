"""What one live run is made of, and what its node is told of it."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from host_decoder.live.options import LiveError, LiveOptions, draw_replay, node_toml, read_replay
from link.picture import Replay

OPTIONS = LiveOptions(Path("bundle"), Path("replay.npz"))


def test_a_node_is_told_what_was_said_and_nothing_of_the_rest():
    told = tomllib.loads(node_toml(OPTIONS, 7, "/dev/pts/3", None))
    assert (told["node"], told["link"]["port"], told["link"]["downlink"]) == (
        7,
        "/dev/pts/3",
        True,
    )
    assert not {"limit", "frequency_hz", "chunk_bytes"} & (told["source"].keys() | told["link"])


@pytest.mark.parametrize("name", ['a "quoted" name', "back\\slash", "grüße"])
def test_a_path_comes_back_whatever_it_is_called(name, tmp_path):
    options = LiveOptions(tmp_path / name, tmp_path / name)
    told = tomllib.loads(node_toml(options, 7, "/dev/pts/3", 868_100_000))
    assert told["bundle"] == told["source"]["path"] == str(tmp_path / name)
    assert told["link"]["frequency_hz"] == 868_100_000


@pytest.mark.parametrize(("images", "is_drawn"), [(None, False), (10, False), (4, True)])
def test_a_part_of_a_replay_is_drawn_into_a_file_of_its_own(
    images, is_drawn, replay_file, live_bundle, tmp_path
):
    replay = read_replay(replay_file, live_bundle)
    options = LiveOptions(live_bundle.path, replay_file, images=images)
    drawn = draw_replay(options, replay, tmp_path)
    assert drawn.images is None
    assert (drawn.replay.parent == tmp_path) == is_drawn
    assert len(Replay.read(drawn.replay)) == (images if is_drawn else 10)


def test_a_replay_that_is_not_there_is_answered_with_what_writes_one(live_bundle, tmp_path):
    with pytest.raises(LiveError, match=r"no replay file .*; `python -m host_training replay`"):
        read_replay(tmp_path / "replay.npz", live_bundle)
    np.savez(tmp_path / "replay.npz", something=np.zeros(3))
    with pytest.raises(LiveError):
        read_replay(tmp_path / "replay.npz", live_bundle)
