"""What a node's console says of images and packets is read as it was meant, or is an error."""

from dataclasses import replace

import pytest

from link.output.console import Captured, Sent
from tests.worlds.small_host import IMAGE_LINE, PACKET_LINE


@pytest.mark.parametrize(("kind", "line"), [(Captured, IMAGE_LINE), (Sent, PACKET_LINE)])
def test_a_line_is_read_as_it_was_meant(kind, line):
    assert kind.from_json(line).to_json() == line


def test_keys_of_a_later_version_are_passed_over():
    later = IMAGE_LINE | {"exposure_ms": 4}
    assert Captured.from_json(later) == Captured.from_json(IMAGE_LINE)


@pytest.mark.parametrize("fault", [{"image": "x"}, {"shape": [5, 5, 1]}, {"ms": None}])
def test_a_line_that_is_not_the_console_s_is_an_error(fault):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Captured.from_json(IMAGE_LINE | fault)


@pytest.mark.parametrize("fault", [{"chunks": [[1]]}, {"chunks": None}, {"airtime_s": "long"}])
def test_a_line_of_a_packet_is_checked_too(fault):
    with pytest.raises((ValueError, TypeError)):
        Sent.from_json(PACKET_LINE | fault)


def test_times_are_told_to_a_tenth_of_a_microsecond():
    image = replace(Captured.from_json(IMAGE_LINE), ms={"model": 0.123456})
    assert image.to_json()["ms"] == {"model": 0.1235}
