import shutil

import pytest

from link.__main__ import main
from link.security.keys import CounterStore, KeyStateError, provision, read_key
from link.security.team_keys import provision_team


def test_the_members_of_a_team_have_one_key_and_counters_of_their_own(tmp_path):
    team, new = provision_team(tmp_path, 40, 3)
    assert new == [0, 1, 2]
    assert {read_key(tmp_path / str(member)) for member in range(3)} == {team}
    with CounterStore(tmp_path / "0") as store, CounterStore(tmp_path / "1") as other:
        other.advance_to(store.next() + 1000)
    assert len({(tmp_path / f"{member}/counter.json").read_text() for member in range(3)}) == 3


def test_what_was_begun_is_gone_on_with(tmp_path):
    first = provision(tmp_path / "1", 40)
    (tmp_path / "2").mkdir()
    (tmp_path / "2/node.key").touch()  # the disk was full
    assert provision_team(tmp_path, 40, 3) == (first, [0, 2])
    assert provision_team(tmp_path, 40, 3) == (first, [])


def test_a_lost_member_gets_the_key_of_the_others_and_counts_on_above_what_it_used(tmp_path):
    team, _ = provision_team(tmp_path, 40, 3)
    with CounterStore(tmp_path / "2") as store:
        used = [store.next() for _ in range(3)]
    shutil.rmtree(tmp_path / "2")
    provision(tmp_path / "2", 40, begin=used[-1] + 1, key=team.key)
    assert read_key(tmp_path / "2") == team
    with CounterStore(tmp_path / "2") as store:
        assert store.next() > used[-1]


def test_members_of_two_teams_are_told_apart(tmp_path):
    for member in ("0", "1"):
        provision(tmp_path / member, 40)
    with pytest.raises(KeyStateError, match="have not one key"):
        provision_team(tmp_path, 40, 3)
    with pytest.raises(KeyStateError, match="a team has 2 to 32 members, not 1"):
        provision_team(tmp_path, 40, 1)


def test_the_command_says_which_members_it_made(tmp_path, capsys):
    for words in ("(0, 1)", "(none, all were there)"):
        assert main(["provision", str(tmp_path), "--node", "40", "--members", "2"]) == 0
        assert f"node 40, made its members {words}, each" in capsys.readouterr().out
    assert main(["provision", str(tmp_path), "--node", "40", "--members", "3"]) == 0
    assert "its members (2), each" in capsys.readouterr().out
