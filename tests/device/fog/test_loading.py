"""Of a team's bundle a member loads its own parts, and tries them by what crosses the exchanges."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from device.config import load_config
from device.encoder.canary import CANARY, make_canary
from device.encoder.loading import load
from device.encoder.trial import PROBATION_IMAGES, Installed
from device.fog.loading import LoadedParts, load_parts
from device.fog.team_config import read_team
from device.unit import selftest
from link.bundle.bundle import Bundle, BundleError
from link.bundle.image_spec import ImageSpec
from link.security.keys import provision
from tests.worlds.team_bundle import make_team_bundle

PEERS = [f"127.0.0.1:{number}" for number in (1, 2, 3)]


@pytest.fixture
def team(tmp_path):
    def config(**changes):
        table = {"member": 1, "members": 3, "port": "127.0.0.1:1", "peers": PEERS} | changes
        return read_team(table, tmp_path)

    return SimpleNamespace(bundle=make_team_bundle(tmp_path / "bundle"), config=config)


def test_in_exchange_mode_a_member_holds_its_own_group(team):
    loaded = load_parts(team.bundle.path, None, team.config())
    assert loaded.parts.held == [(0, 1), (1, 1), (2, 1)]
    assert loaded.canary is None


def test_as_a_replica_it_holds_others_too_and_a_placement_says_which(team, tmp_path):
    replica = load_parts(team.bundle.path, None, team.config(mode="replica"))
    assert len(replica.parts.held) == 6
    (tmp_path / "placement.json").write_text(json.dumps([[[1], [1], [0]]] * 3))
    placed = load_parts(team.bundle.path, None, team.config(placement="placement.json"))
    assert placed.parts.held == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_its_parts_are_tried_by_the_canary_that_the_host_made(team):
    path = team.bundle.path / CANARY
    path.write_bytes(make_canary(team.bundle))
    assert path.stat().st_size < 8192
    loaded = load_parts(team.bundle.path, None, team.config())
    assert str(loaded.canary).startswith("0 of ")
    with np.load(path) as canary:
        arrays = dict(canary)
    arrays["segment_1"][:, 1] ^= 7
    np.savez(path, **arrays)
    with pytest.raises(BundleError, match="does not compute here what it computes on its host"):
        load_parts(team.bundle.path, None, team.config())
    del arrays["segment_0"]
    np.savez(path, **arrays)
    with pytest.raises(BundleError, match="is damaged"):
        load_parts(team.bundle.path, None, team.config())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"members": 2, "peers": PEERS[:2]}, r"has 2 members, and bundle .* write members = 3"),
        ({"placement": "placement.json"}, "placement .* cannot be read"),
    ],
)
def test_a_team_that_does_not_fit_the_bundle_is_told_so(team, changes, sentence):
    with pytest.raises(BundleError, match=sentence):
        load_parts(team.bundle.path, None, team.config(**changes))


def test_images_that_no_team_can_show_its_members_are_refused(team, tmp_path):
    manifest = team.bundle.manifest
    node = replace(manifest.node, image=ImageSpec(1280, 1280, 3))
    Bundle.write(team.bundle.path, replace(manifest, node=node))
    with pytest.raises(BundleError, match=r'4915200 bytes, .* at most 4915199 .* camera = "each"'):
        load_parts(team.bundle.path, None, team.config(camera="shared"))


def test_a_bundle_of_the_other_kind_is_refused_with_what_to_do(team, tmp_path):
    with pytest.raises(BundleError, match=r"is for a team of nodes; give node.toml a \[team\]"):
        load(team.bundle.path, None)


def test_a_new_bundle_of_a_member_is_on_trial_and_the_self_test_tries_it(team, tmp_path):
    make_team_bundle(tmp_path / "bundle.previous", n_segments=2)
    provision(tmp_path / "keys", 5)
    settings = tmp_path / "node.toml"
    settings.write_text(
        'node = 5\nbundle = "bundle"\nkey_dir = "keys"\n[team]\nmember = 2\nmembers = 3\n'
        f'camera = "shared"\nport = "127.0.0.1:1"\npeers = {json.dumps(PEERS)}\n'
    )
    said: list[str] = []
    with Installed(load_config(settings)) as installed:
        loaded, trial = installed.choose(said.append)
        assert isinstance(loaded, LoadedParts)
        assert trial is not None
        assert loaded.parts.held == [(0, 2), (1, 2), (2, 2)]
        for _ in range(PROBATION_IMAGES):
            trial.image_queued()
    assert "has passed" in said[-1]
    selftest.main([str(settings), str(team.bundle.path)])
    (team.bundle.path / "part-0-2.tflite").write_bytes(b"no model")
    with pytest.raises(SystemExit, match=r"selftest: part-0-2.tflite of bundle .* is damaged"):
        selftest.main([str(settings), str(team.bundle.path)])
