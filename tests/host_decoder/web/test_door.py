"""Tokens are kept as hashes alone and end when they are told to; what was changed is on record."""

import stat

import pytest

from host_decoder.web.door import Door, DoorError, Person


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path / "page.sqlite")


def test_nobody_has_a_token_before_one_is_made_and_nothing_is_written(door):
    assert not door.has_tokens()
    assert door.person("anything") is None
    assert not door.path.exists()


def test_a_token_is_known_again_and_stands_nowhere(door):
    token = door.add_token("ann", "operator")
    assert Door(door.path).person(token) == Person("ann", "operator")
    assert door.person(token + "x") is None
    files = list(door.path.parent.glob("page.sqlite*"))
    assert all(token.encode() not in path.read_bytes() for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert all(token not in str(row) for row in door.tokens() + door.audit())


def test_a_token_ends_with_its_days_or_when_it_is_revoked(door):
    assert door.person(door.add_token("old", "viewer", days=-1)) is None
    token = door.add_token("ann", "viewer", days=1)
    assert door.person(token) is not None
    door.revoke("ann")
    assert door.person(token) is None


def test_a_name_has_one_token(door):
    door.add_token("ann", "viewer")
    with pytest.raises(DoorError, match="there is a token for ann already"):
        door.add_token("ann", "admin")
    with pytest.raises(DoorError, match="there is no token for bob"):
        door.revoke("bob")


def test_what_was_changed_is_listed_the_newest_first_page_by_page(door):
    for n in range(5):
        door.note(Person("ann", "operator"), f"change {n}")
    first = door.audit(limit=2)
    assert [row["what"] for row in first] == ["change 4", "change 3"]
    assert [row["what"] for row in door.audit(first[-1]["id"], 2)] == ["change 2", "change 1"]
    assert first[0]["who"] == "ann"


def test_a_file_that_is_no_desk_is_named(tmp_path):
    (tmp_path / "page.sqlite").write_bytes(b"not a database at all, but long enough" * 40)
    with pytest.raises(DoorError, match=r"page\.sqlite cannot be used"):
        Door(tmp_path / "page.sqlite").has_tokens()
