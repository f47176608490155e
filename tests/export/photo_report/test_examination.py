"""What a bundle says of its test photos, through encoder, coder and decoder."""

import numpy as np
import pytest

from export.photo_report.examination import Share, examine
from host_training.data.catalogue import load
from tests.worlds.examined_photos import examined_photos


def test_a_bundle_is_examined_as_its_export_measured_it(exported):
    data = load("digits")
    examined = examine(exported.bundle, data)
    measured = exported.bundle.measured
    assert examined.accuracy.value == pytest.approx(measured.accuracy)
    assert examined.n_bytes.mean() == pytest.approx(measured.bytes_per_image)
    assert examined.siblings is None
    assert [point.n_photos for point in examined.curve[:-1]] == [10, 20, 50, 100]
    assert examined.curve[-1].mean > examined.curve[0].mean


def test_photos_kept_aside_are_examined_too(exported):
    from dataclasses import replace

    data = load("digits")
    examined = examine(exported.bundle, replace(data, siblings=data.test))
    assert examined.siblings == examined.accuracy


def test_an_interval_is_wilsons():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    published = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]
    for n_right, n, low, high in [*published, (1, 29, 0.0061, 0.1718)]:
        assert Share(n_right, n).interval == pytest.approx((low, high), abs=1e-4)


def test_confusions_are_counted_and_the_commonest_is_named_first():
    examined = examined_photos()
    assert examined.confusion.tolist() == [[8, 2, 0], [0, 9, 1], [1, 3, 4]]
    assert examined.pairs()[0] == (2, 1, 3)
    assert [one.n_right for one in examined.by_class.each] == [8, 9, 4]
    assert examined.accuracy == Share(21, 28)


def test_the_worst_photos_are_wrong_and_the_surest():
    examined = examined_photos()
    worst = examined.worst(4)
    assert all(examined.said[worst] != examined.data.test.labels[worst])
    sure = examined.probabilities.max(1)
    assert (np.diff(sure[worst]) <= 0).all()
    assert len(examined.worst(100)) == 7


def test_a_gap_is_one_only_where_it_is_no_chance():
    assert examined_photos().gap_points == pytest.approx(20)
    assert examined_photos(siblings=Share(8, 10)).gap_points == 0
    assert examined_photos(siblings=None).gap_points == 0
