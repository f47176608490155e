"""A bundle goes to a node signed by the host that flashed it, with a canary, and its key is its
owner's alone.
"""

import pytest

from device.encoder.canary import CANARY
from device.flash.signing import key_path, signed_files, signing_key
from device.flash.tools import FlashError
from link.bundle.bundle import Bundle
from link.security import signature
from tests.device.flash.conftest import BUNDLE


def test_the_key_is_made_at_the_first_flashing_and_kept_for_its_owner(tmp_path):
    host = tmp_path / "latentlink/host.toml"
    key = signing_key(host, may_make=True)
    assert key_path(host).stat().st_mode & 0o777 == 0o600
    assert key_path(host).parent.stat().st_mode & 0o077 == 0
    assert signing_key(host).private_bytes_raw() == key.private_bytes_raw()
    assert signing_key(host, may_make=True).private_bytes_raw() == key.private_bytes_raw()


def test_a_host_without_the_key_is_told_to_copy_it(tmp_path):
    with pytest.raises(FlashError, match=rf"copy its {signature.SIGNING_KEY} there"):
        signing_key(tmp_path / "host.toml")
    assert list(tmp_path.iterdir()) == []


def test_a_node_gets_its_half_of_the_bundle_with_canary_and_signature(tmp_path):
    bundle = Bundle.load(BUNDLE, side="node")
    key = signing_key(tmp_path / "host.toml", may_make=True)
    files = signed_files(bundle, key)
    assert files.keys() == {*Bundle.load(BUNDLE, "node").node_files, CANARY, signature.SIGNATURE}
    assert all(
        files[name] == (BUNDLE / name).read_bytes()
        for name in Bundle.load(BUNDLE, "node").node_files
    )
    others = {name: content for name, content in files.items() if name != signature.SIGNATURE}
    assert files[signature.SIGNATURE] == signature.sign(bundle.id, others, key)
