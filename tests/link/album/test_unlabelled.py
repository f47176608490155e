"""A folder of pictures that nobody has labelled is known by its name."""

import pytest

from link.album.unlabelled import cluster_name, is_unlabelled


def test_what_a_new_folder_is_called_counts_as_unlabelled():
    assert cluster_name(3) == "cluster-03"
    assert cluster_name(2, "open") == "maybe-open-2"
    for name in (cluster_name(3), cluster_name(120), cluster_name(2, "half open"), "maybe-a-b-7"):
        assert is_unlabelled(name)


@pytest.mark.parametrize(
    "name", ["open", "cluster", "cluster-a", "open-2", "maybe-open", "clusters-1"]
)
def test_whatever_a_person_made_of_it_is_a_label(name):
    assert not is_unlabelled(name)
