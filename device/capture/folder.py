"""Folder: images in files, in the order of their names, also those that are put there meanwhile."""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from device.capture.fitting import fit
from device.capture.place import Place
from device.capture.source import Capture, Image, SourceAwayError, SourceError
from device.capture.source_config import SourceConfig
from link.bundle import ImageSpec
from link.picture import PillowMissingError, UnreadableImageError
from link.picture import folders as picture_folder
from link.picture import reader as picture


def open_folder(
    config: SourceConfig, spec: ImageSpec, place: Place, has_pictures: bool = False
) -> Iterator[Capture]:
    """Every image below a folder in the order of the names; an image in a sub-folder has that for
    its class.

    Images that are put there meanwhile are taken too. With `loop` a folder that gives nothing now
    may do so later. `has_pictures`: as open_source.
    """
    folder = config.path
    assert folder is not None, "load_config demands a path"
    if not _pictures_below(folder):
        error = SourceAwayError if config.loop and os.path.isdir(folder) else SourceError
        raise error(
            f"folder {folder} does not exist or holds no images that Pillow reads; give another in "
            "[source] path"
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
            fit(pixels, spec),
            time.monotonic(),
            None if path.parent == folder else path.parent.name,
            partial(picture.read_picture, path) if has_pictures else None,
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
    except PillowMissingError as error:
        raise SourceError(str(error)) from None
