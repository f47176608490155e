"""Series: photos of one class that were taken one after another, of the same thing in the same
light. Photos of one series are nearly the same, so that a test on one tells nothing where another
was learned.

A sub-folder of a class is a series. Else a series is what has the same file name but for its last
number (`track12_003.jpg`) and was taken without a pause.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath

import numpy as np

from host_training.data.dataset import SPLIT_SEED
from link.picture import capture_time

PAUSE_S, LONGEST_PAUSE_S = 30.0, 3600.0
"""Whoever photographs a thing from all sides takes seconds from one photo to the next, and more to
go to the next thing. A camera on a timer is slower: its usual distance, three times, is no pause,
as long as the light is still that of an hour ago.
"""
PAUSE_IN_DISTANCES = 3
LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")
N_SIBLINGS = 4
"From so many photos on, one of a series may be kept aside and the others still show what it is."
SIBLING_FRACTION, MOST_SIBLINGS = 0.1, 500


def series_of_class(names: Sequence[str], taken_s: Sequence[float | None]) -> list[Hashable]:
    """What names the series of each photo of one class: by its path in the class's folder, and the
    time when it was taken, where that is known.
    """
    paths = [PurePosixPath(name) for name in names]
    like = [_but_for_its_number(capture_time.without_time(path.stem)) for path in paths]
    common = Counter(like)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        prefix = like[index] if common[like[index]] > 1 else None
        groups["in", str(path.parent) if len(path.parts) > 1 else prefix].append(index)
    series: list[Hashable] = [None] * len(paths)
    for key, members in groups.items():
        is_folder = len(paths[members[0]].parts) > 1
        part = dict.fromkeys(members, 0) if is_folder else _without_pause(members, taken_s)
        for index in members:
            is_alone = key[1] is None and taken_s[index] is None  # type: ignore[index]
            series[index] = names[index] if is_alone else (key, part[index])
    return series


def _but_for_its_number(stem: str) -> tuple[str, str] | None:
    found = LAST_NUMBER.match(stem)
    return None if found is None else (found[1], found[3])


def _without_pause(members: Sequence[int], taken_s: Sequence[float | None]) -> dict[int, int]:
    """Which photos follow each other without a pause; -1 for those whose time nobody knows."""
    timed = sorted((time, index) for index in members if (time := taken_s[index]) is not None)
    distances = np.diff([time for time, _ in timed])
    usual_s = float(np.median(distances)) if len(distances) else 0.0
    pause_s = max(PAUSE_S, min(PAUSE_IN_DISTANCES * usual_s, LONGEST_PAUSE_S))
    numbers = np.cumsum([0, *(distances > pause_s)])
    return dict.fromkeys(members, -1) | {
        index: int(number) for (_, index), number in zip(timed, numbers, strict=False)
    }


def to_draw(labels: np.ndarray, series: np.ndarray, n_splits: int) -> tuple[np.ndarray, list[int]]:
    """What is drawn as a whole, int64 (N,): a series, or a photo where a class has fewer series
    than there are splits, or but one beside which are a few single photos, as where all of a class
    are numbered by its name; and the classes that have series.
    """
    drawn = series + len(series)
    with_series = []
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        counts = np.unique(series[members], return_counts=True)[1]
        is_numbered = (counts > 1).sum() == 1 and 2 * counts.max() > len(members)
        if n_splits <= len(counts) < len(members) and not is_numbered:
            with_series.append(label)
        else:
            drawn[members] = members
    return drawn, with_series


def hold_out_whole(
    labels: np.ndarray, drawn: np.ndarray, fraction: float, n_further: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out), sorted: of each class about that fraction of its photos in whole
    series, `drawn` (N,); one at least, and one stays for each further split and for training.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    held: list[np.ndarray] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        numbers, counts = np.unique(drawn[members], return_counts=True)
        order = rng.permutation(len(numbers))
        most = len(numbers) - 1 - n_further
        wanted, total, chosen = round(len(members) * fraction), 0, list[int]()
        for at in order:
            if len(chosen) < most and abs(total + counts[at] - wanted) < abs(total - wanted):
                chosen.append(at)
                total += counts[at]
        if not chosen and most > 0:
            chosen = [min(order, key=lambda at: abs(int(counts[at]) - wanted))]
        held.append(members[np.isin(drawn[members], numbers[chosen])])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def hold_out_siblings(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out), sorted: a tenth of the photos of the longer series, of each of
    which half at least stays.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    candidates = []
    for number in np.unique(drawn):
        members = np.flatnonzero(drawn == number)
        if len(members) >= N_SIBLINGS:
            candidates.append(rng.permutation(members)[: len(members) // 2])
    if not candidates:
        return np.arange(len(drawn)), np.zeros(0, np.int64)
    all_of_them = rng.permutation(np.concatenate(candidates))
    n_in_long = sum(2 * len(each) for each in candidates)
    n_held = min(max(1, round(SIBLING_FRACTION * n_in_long)), MOST_SIBLINGS)
    held_out = np.sort(all_of_them[:n_held])
    return np.setdiff1d(np.arange(len(drawn)), held_out), held_out
