"""Advice: what to photograph next, as sentences: of which class, beside which other, how many."""

from collections.abc import Iterator

from export.photo_report.examination import Examination
from export.photo_report.learning_curve import exponent

FEW_PHOTOS, ENOUGH_PHOTOS = 30, 50
"To train on: with fewer a class is hardly learned; with so many it is known how well."
MOST_CLASSES = 5
GAP_POINTS = 5
"Between photos of known series and of new ones: what is less is no news."
FEWER_ERRORS = 0.75
"What more photos are to make of the errors."
LEAST_FACTOR, MOST_FACTOR = 1.5, 4.0
SMALL_GAIN_POINTS = 0.5


def few(examined: Examination) -> list[tuple[str, int]]:
    """Classes with too few photos to train on, and how many they have."""
    counts = zip(examined.data.classes, examined.n_trained.tolist(), strict=True)
    return sorted(((name, n) for name, n in counts if n < FEW_PHOTOS), key=lambda pair: pair[1])


def gain_of_twice(examined: Examination) -> float:
    """Points of accuracy that twice as many photos would bring, by the learning curve."""
    return 100 * (1 - examined.accuracy.value) * (1 - 2 ** -exponent(examined.curve))


def n_more(examined: Examination, label: int) -> int:
    """Photos of a class that are wanted for a quarter fewer errors, in tens."""
    n_now, steepness = int(examined.n_trained[label]), exponent(examined.curve)
    factor = FEWER_ERRORS ** (-1 / steepness) if steepness > 0.05 else MOST_FACTOR
    factor = min(max(factor, LEAST_FACTOR), MOST_FACTOR)
    wanted = max(factor * n_now, ENOUGH_PHOTOS) - n_now
    return max(10, 10 * round(wanted / 10))


def sentences(examined: Examination) -> Iterator[str]:
    """The most useful first."""
    if examined.accuracy.n_right == examined.accuracy.n:
        yield (
            "No test photo is taken for another class. Photograph what is harder: other days, "
            "other light, other places, and things that are none of these."
        )
        return
    for name, n in few(examined)[:MOST_CLASSES]:
        yield f"Photograph {name}: {n} photos to train on are too few, {ENOUGH_PHOTOS} are a start."
    yield from _worst_classes(examined)
    yield from _gap(examined)
    gain = gain_of_twice(examined)
    if gain >= SMALL_GAIN_POINTS:
        yield (
            f"Twice as many photos of every class would bring about {gain:.1f} points, if the "
            "learning curve goes on as it does."
        )
    else:
        yield (
            "More photos of the same kind would hardly help: the learning curve is flat. Other "
            "places, other light, a larger image (IMAGE_SIZE) or a larger preset may."
        )


def _worst_classes(examined: Examination) -> Iterator[str]:
    """A sentence for each class with the most wrong photos, unless it has too few to say so."""
    classes, confusion = examined.data.classes, examined.confusion
    n_each = confusion.sum(1)
    n_wrong = n_each - confusion.diagonal()
    known = {name for name, _ in few(examined)}
    worst = sorted(range(len(classes)), key=lambda label: -n_wrong[label])
    for label in [one for one in worst if n_wrong[one] and classes[one] not in known][
        :MOST_CLASSES
    ]:
        others = confusion[label].copy()
        others[label] = 0
        other = int(others.argmax())
        yield (
            f"Photograph about {n_more(examined, label)} more of {classes[label]}: "
            f"{n_wrong[label]} of {n_each[label]} test photos are wrong, {others[other]} of them "
            f"taken for {classes[other]}."
        )
    if n_wrong.any():
        yield (
            "Photograph what is confused in the same places and the same light, so that nothing "
            "but the thing itself tells it apart."
        )


def _gap(examined: Examination) -> Iterator[str]:
    if examined.gap_points >= GAP_POINTS:
        yield (
            f"Photos of new series are {examined.gap_points:.0f} points harder than those of known "
            "ones: more places, days and things help more than more photos of each."
        )
