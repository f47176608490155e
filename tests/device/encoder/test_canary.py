"""The canary tells a machine that computes other symbols from one that rounds in another way."""

import numpy as np
import pytest

from device.encoder.canary import CANARY, N_IMAGES, CanaryReport, check_canary, make_canary
from device.encoder.encoder import Encoder
from link.bundle.bundle import BundleError


@pytest.fixture
def sung(bundle):
    """A bundle with its canary."""
    (bundle.path / CANARY).write_bytes(make_canary(bundle))
    return bundle


def test_it_is_the_same_whenever_it_is_made(bundle):
    assert make_canary(bundle) == make_canary(bundle)


def test_it_holds_images_that_differ_and_the_symbols_of_each(sung):
    with np.load(sung.path / CANARY) as canary:
        assert canary["images"].shape == (N_IMAGES, *sung.image.shape)
        assert canary["symbols"].shape == (N_IMAGES, sung.n_latents)
        assert len(np.unique(canary["symbols"], axis=0)) == N_IMAGES


def test_a_machine_that_computes_the_same_is_told_so(sung):
    report = check_canary(sung, Encoder(sung))
    assert str(report) == "0 of 48 canary symbols differ, by at most 0"


def test_a_bundle_without_one_is_not_checked(bundle):
    assert check_canary(bundle, Encoder(bundle)) is None


@pytest.mark.parametrize(
    ("n_differ", "largest", "is_good"),
    [(0, 0, True), (10, 1, True), (11, 1, False), (1, 2, False)],
)
def test_a_sixteenth_of_the_symbols_may_differ_by_one(n_differ, largest, is_good):
    assert CanaryReport(160, n_differ, largest).is_good is is_good


@pytest.mark.parametrize("rows", [0, N_IMAGES - 1])
def test_one_of_another_shape_is_damaged(sung, rows):
    with np.load(sung.path / CANARY) as canary:
        images, symbols = canary["images"], canary["symbols"]
    np.savez(sung.path / CANARY, images=images[:rows], symbols=symbols)
    with pytest.raises(BundleError, match="is damaged"):
        check_canary(sung, Encoder(sung))
