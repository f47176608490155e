"""The self-test passes where release and bundle work together, and says why they do not."""

import pytest

from device.unit import selftest
from link.bundle.bundle import ENCODER


def test_a_bundle_that_works_here_passes(home, bundle):
    selftest.main([str(home.config()), str(bundle.path)])


def test_a_bundle_that_is_damaged_fails_with_the_reason(home, bundle):
    encoder = bundle.path / ENCODER
    encoder.write_bytes(encoder.read_bytes()[:-1])
    with pytest.raises(SystemExit, match=r"^selftest: encoder.tflite of bundle .* is damaged"):
        selftest.main([str(home.config()), str(bundle.path)])


def test_settings_that_cannot_be_used_fail_with_the_reason(home, bundle):
    with pytest.raises(SystemExit, match=r'^selftest: .*key "keydir" is unknown'):
        selftest.main([str(home.replace("key_dir", "keydir")), str(bundle.path)])
