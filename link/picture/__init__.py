"""Image files as the pixels that a person sees."""

from link.picture import capture_time, folders, reader, writer
from link.picture.arrays import read_arrays
from link.picture.folders import files_below
from link.picture.reader import (
    PillowMissingError,
    UnreadableImageError,
    fit,
    read_picture,
)
from link.picture.replay import Replay, ReplayError
