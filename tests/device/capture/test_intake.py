"""The intake: images in their time, those that show nothing new left out, and faults told once."""

import math
import time

import numpy as np
import pytest

from device.capture.intake import Intake
from device.capture.source import Image, SourceError
from device.capture.source_config import SourceConfig
from link.base.clock import boot_s
from link.picture.reader import UnreadableImageError
from tests.worlds.virtual_node import Told

PIXELS = np.zeros((4, 4, 1), np.uint8)


class Console(Told):
    def __init__(self):
        super().__init__()
        self.n_unchanged = 0

    def unchanged(self, n_images):
        self.n_unchanged = n_images


@pytest.fixture
def make_intake():
    console = Console()
    faults: list[str | None] = []

    def make(captures, **settings):
        source = SourceConfig("replay", **settings)
        intake = Intake(source, lambda limit: iter(captures), None, console, faults.append)
        taken(intake)
        return intake, console

    return make


def taken(intake):
    """The image that was asked for, when the source has done with it."""
    while True:
        image = intake.take(boot_s(), None)
        if not intake.is_busy:
            return image


def image():
    return Image(PIXELS, time.monotonic())


def test_an_image_is_due_at_once_and_then_after_the_interval(make_intake):
    intake, _ = make_intake([image, image], interval_s=60.0)
    now_s = boot_s()
    assert intake.is_due(now_s, None)
    intake.ask(now_s)
    assert not intake.is_due(now_s, None), "it is being taken"
    assert taken(intake) is not None
    assert not intake.is_due(boot_s(), None)
    assert intake.wake_s(boot_s(), None) == pytest.approx(now_s + 60, abs=1)


def test_a_source_that_ends_is_over_without_a_fault(make_intake):
    intake, _ = make_intake([])
    intake.ask(boot_s())
    assert taken(intake) is None
    assert intake.is_over
    assert intake.error is None
    assert intake.wake_s(boot_s(), None) == math.inf


def test_one_that_cannot_be_opened_says_why(make_intake):
    def broken():
        raise SourceError("the film is torn")
        yield

    intake, _ = make_intake(broken())
    intake.ask(boot_s())
    assert taken(intake) is None
    assert intake.is_over
    assert str(intake.error) == "the film is torn"


def test_an_image_that_cannot_be_read_is_told_of_once(make_intake):
    def unread():
        raise UnreadableImageError("a.png is none")

    intake, console = make_intake([unread, unread, image])
    for _ in range(2):
        intake.ask(boot_s())
        assert taken(intake) is None
    assert console.notices == ["a.png is none"]


def test_what_shows_nothing_new_is_left_out_unless_all_is_wanted(make_intake):
    intake, console = make_intake([], gate=True)
    shown = image()
    assert intake.lets_pass(shown, False)
    assert not intake.lets_pass(shown, False)
    assert console.n_unchanged == 1
    assert intake.lets_pass(shown, True)
