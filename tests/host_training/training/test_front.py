"""Front batches: computed once, the same however often a run begins, and bounded."""

import copy

import pytest
import torch

from host_training.data.dataset import Augmentation
from host_training.models.architecture import Backbone
from host_training.models.backbone.encoder import PhotoEncoder
from host_training.training import front
from host_training.training.front import FrontBatches
from tests.worlds.small_photos import SIDE, photos, saved_weights
from tests.worlds.small_training import CPU


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def encoder() -> PhotoEncoder:
    made = PhotoEncoder(Backbone(blocks=2, frozen=1), (SIDE, SIDE), 4).eval()
    made.start_from(saved_weights())
    return made


def batches(encoder: PhotoEncoder, n_views: int = 2, teacher=None) -> FrontBatches:
    made = FrontBatches(
        photos().train, Augmentation(flip=True, crop=0.5), 16, 0, CPU, encoder, teacher, n_views
    )
    assert made.fill(never)
    return made


def test_the_first_version_of_an_image_is_the_image_and_the_others_are_drawn(encoder):
    made = batches(encoder)
    first, second = (torch.cat(list(made.versions(view))) for view in range(2))
    assert torch.equal(first, made.pixels.float() / 255)
    assert not torch.equal(first, second)
    kept = torch.cat(list(made.maps_of(0)))
    torch.testing.assert_close(kept, encoder.front(first), rtol=0.01, atol=0.05)


def test_an_image_shows_another_version_in_the_next_epoch(encoder):
    made = batches(encoder)
    seen: dict[int, set[float]] = {}
    for step in range(2 * made.steps_per_epoch):
        for index, maps in zip(made.draw(step).tolist(), made.batch(step).maps, strict=True):
            seen.setdefault(index, set()).add(float(maps.sum()))
    assert {len(each) for each in seen.values()} == {2}


def test_a_second_run_sees_the_same(encoder):
    one, other = batches(encoder), batches(copy.deepcopy(encoder))
    for step in (0, 7):
        assert torch.equal(one.batch(step).maps, other.batch(step).maps)
        assert torch.equal(one.batch(step).labels, other.batch(step).labels)


def test_more_than_may_be_kept_is_computed_when_it_is_wanted(encoder, monkeypatch):
    kept = batches(encoder)
    monkeypatch.setattr(front, "MAX_BYTES", kept.maps[0].nbytes)
    assert batches(encoder).n_views == 1
    monkeypatch.setattr(front, "MAX_BYTES", kept.maps[0].nbytes - 1)
    made = batches(encoder)
    assert made.n_views == 0
    assert made.batch(3).maps.shape == kept.batch(3).maps.shape
    torch.testing.assert_close(
        torch.cat(list(made.maps_of(0))), encoder.front(kept.pixels.float() / 255)
    )


def test_each_version_has_the_scores_that_a_teacher_gives_it(encoder):
    def teacher(images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))

    made = batches(encoder, teacher=teacher)
    assert made.wanted is not None
    torch.testing.assert_close(made.wanted[1], teacher(torch.cat(list(made.versions(1)))))
    batch = made.batch(0)
    assert batch.wanted is not None
    assert batch.wanted.shape == (16, 3)


def test_what_is_interrupted_says_so(encoder):
    made = FrontBatches(photos().train, Augmentation(), 16, 0, CPU, encoder, None, 2)
    assert not made.fill(lambda: True)
