"""What should be known of a set of photos before anyone believes its accuracy: few, uneven and
repeated images.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from host_training.data.photo_choices import not_to_be_mirrored
from host_training.data.photo_layout import SIBLINGS

FEW_IMAGES = 20
"So few images of a class are hardly learnt."
LARGE_SHARE = 1.5
"""A multiple of the mean share: a class that is so much larger makes accuracy look better than it
is.
"""
N_NAMED = 12
"Classes in one sentence; of more, the smallest ones."


class Photos(Protocol):
    """images uint8 (N, H, W, C), labels int64 (N,), names (N,)."""

    @property
    def images(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def names(self) -> np.ndarray: ...


def describe(
    name: str, photos: Mapping[str, Photos], classes: Sequence[str], how: str
) -> Iterator[str]:
    """Sentences about a data set, its photos by split; `how` says where its splits come from."""
    yield _sizes(name, photos, classes, how)
    splits = {split: part for split, part in photos.items() if split != SIBLINGS}
    yield from _unevenness(splits, classes)
    yield from _copies(splits, classes)


def mirroring(classes: Sequence[str], is_mirrored: bool, said: bool | None) -> str:
    """Whether training shows the photos mirrored, why, and how it is told otherwise."""
    named = not_to_be_mirrored(classes)
    names = ", ".join(named[:N_NAMED]) + (
        f" and {len(named) - N_NAMED} more" * (len(named) > N_NAMED)
    )
    if not is_mirrored:
        why = (
            "" if said is False else f", as what is called {names} may not be the same in a mirror"
        )
        return f"photos are not mirrored in training{why} (FLIP=yes mirrors them)"
    doubt = f"; {names} may not be the same in a mirror" if named else ""
    return (
        "photos are mirrored left to right in training"
        f"{doubt} (FLIP=no turns it off: for text, signs, arrows, meters)"
    )


def _sizes(name: str, photos: Mapping[str, Photos], classes: Sequence[str], how: str) -> str:
    counts = _counts(photos, classes)
    each = list(zip(classes, counts.tolist(), strict=True))
    few = sorted(each, key=lambda pair: pair[1])[:N_NAMED] if len(each) > N_NAMED else each
    listed = ("the smallest are " if few is not each else "") + ", ".join(
        f"{name} {count}" for name, count in few
    )
    splits = ", ".join(f"{len(part.labels)} {split}" for split, part in photos.items())
    origin = f" ({how})" if how else ""
    return f"{name}: {counts.sum()} images of {len(classes)} classes ({listed}); {splits}{origin}"


def _unevenness(photos: Mapping[str, Photos], classes: Sequence[str]) -> Iterator[str]:
    counts = _counts(photos, classes)
    share, largest = counts.max() / counts.sum(), classes[int(counts.argmax())]
    if share > LARGE_SHARE / len(classes):
        yield (
            f"{share:.0%} of the images are '{largest}': whoever only ever says that is right as "
            "often"
        )
    if few := [
        f"{name} {count}" for name, count in zip(classes, counts, strict=True) if count < FEW_IMAGES
    ]:
        more = f" and {len(few) - N_NAMED} more" if len(few) > N_NAMED else ""
        yield f"fewer than {FEW_IMAGES} images teach little: {', '.join(few[:N_NAMED])}{more}"
    for split, part in photos.items():
        missing = np.flatnonzero(np.bincount(part.labels, minlength=len(classes)) == 0).tolist()
        if missing:
            yield (
                f"the {split} split has no image of "
                f"{', '.join(classes[i] for i in missing[:N_NAMED])}"
            )


def _copies(photos: Mapping[str, Photos], classes: Sequence[str]) -> Iterator[str]:
    """The same pixels in two splits, where the test is known by heart, or in two classes, of which
    one is wrong.
    """
    places: dict[bytes, list[tuple[str, int, str]]] = defaultdict(list)
    for split, part in photos.items():
        for image, label, name in zip(part.images, part.labels, part.names, strict=True):
            places[
                hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            ].append((split, int(label), str(name)))
    for kind, consequence, key in (
        ("splits", "so that the accuracy is flattered", lambda place: place[0]),
        ("classes", "so that one of the labels is wrong", lambda place: place[1]),
    ):
        doubled = [found for found in places.values() if len({key(place) for place in found}) > 1]
        if doubled:
            first = doubled[0][0]
            other = next(place for place in doubled[0] if key(place) != key(first))
            count = "1 image is" if len(doubled) == 1 else f"{len(doubled)} images are"
            yield (
                f"{count} in two {kind}, {consequence}: {first[2]} and {other[2]}, for example; "
                "remove one of each"
            )


def _counts(photos: Mapping[str, Photos], classes: Sequence[str]) -> np.ndarray:
    """Images of each class in all splits, int64 (K,)."""
    return np.bincount(
        np.concatenate([part.labels for part in photos.values()]), minlength=len(classes)
    )
