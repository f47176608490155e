"""Image sources: a replayed data set, a folder, a camera.

A source yields captures, images that are not yet taken: the node takes one when the line can carry
it, because an image that waits in a queue only gets older. A replayed image must already have the
bundle's size; the others are cut to its aspect around their centre and resized, by Pillow just as
the training does it, or where only OpenCV is installed by area, which is nearly the same.
"""

import importlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from device.capture.camera import (
    N_SETTLING_IMAGES,
    Camera,
    CameraError,
    Driver,
    PiCamera,
    UsbCamera,
)
from device.capture.place import Place
from device.capture.source_config import SourceConfig
from link.bundle import ImageSpec
from link.picture import PillowMissingError, Replay, ReplayError, UnreadableImageError
from link.picture import folders as picture_folder
from link.picture import reader as picture

__all__ = [
    "N_SETTLING_IMAGES",
    "REST_S",
    "Capture",
    "Image",
    "SourceAwayError",
    "SourceError",
    "UnreadableImageError",
    "fit",
    "open_source",
]

REST_S = 30.0
"""From this interval on a camera is closed between two captures, since one that is open streams all
the while.
"""


class SourceError(RuntimeError):
    """The source gives no images; the message says why and what to do."""


class SourceAwayError(SourceError):
    """It gives no images now, and may later: a camera that is not plugged in."""


@dataclass(frozen=True, eq=False)
class Image:
    """One camera capture."""

    pixels: np.ndarray
    "uint8 (H, W, C)"
    captured_s: float
    "On the monotonic clock."
    label: str | None = None
    "Its class where that is known."


Capture = Callable[[], Image]


def open_source(
    config: SourceConfig, spec: ImageSpec, state_dir: Path | None = None
) -> Iterator[Capture]:
    """The captures of a source, until config.limit gave an image; SourceError at once when there
    can be none.

    `state_dir`: where a folder's place is kept, so that a node which is started again goes on
    behind it.
    """
    place = Place(config.path, state_dir) if config.kind == "folder" and config.path else None
    captures = _folder(config, spec, place) if place else OPENERS[config.kind](config, spec)
    return captures if config.limit is None else _limited(captures, config.limit, place)


def _limited(captures: Iterator[Capture], limit: int, place: Place | None) -> Iterator[Capture]:
    """What cannot be read does not count."""
    n_images = 0

    def counted(capture: Capture) -> Image:
        nonlocal n_images
        image = capture()
        n_images += 1
        return image

    while n_images < limit and (capture := next(captures, None)) is not None:
        yield partial(counted, capture)
    if place is not None:
        place.forget()


def fit(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any size to the encoder's image: its aspect around the centre, its
    size, its colours.
    """
    try:
        return picture.fit(pixels, spec.shape)
    except PillowMissingError:
        opencv = _import(
            "cv2",
            "images must be resized, for which Pillow or OpenCV is needed: pip install pillow",
        )
    colours = pixels if spec.channels == 3 else opencv.cvtColor(pixels, opencv.COLOR_RGB2GRAY)
    size = (spec.width, spec.height)
    return opencv.resize(_centre(colours, spec), size, interpolation=opencv.INTER_AREA).reshape(
        spec.shape
    )


def _centre(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """The largest part around the centre that has the encoder's aspect."""
    height, width = pixels.shape[:2]
    scale = min(height / spec.height, width / spec.width)
    cut_height, cut_width = round(scale * spec.height), round(scale * spec.width)
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return pixels[top : top + cut_height, left : left + cut_width]


def _replay(config: SourceConfig, spec: ImageSpec) -> Iterator[Capture]:
    path = config.path
    assert path is not None, "load_config demands a path"
    try:
        replay = Replay.read(path)
    except FileNotFoundError:
        raise SourceError(
            f"replay file {path} does not exist; give the path of one in [source] path"
        ) from None
    except ReplayError as error:
        raise SourceError(str(error)) from None
    if replay.images.shape[1:] != spec.shape:
        found, taken = (
            "x".join(map(str, shape)) for shape in (replay.images.shape[1:], spec.shape)
        )
        raise SourceError(
            f"replay file {path} is of another bundle: an image is {found}, the bundle's "
            f"encoder takes {taken}"
        )

    def capture(index: int) -> Image:
        return Image(replay.images[index], time.monotonic(), replay.label(index))

    return _each(range(len(replay)), capture, config.loop)


def _folder(config: SourceConfig, spec: ImageSpec, place: Place) -> Iterator[Capture]:
    """Every image below a folder in the order of the names; an image in a sub-folder has that for
    its class.

    Images that are put there meanwhile are taken too. With `loop` a folder that gives nothing now
    may do so later.
    """
    folder = config.path
    assert folder is not None, "load_config demands a path"
    if not _pictures_below(folder):
        error = SourceAwayError if config.loop and os.path.isdir(folder) else SourceError
        raise error(
            f"folder {folder} does not exist or holds no images that Pillow reads; give "
            "another in [source] path"
        )
    n_unread = 0

    def capture(path: Path, n_paths: int) -> Image:
        nonlocal n_unread
        try:
            pixels = picture.read_picture(path, at_least=max(spec.height, spec.width))
        except UnreadableImageError as error:
            n_unread += 1
            if config.loop and n_unread >= n_paths:
                n_unread = 0
                raise SourceAwayError(
                    f"none of the {n_paths} images in {folder} can be read; the last: {error}"
                ) from None
            raise
        n_unread = 0
        return Image(
            fit(pixels, spec), time.monotonic(), None if path.parent == folder else path.parent.name
        )

    def captures() -> Iterator[Capture]:
        """In rounds; each ends when no image is in the folder that it has not taken."""
        paths = _pictures_below(folder)
        taken = {path for path in paths if place.last is not None and path <= place.last}
        while paths:
            for path in [path for path in paths if path not in taken]:
                taken.add(path)
                place.take(path)
                yield partial(capture, path, len(paths))
            paths = _pictures_below(folder)
            if taken.issuperset(paths):
                place.forget()
                taken.clear()
                if not config.loop:
                    return
        raise SourceAwayError(f"folder {folder} holds no images any more")

    return captures()


def _pictures_below(folder: Path) -> list[Path]:
    try:
        return picture_folder.pictures_below(folder)
    except PillowMissingError:
        raise SourceError("a folder of images is read by Pillow: pip install pillow") from None


def _v4l2(config: SourceConfig, spec: ImageSpec) -> Iterator[Capture]:
    """A USB camera, or a video file, by OpenCV."""
    opencv = _import("cv2", "a V4L2 camera is read by OpenCV: pip install opencv-python-headless")
    return _camera(UsbCamera(opencv, config.device), config, spec)


def _picamera2(config: SourceConfig, spec: ImageSpec) -> Iterator[Capture]:
    """A camera at the Raspberry Pi's own connector."""
    advice = (
        "a Raspberry Pi camera is read by picamera2, which pip cannot bring: apt install "
        "python3-picamera2, "
        "and make the environment with: python3 -m venv --system-site-packages"
    )
    return _camera(
        PiCamera(_import("picamera2", advice).Picamera2, int(config.device)), config, spec
    )


def _camera(driver: Driver, config: SourceConfig, spec: ImageSpec) -> Iterator[Capture]:
    camera = Camera(driver, rests=config.interval_s >= REST_S)

    def capture() -> Image:
        try:
            pixels, captured_s = camera.image()
        except CameraError as error:
            raise SourceAwayError(str(error)) from None
        return Image(_fitted(pixels), captured_s)

    def _fitted(pixels: np.ndarray) -> np.ndarray:
        try:
            return fit(pixels, spec)
        except (SourceError, UnreadableImageError):
            raise
        except Exception as error:  # of Pillow or OpenCV
            raise UnreadableImageError(f"an image of {driver.name} is left out: {error}") from None

    try:
        camera.open()
    except CameraError as error:
        raise SourceAwayError(str(error)) from None
    return itertools.repeat(capture)


OPENERS: dict[str, Callable[[SourceConfig, ImageSpec], Iterator[Capture]]] = {
    "replay": _replay,
    "v4l2": _v4l2,
    "picamera2": _picamera2,
}


def _each(items: Any, capture: Callable[[Any], Image], loop: bool) -> Iterator[Capture]:
    return (partial(capture, item) for item in (itertools.cycle(items) if loop else items))


def _find(module: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _import(module: str, advice: str) -> Any:
    found = _find(module)
    if found is None:
        raise SourceError(advice)
    return found
