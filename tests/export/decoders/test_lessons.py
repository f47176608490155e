"""Lessons: the training images pass by as they are, then changed, the same each time."""

import numpy as np
import torch

from export.decoders.lessons import MAX_PASSES, AtHost, Lessons, passes
from host_training.data.catalogue import load
from host_training.data.dataset import Augmentation

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
CROPPED = Augmentation(crop_pad=1)


def test_the_first_pass_is_the_images_and_the_others_are_the_same_each_time():
    first, second, third = passes(IMAGES, CROPPED, 3)
    assert (first == IMAGES).all()
    assert not (second == IMAGES).all()
    assert not (second == third).all()
    torch.rand(5)
    again = list(passes(IMAGES, CROPPED, 3))
    assert (again[1] == second).all()
    assert (again[2] == third).all()


def test_a_small_data_set_arrives_at_the_host_in_many_passes():
    data = load("digits")
    heard = AtHost.of(data, lambda images: images[:, :4, 0, 0].view(np.int8))
    assert heard.passes.shape == (MAX_PASSES, len(data.train), 4)
    assert heard.symbols["train"].shape == (len(data.train), 4)
    assert (heard.symbols["test"] == data.test.images[:, :4, 0, 0].view(np.int8)).all()
    lessons = Lessons.of_classes(heard)
    assert (lessons.validation_wanted == data.validation.labels).all()


def test_after_the_last_pass_comes_the_first_again():
    symbols = np.arange(12, dtype=np.int8).reshape(2, 3, 2)
    same = Lessons(symbols, np.arange(3), symbols[0], np.arange(3))
    own = Lessons(symbols, np.arange(6).reshape(2, 3), symbols[0], np.arange(3))
    for number in (0, 1, 2, 5):
        seen, wanted = same.in_pass(number)
        assert seen.tolist() == symbols[number % 2].tolist()
        assert wanted.tolist() == [0, 1, 2]
        _, wanted = own.in_pass(number)
        assert wanted.tolist() == [[0, 1, 2], [3, 4, 5]][number % 2]
