"""Tasks: what a further decoder of the same symbols is asked, and the truth that it learns from.

label       the classes of the data set: the bundle's own once more, or those of another data set
coarse      CIFAR-100's superclasses
fine        CIFAR-100's classes, for a bundle that was trained on the superclasses
living      living or not, for both CIFARs
new-class   is it of a class that the encoder never saw, of which there are a few examples
anomaly     a score: how unlike the data set an image is
thumbnail   the image itself
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export import ExportError
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet, Split
from link.bundle import ImageSpec
from link.bundle.manifest import ANOMALY_TASK
from link.picture import UnreadableImageError, files_below, fit, read_picture

LABEL, COARSE, FINE, LIVING = CLASS_TASKS = ("label", "coarse", "fine", "living")
NEW_CLASS, ANOMALY, THUMBNAIL = "new-class", ANOMALY_TASK, "thumbnail"
TASKS = (*CLASS_TASKS, NEW_CLASS, ANOMALY, THUMBNAIL)

COARSE_OF = {"cifar100-coarse": "cifar100"}
"Data sets of superclasses, and where their images have their finer classes."

LIVING_CLASSES = {"bird", "cat", "deer", "dog", "frog", "horse"} | {
    "aquatic_mammals", "fish", "flowers", "fruit_and_vegetables", "insects", "large_carnivores",
    "large_omnivores_and_herbivores", "medium_mammals", "non-insect_invertebrates", "people",
    "reptiles", "small_mammals", "trees",
}  # fmt: skip
OTHER_CLASSES = {"airplane", "automobile", "ship", "truck"} | {
    "food_containers", "household_electrical_devices", "household_furniture",
    "large_man-made_outdoor_things", "large_natural_outdoor_scenes", "vehicles_1", "vehicles_2",
}  # fmt: skip
"Classes of CIFAR-10, and the superclasses of CIFAR-100; a plant lives, a landscape does not."


def classes_of(task: str, data: DataSet, data_dir: Path) -> DataSet:
    """The same images with the classes that a task asks for."""
    if task == LABEL:
        return data
    if task == FINE:
        if data.name not in COARSE_OF:
            raise ExportError(
                f"data set {data.name} has no finer classes than its own; fine is for "
                f"{', '.join(COARSE_OF)}, "
                "and --dataset with --task label learns the classes of any other data set"
            )
        return load(COARSE_OF[data.name], data_dir)
    if task == COARSE:
        return grouped(data, coarse_of(data), data.coarse_classes)
    return grouped(data, living_of(data), ("not living", "living"))


def coarse_of(data: DataSet) -> np.ndarray:
    """The superclass of each class, int64 (classes,)."""
    labels, coarse = data.train.labels, data.train.coarse_labels
    if coarse is None or not data.coarse_classes:
        raise ExportError(f"data set {data.name} has no superclasses; coarse is for cifar100")
    return coarse[[np.flatnonzero(labels == label)[0] for label in range(len(data.classes))]]


def living_of(data: DataSet) -> np.ndarray:
    """1 for each living class, 0 for each other, int64 (classes,)."""
    names = (
        [data.coarse_classes[i] for i in coarse_of(data)] if data.coarse_classes else data.classes
    )
    if unknown := sorted(set(names) - LIVING_CLASSES - OTHER_CLASSES):
        raise ExportError(
            f"data set {data.name} has the class '{unknown[0]}', and nobody said whether that "
            "lives; living is for cifar10 and cifar100"
        )
    return np.array([name in LIVING_CLASSES for name in names], np.int64)


def grouped(data: DataSet, group_of: np.ndarray, names: Sequence[str]) -> DataSet:
    """The same images; each class (K,) becomes the group that it belongs to."""

    def relabelled(split: Split) -> Split:
        return Split(split.images, group_of[split.labels])

    return replace(
        data,
        classes=tuple(names),
        train=relabelled(data.train),
        validation=relabelled(data.validation),
        test=relabelled(data.test),
        coarse_classes=(),
    )


@dataclass(frozen=True, eq=False)
class NewClass:
    """A class that the encoder has never seen: a few images to learn from, others to measure on."""

    name: str
    few: np.ndarray
    "uint8 (k, H, W, C)"
    test: np.ndarray
    "uint8 (n, H, W, C); n may be 0."

    @classmethod
    def find(
        cls, where: str, shots: int, seed: int, image: ImageSpec, data_dir: Path
    ) -> "NewClass":
        """`shots` images, drawn by the seed, of a folder of images or of DATASET:CLASS, such as
        cifar100:bicycle.
        """
        if shots < 1:
            raise ExportError(f"{shots} examples asked for; a new class needs at least one")
        if Path(where).is_dir():
            name, images, test = Path(where).resolve().name, read_folder(Path(where), image), None
        else:
            name, images, test = _of_data_set(where, image, data_dir)
        if len(images) < shots:
            raise ExportError(
                f"{where} has {len(images)} images to learn from, {shots} are asked for; "
                "lower --shots"
            )
        order = np.random.default_rng(seed).permutation(len(images))
        return cls(name, images[order[:shots]], images[order[shots:]] if test is None else test)


def _of_data_set(
    where: str, image: ImageSpec, data_dir: Path
) -> tuple[str, np.ndarray, np.ndarray]:
    data_set, _, name = where.partition(":")
    if not name:
        raise ExportError(
            f"'{where}' is neither a folder here nor DATASET:CLASS, such as cifar100:bicycle"
        )
    data = load(data_set, data_dir, image_size=image.height)
    if name not in data.classes:
        raise ExportError(
            f"data set {data_set} has no class '{name}'; it has {', '.join(data.classes)}"
        )
    check_shape(data, image)
    label = data.classes.index(name)
    return (
        name,
        data.train.images[data.train.labels == label],
        data.test.images[data.test.labels == label],
    )


def read_folder(folder: Path, image: ImageSpec) -> np.ndarray:
    """uint8 (N, H, W, C) of a folder's images, as the node would take them; what is no image is
    left out, and said.
    """
    if image.height != image.width or image.channels not in (1, 3):
        raise ExportError(
            f"the bundle takes images {image.shape}; a folder gives square ones in grey or RGB"
        )
    images = []
    for path in files_below(folder):
        try:
            images.append(fit(read_picture(path, at_least=image.height), image.shape))
        except UnreadableImageError as error:
            print(error, file=sys.stderr)
    return np.stack(images) if images else np.zeros((0, *image.shape), np.uint8)


def check_shape(data: DataSet, image: ImageSpec) -> None:
    if data.image_shape != image.shape:
        raise ExportError(
            f"data set {data.name} has images {data.image_shape}, the bundle takes {image.shape}"
        )
