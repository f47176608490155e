"""A duration is said as a person would."""

import pytest

from host_decoder.alerts.words import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 s"), (45, "45 s"), (89, "89 s"), (600, "10 min"), (7200, "2 h"), (259_200, "3 d")],
)
def test_in_the_largest_unit_of_which_there_is_more_than_one(seconds, words):
    assert in_words(seconds) == words
