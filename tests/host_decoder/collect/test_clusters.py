"""K-means finds what lies together."""

import numpy as np
import pytest

from host_decoder.collect.clusters import cluster, usual_number


def blobs(sizes, n_axes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Points around means that are far apart, and whose each is."""
    rng = np.random.default_rng(0)
    means = 60 * rng.standard_normal((len(sizes), n_axes))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return (means[labels] + rng.standard_normal((len(labels), n_axes))).round(), labels


def test_what_lies_together_is_one_cluster_the_largest_first():
    points, labels = blobs([10, 40, 20, 5])
    found = cluster(points, 4)
    assert found.n == 4
    assert np.bincount(found.members).tolist() == [40, 20, 10, 5]
    for number in range(4):
        assert len(set(labels[found.of(number)])) == 1


def test_means_are_where_the_sum_of_squares_is_least():
    """Four points on a line, by hand: {0, 1} and {10, 12}."""
    found = cluster(np.array([[0.0], [1.0], [10.0], [12.0]]), 2)
    assert found.members[0] == found.members[1] != found.members[2] == found.members[3]
    assert found.distances.tolist() == [0.5, 0.5, 1.0, 1.0]


def test_the_odd_one_comes_last():
    points, _ = blobs([30])
    points[7] += 25
    found = cluster(points, 1)
    assert found.of(0)[-1] == 7


def test_the_same_points_make_the_same_clusters():
    points, _ = blobs([20, 20, 20])
    assert np.array_equal(cluster(points, 5).members, cluster(points, 5).members)


@pytest.mark.parametrize("n_points", [1, 2, 3])
def test_fewer_points_than_clusters_are_no_fault(n_points):
    found = cluster(np.arange(n_points)[:, None] * 9.0, 8)
    assert found.n == n_points


def test_points_that_are_all_the_same_are_one_cluster():
    assert cluster(np.ones((50, 4)), 7).n == 1


def test_a_hundred_pictures_are_ten_folders_and_never_too_many():
    assert [usual_number(n) for n in (1, 4, 100, 10_000)] == [1, 2, 10, 24]
