"""Photos that were taken one after another are one series, and stay together."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from host_training.data.series import (
    hold_out_siblings,
    hold_out_whole,
    series_of_class,
    to_draw,
)


def grouped(names: Sequence[str], times: Sequence[float | None] | None = None) -> list[set[str]]:
    found = defaultdict(set)
    series = series_of_class(names, times or [None] * len(names))
    for name, one in zip(names, series, strict=True):
        found[one].add(name)
    return sorted(found.values(), key=min)


def test_a_sub_folder_is_a_series_whatever_is_in_it():
    names = ["mon/1.jpg", "mon/deep/2.jpg", "mon/3.jpg", "tue/1.jpg"]
    assert grouped(names, [0, 900_000, 500_000, 1]) == [
        {"mon/1.jpg", "mon/3.jpg"},
        {"mon/deep/2.jpg"},
        {"tue/1.jpg"},
    ]


def test_names_alike_but_for_their_last_number_are_a_series():
    names = ["00012_000.ppm", "00012_001.ppm", "7_1_left.png", "7_2_left.png", "stop.png"]
    assert grouped(names) == [set(names[:2]), set(names[2:4]), {"stop.png"}]


def test_what_was_taken_without_a_pause_is_a_series():
    names = [f"IMG_{number}.jpg" for number in range(6)]
    assert grouped(names, [0, 2, 4, 60, 62, 64]) == [set(names[:3]), set(names[3:])]
    shuffled = [names[at] for at in (3, 0, 5, 2, 1, 4)]
    assert grouped(shuffled, [60, 0, 64, 4, 2, 62]) == [set(names[:3]), set(names[3:])]


def test_a_timer_makes_a_series_of_a_day_and_photos_of_many_days_are_none():
    day = [600.0 * number for number in range(50)]
    names = [f"{number}.jpg" for number in range(100)]
    assert [len(one) for one in grouped(names, day + [86_400 + at for at in day])] == [50, 50]
    assert len(grouped(names, [86_400.0 * number for number in range(100)])) == 100


def test_names_without_a_number_or_without_a_like_are_grouped_by_time_alone():
    names = ["red.jpg", "green.jpg", "cd1.jpg", "blue.jpg"]
    assert grouped(names, [0, 5, 10, 500]) == [{"blue.jpg"}, {"red.jpg", "green.jpg", "cd1.jpg"}]
    assert len(grouped(names)) == 4


SETS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=4)
"Classes, each of which is the lengths of its series."


def labelled(classes: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lengths = [length for each in classes for length in each]
    labels = [label for label, each in enumerate(classes) for length in each for _ in range(length)]
    return np.array(labels), np.repeat(np.arange(len(lengths)), lengths)


@given(SETS)
def test_no_series_is_in_two_splits_and_each_photo_in_exactly_one(classes):
    labels, series = labelled(classes)
    drawn, with_series = to_draw(labels, series, 3)
    rest = np.arange(len(labels))
    splits = []
    for fraction, n_further in ((0.2, 1), (0.1, 0)):
        kept, held = hold_out_whole(labels[rest], drawn[rest], fraction, n_further)
        splits.append(rest[held])
        rest = rest[kept]
    splits.append(rest)
    assert sorted(np.concatenate(splits).tolist()) == list(range(len(labels)))
    for label in range(len(classes)):
        if (labels == label).sum() >= 3:
            assert all((labels[split] == label).any() for split in splits)
    for number in np.unique(series[np.isin(labels, with_series)]):
        assert sum((series[split] == number).any() for split in splits) == 1


@given(SETS)
def test_photos_that_are_kept_aside_have_series_that_are_trained_on(classes):
    labels, series = labelled(classes)
    drawn, _ = to_draw(labels, series, 3)
    kept, held = hold_out_siblings(drawn)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert set(series[held]) <= set(series[kept])
    assert len(held) <= max(1, 0.1 * len(labels) + 1)


def test_a_class_of_fewer_series_than_splits_is_drawn_photo_by_photo():
    labels, series = labelled([[5, 5, 5], [9, 9]])
    drawn, with_series = to_draw(labels, series, 3)
    assert with_series == [0]
    assert len(np.unique(drawn)) == 3 + 18
    assert to_draw(labels, series, 2)[1] == [0, 1]


def test_a_class_that_is_numbered_by_its_name_is_no_series_whatever_else_lies_there():
    numbered = [f"glass{number:03}.jpg" for number in range(1, 502)]
    odd = ["best.jpg", "copy of a bottle.png", "from-phone.jpeg"]
    own = series_of_class(numbered + odd, [None] * 504)
    assert sorted(Counter(own).values()) == [1, 1, 1, 501]
    labels, series = labelled([[501, 1, 1, 1], [3, 1, 1, 1, 1]])
    drawn, with_series = to_draw(labels, series, 3)
    assert with_series == [1]
    assert len(np.unique(drawn[labels == 0])) == len(numbered) + len(odd)


def test_about_the_fraction_is_held_out_as_far_as_series_allow():
    labels, series = labelled([[10] * 10, [90, 5, 5]])
    drawn, _ = to_draw(labels, series, 3)
    _, held = hold_out_whole(labels, drawn, 0.2, 1)
    assert np.bincount(labels[held]).tolist() == [20, 5]


def test_names_with_a_time_are_alike_but_for_it():
    names = [f"IMG_20240512_1200{second:02}_{n}.jpg" for second in (0, 2, 50) for n in (1, 2)]
    times = [0, 0, 2, 2, 50, 50]
    assert grouped(names, times) == [set(names[:4]), set(names[4:])]
