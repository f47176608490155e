"""What a host's end tells: everything with a counter is to be stored, and nothing else."""

import pytest

from link.host.interface import NodeEntry, NotUsed, Reason, Useless
from tests.worlds.small_bundle import make_bundle, random_tables


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return [make_bundle(folder / str(seed), random_tables(seed=seed)) for seed in range(3)]


def test_a_node_s_own_bundles_are_decoded_and_the_others_only_known(bundles):
    now, before, other = bundles
    entry = NodeEntry(b"key", now, (before,), (other, now))
    assert entry.own_bundles == (now, before)
    assert set(entry.bundles) == {bundle.id for bundle in bundles}
    assert entry.bundles[now.id] is now


def test_a_key_is_not_printed(bundles):
    assert "secret" not in repr(NodeEntry(b"secret", bundles[0]))


def test_what_is_not_used_has_no_counter_and_so_is_not_stored():
    assert NotUsed(Reason.REPLAY, "seen before", 7, claimed=5).counter is None
    assert Useless(Reason.REPEATED, "here already", 7, 5).counter == 5


@pytest.mark.parametrize("reason", Reason)
def test_only_a_copy_and_a_session_that_is_over_were_the_node_s_once(reason):
    was_genuine = reason in (Reason.DUPLICATE, Reason.STALE_SESSION)
    assert NotUsed(reason, "because").was_genuine == was_genuine


def test_noise_tells_how_much_there_was():
    assert NotUsed.noise(3).sentence.startswith("3 frame(s) came damaged")
    assert not NotUsed.noise(1).reason.is_ordinary
