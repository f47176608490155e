"""A folder for a node's state is made, kept from other nodes, or refused in a sentence."""

import pytest

from device.config import load_config
from device.state_dir import StateDir, StateError, StateHeldError, is_usable


@pytest.fixture
def config(home):
    return load_config(home.config(node='state_dir = "deep/state"'))


def test_it_is_made_for_this_user_alone(config):
    assert not is_usable(config.state_dir)
    with StateDir(config):
        assert is_usable(config.state_dir)
        assert config.state_dir.stat().st_mode & 0o777 == 0o700


def test_it_is_one_node_s_until_that_ends(config):
    with StateDir(config), pytest.raises(StateHeldError, match="give each node a state_dir"):
        StateDir(config)
    with StateDir(config):
        pass


def test_a_file_in_its_place_is_named(config, home):
    (home.folder / "deep").mkdir()
    config.state_dir.write_text("no folder")
    with pytest.raises(StateError, match="deep/state is a file; give the path of a folder"):
        StateDir(config)
