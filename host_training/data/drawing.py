"""Drawing: the splits that a folder of photos does not bring, of whole series where it has some."""

from collections.abc import Mapping, Sequence

import numpy as np

from host_training.data.dataset import stratified_holdout
from host_training.data.photo_layout import SIBLINGS, SPLIT_OF, TEST, TRAIN, VALIDATION
from host_training.data.photos import Photos
from host_training.data.series import hold_out_siblings, hold_out_whole, to_draw
from host_training.training.recipe import SplitBy

FRACTIONS = {TEST: 0.2, VALIDATION: 0.1}
"Shares of what is left, in this order, where a split is drawn."
N_NAMED = 8


def named_splits(photos: Photos) -> dict[str, Photos] | None:
    """The splits that all file names begin with (`train_apple_1.jpg`); None where one does not, or
    a class has nothing to train on.
    """
    words = np.array([_split_word(name) for name in photos.names], object)
    splits = {
        split: photos.subset(np.flatnonzero(words == split)) for split in (TRAIN, VALIDATION, TEST)
    }
    is_whole = set(photos.labels.tolist()) == set(splits[TRAIN].labels.tolist())
    if None in words or not is_whole or not len(splits[TEST]):
        return None
    return {split: those for split, those in splits.items() if len(those)}


def _split_word(name: str) -> str | None:
    first, is_there, _ = name.rpartition("/")[2].replace("-", "_").partition("_")
    return SPLIT_OF.get(first.lower()) if is_there else None


def draw(
    brought: Mapping[str, Photos], classes: Sequence[str], split_by: SplitBy
) -> tuple[dict[str, Photos], str]:
    """All splits, and in words how those came about that were not brought."""
    photos = dict(brought)
    missing = [split for split in FRACTIONS if split not in photos]
    if not missing:
        return _in_order(photos), ""
    drawn_of = " and ".join(missing)
    n_splits = 1 + len(missing)
    drawn, with_series = to_draw(photos[TRAIN].labels, photos[TRAIN].series, n_splits)
    if split_by == "random" or not with_series:
        for split in missing:
            kept, held = stratified_holdout(photos[TRAIN].labels, FRACTIONS[split])
            photos[TRAIN], photos[split] = photos[TRAIN].subset(kept), photos[TRAIN].subset(held)
        why = "" if split_by == "random" else ": no class is known to have several series"
        return _in_order(photos), f"{drawn_of} drawn photo by photo{why}"
    n_series, n_photos = (
        len(np.unique(drawn[drawn >= len(drawn)])),
        int((drawn >= len(drawn)).sum()),
    )
    for place, split in enumerate(missing):
        labels, further = photos[TRAIN].labels, len(missing) - 1 - place
        kept, held = hold_out_whole(labels, drawn, FRACTIONS[split], further)
        photos[TRAIN], photos[split] = photos[TRAIN].subset(kept), photos[TRAIN].subset(held)
        drawn = drawn[kept]
    kept, held = hold_out_siblings(drawn)
    photos[TRAIN], siblings = photos[TRAIN].subset(kept), photos[TRAIN].subset(held)
    how = f"{drawn_of} drawn by series, {n_series} of {n_photos} photos, none of them in two splits"
    if single := [name for label, name in enumerate(classes) if label not in with_series]:
        more = f" and {len(single) - N_NAMED} more" if len(single) > N_NAMED else ""
        how += f"; photo by photo for want of series: {', '.join(single[:N_NAMED])}{more}"
    if not len(siblings):
        return _in_order(photos), how
    how += (
        f"; {len(siblings)} photos of series that are trained on are kept aside to say what a "
        "random split would claim"
    )
    return _in_order(photos) | {SIBLINGS: siblings}, how


def _in_order(photos: Mapping[str, Photos]) -> dict[str, Photos]:
    return {split: photos[split] for split in (TRAIN, VALIDATION, TEST)}
