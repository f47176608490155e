"""A live team: a moment of what `python -m tests.studies fog_live` does for half an hour."""

from random import Random

import numpy as np
import pytest

from link.fog.frame import Flag, Header, Kind, TeamSeal
from tests.scale import IS_NIGHTLY, size
from tests.studies.fog_live.forgery import attacked
from tests.studies.fog_live.losing import accuracy, n_differ_of_replicas
from tests.studies.fog_live.running import Wish
from tests.studies.fog_live.survival import survived
from tests.studies.fog_live.timing import timed
from tests.worlds.ends import KEY
from tests.worlds.mesh import MADE, Line, Stranger
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images

STAGE_MS = (6.0, 4.0, 2.0)
WISH = Wish(3, Line(0.001, 10e6), interval_s=0.05, patience_ms=100)
IMAGES = random_images(20)


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_images_are_answered_though_members_are_killed():
    found = survived(WISH, IMAGES, size(20, 2000), size(2, 100))
    assert (found.n_unanswered, found.n_counted_twice) == (0, 0)
    assert found.n_kills == size(2, 100)
    assert found.n_whole < found.n_images, "the dead are missed"


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_a_stranger_is_believed_in_nothing():
    found = attacked(WISH, IMAGES, size(1000, 50_000), 500.0)
    assert (found.accepted, found.n_unanswered) == ([], 0)
    assert found.n_tried + found.n_refused > 0.9 * found.n_frames  # a socket may lose some


def test_time_is_told_over_parts_and_links():
    found = timed(WISH, IMAGES, size(10, 300), STAGE_MS)
    least_ms = sum(STAGE_MS) + 3 * 1000 * WISH.line.delay_s
    assert len(found.overhead_ms) >= 1
    assert (found.overhead_ms > 0).all()
    assert ((found.cpu_ms > 0) & (found.cpu_ms < 50)).all()
    assert (found.overhead_ms < found.elapsed_ms.max() - least_ms).all()


def test_losses_cost_groups_and_no_answers(tmp_path):
    bundle, labels = make_team_bundle(tmp_path / "bundle"), np.zeros(len(IMAGES), int)
    lossless, lossy = (accuracy(bundle, loss, IMAGES, labels, 0.05, 1) for loss in (0.0, 0.2))
    assert (lossless.n_unanswered, lossy.n_unanswered) == (0, 0)
    assert lossless.symbols.tolist() == chain_of(bundle)(IMAGES).tolist()
    assert lossy.groups < lossless.groups == lossless.whole == 1
    assert lossy.symbols.shape == lossless.symbols.shape


def test_replicas_lose_no_bit_whichever_two_are_dead(tmp_path):
    bundle = make_team_bundle(tmp_path / "bundle", n_groups=7)
    assert n_differ_of_replicas(bundle, IMAGES[:2], 1) == (0, 28)


def test_what_a_stranger_makes_is_no_frame_of_a_member():
    seal = TeamSeal(KEY, bytes(8))
    headers = [Header(Kind.HERE, Flag.MODEM, n, n, n, bytes([n] * 4)) for n in range(3)]
    said = [seal.seal(header, bytes([header.place] * 9)) for header in headers]
    stranger = Stranger([b"of old"], Random(1))
    made = {kind: [stranger.frame(kind, said) for _ in range(200)] for kind in MADE}
    assert {*said, b"of old"} == set(made.pop("replayed"))
    for frames in made.values():
        there = [frame for frame in frames if frame is not None]
        assert len(there) > 20
        assert all(Header.unpack(frame) is None or seal.open(frame) is None for frame in there)
    assert stranger.frame("forged", []) is None
