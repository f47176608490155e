import pytest

from link.bundle import copies
from link.bundle.bundle import Bundle, BundleError
from tests.worlds.small_bundle import make_bundle


def test_what_came_with_the_programs_is_copied_and_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    came = make_bundle(tmp_path / "models" / "small")
    assert copies.written_into(came, None) == came.path
    monkeypatch.setattr(copies, "RELEASED", tmp_path / "models")
    for _ in range(2):
        place = copies.written_into(came, None)
        assert place == copies.COPIES / "small"
        assert Bundle.load(place, "host").id == came.id


def test_another_bundle_is_never_written_over(tmp_path):
    one, other = make_bundle(tmp_path / "one"), make_bundle(tmp_path / "other", encoder=b"another")
    before = {path.name: path.read_bytes() for path in other.path.iterdir()}
    with pytest.raises(BundleError, match="holds another bundle than"):
        copies.written_into(one, other.path)
    assert {path.name: path.read_bytes() for path in other.path.iterdir()} == before
