from pathlib import Path

import pytest

from tests.studies.command import MistakeError, bundle_of_one
from tests.worlds.small_bundle import random_tables
from tests.worlds.small_host import make_bundle
from tests.worlds.small_team import make_team_bundle


def test_a_study_of_one_node_takes_no_team(tmp_path: Path) -> None:
    assert bundle_of_one(make_bundle(tmp_path / "one", random_tables(1)).path).team is None
    team = make_team_bundle(tmp_path / "team")
    with pytest.raises(MistakeError, match="is for a team of nodes, and this study is of one"):
        bundle_of_one(team.path)
