"""What a source needs is there, or a person is told what to do."""

import math

import pytest

from device.capture.source import SourceAwayError, SourceError, library


def test_a_library_that_is_installed_is_given():
    assert library("math", "install Python") is math


def test_one_that_is_not_installed_is_an_error_with_the_advice():
    with pytest.raises(SourceError, match=r"^pip install no-such-library$") as raised:
        library("no_such_library_at_all", "pip install no-such-library")
    assert not isinstance(raised.value, SourceAwayError), "waiting does not install it"
