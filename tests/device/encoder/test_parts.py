"""Parts on their own machines compute what the chained parts do on the host."""

import numpy as np
import pytest

from device.encoder.canary import CANARY, check_parts, make_canary
from device.encoder.model import EncoderError
from device.encoder.parts import Parts, symbols_of
from link.bundle.manifest import part_file
from tests.worlds.team_bundle import GROUPS, LEVELS, chain_of, make_team_bundle, random_images


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "bundle")


def test_all_parts_one_after_the_other_make_the_symbols_of_the_chain(bundle):
    images = random_images(5)
    parts, expected = Parts(bundle), chain_of(bundle)(images)
    found = [symbols_of(parts.chain(image)[-1], bundle.team.order) for image in images]
    assert (np.array(found) == expected).all()


def test_what_crosses_an_exchange_is_below_its_levels(bundle):
    *crossing, _ = Parts(bundle).chain(random_images(1)[0])
    assert [one.shape for one in crossing] == [
        (GROUPS, *segment.shape) for segment in bundle.team.cut[:-1]
    ]
    assert max(one.max() for one in crossing) < LEVELS


def test_a_member_loads_its_own_parts_alone(bundle):
    parts = Parts(bundle, [(0, 1), (1, 1)])
    assert parts.held == [(0, 1), (1, 1)]
    with pytest.raises(KeyError):
        parts(0, 0, np.zeros((1, 8, 8, 1), np.int8))


def test_a_member_that_computes_nothing_loads_nothing(bundle):
    (bundle.path / CANARY).write_bytes(make_canary(bundle))
    parts = Parts(bundle, ())
    assert not parts.held
    assert check_parts(bundle, parts) is None


def test_an_image_of_another_size_is_refused(bundle):
    with pytest.raises(EncoderError, match="image is 4x8x1, the bundle's encoder takes 8x8x1"):
        Parts(bundle).chain(random_images(1)[0][:4])


def test_a_part_that_is_no_model_is_named(tmp_path):
    broken = make_team_bundle(tmp_path / "bundle")
    (broken.path / part_file(1, 2)).write_bytes(b"no model")
    with pytest.raises(EncoderError, match=r"part-1-2.tflite of bundle .* does not run"):
        Parts(broken)
