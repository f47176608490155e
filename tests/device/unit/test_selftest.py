"""The self-test passes where release and bundle work together, and says why they do not."""

import pytest

from device.encoder.canary import CANARY, make_canary
from device.unit import selftest
from link.bundle.bundle import ENCODER, Bundle
from tests.worlds.team_bundle import make_team_bundle


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


def test_a_member_tries_its_own_parts_and_says_which_placement_does_not_fit(tmp_path):
    bundle = make_team_bundle(tmp_path / "bundle")
    (bundle.path / CANARY).write_bytes(make_canary(bundle))
    settings = tmp_path / "node.toml"
    text = (
        'node = 40\nbundle = "bundle"\nkey_dir = "keys"\n[source]\nkind = "v4l2"\n[team]\n'
        'member = 1\nmembers = 3\nport = "0.0.0.0:4310"\nmulticast = "239.77.0.40:4310"\n'
    )
    settings.write_text(text)
    selftest.main([str(settings), str(bundle.path)])
    settings.write_text(text.replace("members = 3", "members = 4"))
    with pytest.raises(
        SystemExit, match=r"^selftest: \[team\] has 4 members, and bundle .* is for 3"
    ):
        selftest.main([str(settings), str(bundle.path)])
    settings.write_text(text)
    # of another part nothing is known here, of its own all
    for group, is_right in ((2, True), (1, False)):
        other = make_team_bundle(tmp_path / f"other-{group}")
        part = other.part_path(0, group)
        part.write_bytes(other.part_path(0, 0).read_bytes())
        other = Bundle.write(other.path, other.manifest)
        (other.path / CANARY).write_bytes((bundle.path / CANARY).read_bytes())
        if is_right:
            selftest.main([str(settings), str(other.path)])
        else:
            with pytest.raises(SystemExit, match="does not compute here what it computes on its"):
                selftest.main([str(settings), str(other.path)])
