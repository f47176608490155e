"""Image sources: a replayed data set, a folder, a camera.

A source yields captures, images that are not yet taken: the node takes one when the line can carry
it, because an image that waits in a queue only gets older. A replayed image must already have the
bundle's size; the others are fitted to it.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from device.capture.camera import Camera, CameraError, Driver, PiCamera, UsbCamera
from device.capture.fitting import fit
from device.capture.folder import open_folder
from device.capture.place import Place
from device.capture.source import Capture, Image, SourceAwayError, SourceError, library
from device.capture.source_config import SourceConfig
from link.base import extras
from link.bundle import ImageSpec
from link.picture import Replay, ReplayError, UnreadableImageError

REST_S = 30.0
"""From this interval on a camera is closed between two captures, since one that is open streams all
the while.
"""


def open_source(
    config: SourceConfig,
    spec: ImageSpec,
    state_dir: Path | None = None,
    turn: Callable[[], int] | None = None,
    has_pictures: bool = False,
) -> Iterator[Capture]:
    """The captures of a source, until config.limit gave an image; SourceError at once when there
    can be none.

    `state_dir`: where a folder's place is kept, so that a node which is started again goes on
    behind it. `turn`: the number of the image of a replay that is wanted next; None: one after the
    other. `has_pictures`: images come with those that they were fitted from.
    """
    place = Place(config.path, state_dir) if config.kind == "folder" and config.path else None
    if place:
        captures = open_folder(config, spec, place, has_pictures)
    elif config.kind == "replay":
        captures = _replay(config, spec, turn)
    else:
        captures = OPENERS[config.kind](config, spec, has_pictures)
    return captures if config.limit is None else _limited(captures, config.limit, place)


def n_images(config: SourceConfig) -> float:
    """How many a source gives in all; inf where nobody can know. SourceError as open_source."""
    limit = math.inf if config.limit is None else config.limit
    return limit if config.kind != "replay" or config.loop else min(limit, len(_read(config)))


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


def _read(config: SourceConfig) -> Replay:
    path = config.path
    assert path is not None, "load_config demands a path"
    try:
        return Replay.read(path)
    except FileNotFoundError:
        raise SourceError(
            f"replay file {path} does not exist; give the path of one in [source] path"
        ) from None
    except ReplayError as error:
        raise SourceError(str(error)) from None


def _replay(
    config: SourceConfig, spec: ImageSpec, turn: Callable[[], int] | None
) -> Iterator[Capture]:
    replay = _read(config)
    if replay.images.shape[1:] != spec.shape:
        found, taken = (
            "x".join(map(str, shape)) for shape in (replay.images.shape[1:], spec.shape)
        )
        raise SourceError(
            f"replay file {config.path} is of another bundle: an image is {found}, the "
            f"bundle's encoder takes {taken}"
        )

    def capture(index: int) -> Image:
        return Image(replay.images[index], time.monotonic(), replay.label(index))

    indices = range(len(replay))
    turns: Iterable[int] = itertools.cycle(indices) if config.loop else indices
    if turn is not None:
        asked = (turn() for _ in itertools.repeat(None))
        wanted = asked if config.loop else itertools.takewhile(lambda one: one < len(replay), asked)
        turns = (index % len(replay) for index in wanted)
    return (partial(capture, index) for index in turns)


def _v4l2(config: SourceConfig, spec: ImageSpec, has_pictures: bool) -> Iterator[Capture]:
    """A USB camera, or a video file, by OpenCV."""
    opencv = library("cv2", f"a V4L2 camera is read by OpenCV: {extras.install('v4l2')}")
    return _camera(UsbCamera(opencv, config.device), config, spec, has_pictures)


def _picamera2(config: SourceConfig, spec: ImageSpec, has_pictures: bool) -> Iterator[Capture]:
    """A camera at the Raspberry Pi's own connector."""
    advice = (
        "a Raspberry Pi camera is read by picamera2, which pip cannot bring: apt install "
        "python3-picamera2, and make the environment with: python3 -m venv --system-site-packages"
    )
    camera = PiCamera(library("picamera2", advice).Picamera2, int(config.device))
    return _camera(camera, config, spec, has_pictures)


def _camera(
    driver: Driver, config: SourceConfig, spec: ImageSpec, has_pictures: bool
) -> Iterator[Capture]:
    camera = Camera(driver, rests=config.interval_s >= REST_S)

    def capture() -> Image:
        try:
            pixels, captured_s = camera.image()
        except CameraError as error:
            raise SourceAwayError(str(error)) from None
        return Image(
            _fitted(pixels), captured_s, picture=(lambda _: pixels) if has_pictures else None
        )

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


OPENERS: dict[str, Callable[[SourceConfig, ImageSpec, bool], Iterator[Capture]]] = {
    "v4l2": _v4l2,
    "picamera2": _picamera2,
}
