"""A revoked key is known again, by a digest alone, for as long as its file can be read."""

import stat

import pytest

from host_decoder.errors import ConfigError
from host_decoder.revocation import FILE, digest, read_revoked, revoke

KEYS = bytes(range(16)), bytes(range(16, 32))


def test_keys_are_known_again_and_not_kept(tmp_path):
    assert read_revoked(tmp_path) == {}
    revoke(tmp_path, KEYS[0], 7, "2026-11-30")
    revoke(tmp_path, KEYS[1], 8, "2026-12-01")
    known = read_revoked(tmp_path)
    assert known == {digest(KEYS[0]): (7, "2026-11-30"), digest(KEYS[1]): (8, "2026-12-01")}
    text = (tmp_path / FILE).read_text()
    assert not any(key.hex() in text for key in KEYS)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{}", '{"format": 1, "keys": [1]}', "[]"])
def test_a_file_that_was_damaged_is_no_file_without_keys(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match="which keys are revoked is not known"):
        read_revoked(tmp_path)
