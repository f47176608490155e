"""Layout of a folder of photos: one folder per class, or train, val and test with the class folders
inside them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from host_training.data.dataset import DataSetError
from link.album import is_unlabelled
from link.picture import folders

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SIBLINGS = "kept aside"
"Photos that nothing is learned from, of series that are trained on."
SPLIT_OF = {
    **dict.fromkeys(("train", "training", "train_set", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "test_set", "testset", "eval"), TEST),
}
"By a folder's name in lower case."

N_NAMED = 6
"Unlabelled folders; of more only the number is said."

Say = Callable[[str], None]


def split_folders(folder: Path, say: Say) -> dict[str, list[Path]]:
    """The folders of each split, or all of it as TRAIN where the folder holds classes; what is left
    out is said.
    """
    inner = folders_in(folder)
    _say_unlabelled(folder, say)
    found: dict[str, list[Path]] = {}
    for path in inner:
        if split := SPLIT_OF.get(path.name.lower()):
            found.setdefault(split, []).append(path)
    others = [path.name for path in inner if path.name.lower() not in SPLIT_OF]
    has_classes = any(map(folders_in, found.get(TRAIN, [])))
    if len(found) > 1 and not others and not has_classes:
        raise DataSetError(
            f"{folder} holds {' and '.join(path.name for path in inner)}, which are names of "
            "splits, but no class folders in the one to train on; put one folder of images per "
            "class into each, or rename them"
        )
    if not has_classes or (others and len(found) == 1):
        return {TRAIN: [folder]}
    if others:
        say(f"{folder} is taken as splits ({', '.join(found)}); left out: {', '.join(others)}")
    for split in (VALIDATION, TEST):
        if split in found and not any(map(folders_in, found[split])):
            say(
                f"{found.pop(split)[0]} holds no class folders, so that its images have no "
                "labels: it is left out"
            )
    return found


def classes_in(places: Sequence[Path]) -> tuple[str, ...]:
    """The names of the class folders, in alphabetical order."""
    return tuple(sorted({path.name for place in places for path in folders_in(place)}))


def check_classes(folder: Path, places: dict[str, list[Path]]) -> tuple[str, ...]:
    """The classes to train on; the other splits may lack some, but have no further ones."""
    classes = classes_in(places[TRAIN])
    if odd := [name for name in classes if not name.isprintable() or not name.strip()]:
        raise DataSetError(
            f"a class folder in {folder} is called {odd[0]!a}, which nobody can read off a "
            "screen; rename it"
        )
    if len(classes) < 2:
        wrapped = [path for path in folders_in(folder) if len(folders_in(path)) >= 2]
        remedy = (
            f"; {wrapped[0]} holds {len(folders_in(wrapped[0]))}: give that one" if wrapped else ""
        )
        raise DataSetError(
            f"{folder} holds {len(classes)} class folders; classification needs at least two, one "
            f"per class{remedy}"
        )
    for split, its_places in places.items():
        if further := sorted(set(classes_in(its_places)) - set(classes)):
            raise DataSetError(
                f"the {split} split of {folder} has the class '{further[0]}', which the one to "
                "train on has not: rename, move or remove that folder"
            )
    return classes


def folders_in(path: Path) -> list[Path]:
    """A person's own folders directly below, by name, but for those that have no label yet."""
    return [entry for entry in _own_folders(path) if not is_unlabelled(entry.name)]


def _own_folders(path: Path) -> list[Path]:
    return sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not folders.is_private(entry.name)
    )


def _say_unlabelled(folder: Path, say: Say) -> None:
    """What `latentlink collect` made, and nobody has renamed."""
    names = [entry.name for entry in _own_folders(folder) if is_unlabelled(entry.name)]
    if names:
        more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
        say(
            f"left out, since nobody has labelled them: {', '.join(names[:N_NAMED])}{more}; a "
            "folder becomes a class when it is renamed"
        )
