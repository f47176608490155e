"""A camera gives a fresh image, or says in a sentence why it does not; whatever its driver does."""

import numpy as np
import pytest

from device.capture.camera import (
    N_SETTLING_IMAGES,
    N_STALE_IMAGES,
    Camera,
    CameraError,
)

GREY = np.full((4, 6, 3), 128, np.uint8)


class Driver:
    """Says what it was asked; `gives` is what `read` gives or raises, the last one for ever."""

    name = "camera 0"
    advice = "look at its cable"
    silence = "gives no image"

    def __init__(self, *gives):
        self.gives = list(gives)
        self.asked = []

    def open(self):
        self.asked.append("open")

    def skip(self):
        self.asked.append("skip")
        return True

    def read(self):
        self.asked.append("read")
        given = self.gives.pop(0) if len(self.gives) > 1 else self.gives[0]
        if isinstance(given, Exception):
            raise given
        return given

    def rest(self):
        self.asked.append("rest")

    def close(self):
        self.asked.append("close")


def test_images_pass_until_the_exposure_is_found_and_later_what_the_driver_keeps():
    driver = Driver(GREY)
    camera = Camera(driver, rests=False)
    for n_passed in (N_SETTLING_IMAGES, N_STALE_IMAGES):
        driver.asked.clear()
        pixels, _ = camera.image()
        assert (pixels == GREY).all()
        assert driver.asked.count("skip") == n_passed
    assert driver.asked.count("open") == 0


def test_one_that_rests_is_opened_for_each_image():
    driver = Driver(GREY)
    camera = Camera(driver, rests=True)
    for _ in range(2):
        camera.image()
    assert [step for step in driver.asked if step != "skip"] == 2 * ["open", "read", "rest"]


def test_one_damaged_image_is_followed_by_a_whole_one():
    pixels, _ = Camera(Driver(None, GREY), rests=False).image()
    assert (pixels == GREY).all()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "no image came"),
        (GREY[:, :, :1], r"an image is uint8 of shape \(4, 6, 1\), it must be uint8 \(H, W, 3\)"),
        (GREY.astype(float), "an image is float64"),
        (RuntimeError("no\nbuffers"), "no buffers"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_what_fails_twice_is_closed_and_said(given, why):
    driver = Driver(given)
    with pytest.raises(CameraError, match=f"^camera 0 gives no image .*{why}"):
        Camera(driver, rests=False).image()
    assert driver.asked[-1] == "close"


def test_one_that_gave_images_before_is_to_be_plugged_in_again():
    camera = Camera(Driver(GREY, None), rests=False)
    camera.image()
    with pytest.raises(CameraError, match="camera 0 gives no image any more; plug it in again"):
        camera.image()
