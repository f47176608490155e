"""Catalogue: the data sets there are, by name, and any folder of images; and a split as a file that
a node replays.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from host_training.data import cifar, digits, image_folder
from host_training.data.dataset import SPLIT_SEED, DataSet, DataSetError, Split
from host_training.data.photo_choices import USUAL, PhotoChoices
from link.picture import Replay

LOADERS: dict[str, Callable[[Path], DataSet]] = {
    "digits": lambda data_dir: digits.load(),
    "cifar10": partial(cifar.load, "cifar10"),
    "cifar100": partial(cifar.load, "cifar100"),
    "cifar100-coarse": cifar.load_coarse,
}
"The data sets that have a name; where they lie, or are downloaded to, comes in."


def load(
    name: str,
    data_dir: Path | str = "data",
    image_size: int = 64,
    choices: PhotoChoices = USUAL,
) -> DataSet:
    """A data set by name, or a folder with one folder of images per class, which are resized to
    `image_size`; both as it was chosen.
    """
    if name in LOADERS:
        data = LOADERS[name](Path(data_dir))
        return replace(data, augmentation=choices.augmentation(data.augmentation))
    if Path(name).is_dir():
        return image_folder.load(Path(name), image_size, choices=choices)
    raise DataSetError(
        f"data set '{name}' is neither {', '.join(LOADERS)} nor a folder here; "
        "a folder of your own holds one folder of images per class"
    )


def write_replay(
    split: Split, classes: tuple[str, ...], path: Path, limit: int | None = None
) -> None:
    """Images and true labels for a node that replays them instead of opening a camera; nothing in
    it is pickled.

    A split may be sorted by class: of more than `limit` images so many are drawn, always the same.
    """
    replay = Replay(split.images, split.labels, classes)
    if limit is not None and limit < len(replay):
        replay = replay.drawn(limit, SPLIT_SEED)
    replay.write(path)
