"""Cameras: images in red, green, blue, from a USB camera by OpenCV or from the Raspberry Pi's
connector by picamera2.

A camera is opened when an image is wanted, lets the images pass in which it finds its exposure, and
is closed when it rests or has failed, so that the next image is asked of one that was opened anew.
Whatever the foreign libraries raise, and whatever they give that is no image, is a CameraError.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

N_STALE_IMAGES = 4
"What camera drivers keep: images from before the capture was asked for."
N_SETTLING_IMAGES = 20
"In which a camera that was just opened finds its exposure."
N_TRIES = 2
"A damaged image is followed by a whole one; what fails twice is opened anew."
CAMERA_SIZE = (640, 480)


class CameraError(RuntimeError):
    """The camera gives no image now; it may later. The message says what to do."""


class Driver(Protocol):
    """One kind of camera, as its library has it. Any of these may raise anything."""

    name: str
    advice: str
    "What to do where it cannot be opened."
    silence: str
    "What to say of one that never gave an image."

    def open(self) -> None: ...
    def skip(self) -> bool:
        """Let an image pass; whether one came."""

    def read(self) -> Any:
        """RGB uint8 (H, W, 3); what is none is refused."""

    def rest(self) -> None:
        """Stream no more until it is opened again."""

    def close(self) -> None: ...


class Camera:
    """One camera. `rests`: it is closed between two images."""

    def __init__(self, driver: Driver, rests: bool) -> None:
        self._driver = driver
        self._rests = rests
        self._is_open = self._has_settled = self._has_given = False

    @property
    def name(self) -> str:
        return self._driver.name

    def open(self) -> None:
        """CameraError when it is not there."""
        try:
            self._driver.open()
        except CameraError:
            self.close()
            raise
        except Exception as error:  # OpenCV and picamera2 raise what they please
            self.close()
            raise CameraError(
                f"{self._driver.name} cannot be opened ({_said(error)}); {self._driver.advice}"
            ) from None
        self._is_open = True
        self._has_settled = False

    def image(self) -> tuple[np.ndarray, float]:
        """RGB uint8 (H, W, 3), fresh, and its monotonic time; CameraError when none comes."""
        if not self._is_open:
            self.open()
        why = ""
        for _ in range(N_TRIES):
            try:
                self._skip(N_STALE_IMAGES if self._has_settled else N_SETTLING_IMAGES)
                captured_s = time.monotonic()
                pixels = _checked(self._driver.read())
            except Exception as error:  # as above
                why = _said(error)
                continue
            self._has_settled = self._has_given = True
            if self._rests:
                self._is_open = False
                self._leave(self._driver.rest)
            return pixels, captured_s
        self.close()
        advice = (
            "gives no image any more; plug it in again" if self._has_given else self._driver.silence
        )
        raise CameraError(f"{self._driver.name} {advice} ({why})")

    def close(self) -> None:
        """What is closed already, or cannot be, is no error."""
        self._is_open = False
        self._leave(self._driver.close)

    @staticmethod
    def _leave(step: Callable[[], None]) -> None:
        with suppress(Exception):  # it is opened anew in any case
            step()

    def _skip(self, n_images: int) -> None:
        """A camera that gives nothing keeps each caller waiting for seconds: one that failed twice
        is asked no more.
        """
        n_failed = 0
        while n_images and n_failed < N_TRIES:
            n_images -= 1
            n_failed += not self._driver.skip()


class UsbCamera:
    """By OpenCV; a video file stands for one in tests."""

    def __init__(self, opencv: Any, device: int | str) -> None:
        self._opencv = opencv
        self._device = device
        self._camera: Any = None
        self.name = f"camera {device}"
        self.advice = "see what there is with: ls /dev/video*"
        self.silence = (
            "opens and gives no image: a camera at the Raspberry Pi's own connector is read "
            'by kind = "picamera2"; '
            f"of a USB camera {self.advice}"
        )

    def open(self) -> None:
        self._camera = self._opencv.VideoCapture()
        if not self._camera.open(self._device):
            raise CameraError(f"{self.name} cannot be opened; {self.advice}")

    def skip(self) -> bool:
        return bool(self._camera.grab())

    def read(self) -> Any:
        is_read, pixels = self._camera.read()
        return (
            self._opencv.cvtColor(_checked(pixels), self._opencv.COLOR_BGR2RGB) if is_read else None
        )

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.release()

    rest = close


class PiCamera:
    """At the Raspberry Pi's own connector."""

    advice = "look at its cable, and whether it is listed by: rpicam-hello --list-cameras"
    silence = f"gives no image; {advice}"

    def __init__(self, make: Callable[[int], Any], number: int) -> None:
        """`make` is picamera2.Picamera2."""
        self._make = make
        self._number = number
        self._camera: Any = None
        self.name = f"camera {number} at the connector"

    def open(self) -> None:
        if self._camera is None:
            self._camera = self._make(self._number)
            # BGR888 is its name for red, green, blue
            self._camera.configure(
                self._camera.create_video_configuration(
                    main={"format": "BGR888", "size": CAMERA_SIZE}
                )
            )
        self._camera.start()

    def skip(self) -> bool:
        self._camera.capture_metadata()  # waits for an image
        return True

    def read(self) -> Any:
        return self._camera.capture_array("main")

    def rest(self) -> None:
        self._camera.stop()

    def close(self) -> None:
        """It is the process's until it is closed: nobody, not even a new one here, could open
        it.
        """
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _checked(pixels: Any) -> np.ndarray:
    """ValueError when it is no image."""
    if not isinstance(pixels, np.ndarray):
        raise ValueError("no image came")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size or pixels.dtype != np.uint8:
        raise ValueError(
            f"an image is {pixels.dtype} of shape {pixels.shape}, it must be uint8 (H, W, 3)"
        )
    return pixels


def _said(error: Exception) -> str:
    """What a library said, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
