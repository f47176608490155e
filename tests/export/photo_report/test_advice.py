"""What to photograph next: said of the class that is confused most, with a number."""

import pytest

from export.photo_report.advice import few, gain_of_twice, n_more, sentences
from export.photo_report.examination import Share
from export.photo_report.learning_curve import Point
from tests.worlds.examined_photos import CLASSES, CURVE, examined_photos


def test_classes_with_few_photos_are_named_first():
    examined = examined_photos()
    assert few(examined) == [(CLASSES[2], 20)]
    said = list(sentences(examined))
    assert said[0].startswith(f"Photograph {CLASSES[2]}: 20 photos to train on are too few, 50")
    assert said[1].startswith(
        "Photograph about 120 more of cat: 2 of 10 test photos are wrong, 2 of"
    )
    assert said[1].endswith("taken for dog.")


def test_so_many_more_are_asked_for_as_take_a_quarter_off_the_errors():
    examined = examined_photos()
    # errors fall with the square root: (4/3)² = 1.78 times as many
    assert n_more(examined, 0) == 120
    assert n_more(examined, 1) == 60
    assert n_more(examined, 2) == 30
    assert gain_of_twice(examined) == pytest.approx(25 * (1 - 2**-0.5))


def test_a_curve_that_is_flat_asks_for_other_photos_and_not_for_more():
    flat = examined_photos(curve=(Point(10, 0.7, 0.7, 0.7), Point(20, 0.7, 0.7, 0.7, True)))
    assert list(sentences(flat))[-1].startswith("More photos of the same kind would hardly help")
    assert "Twice as many photos" in list(sentences(examined_photos()))[-1]


def test_a_gap_between_known_and_new_series_asks_for_new_series():
    assert any("20 points harder" in one for one in sentences(examined_photos()))
    level = examined_photos(siblings=Share(15, 20), curve=CURVE)
    assert not any("points harder" in one for one in sentences(level))
    assert not any("points harder" in one for one in sentences(examined_photos(siblings=None)))


def test_where_nothing_is_wrong_harder_photos_are_asked_for():
    perfect = examined_photos([[5, 0, 0], [0, 5, 0], [0, 0, 5]])
    [said] = sentences(perfect)
    assert said.startswith("No test photo is taken for another class.")
