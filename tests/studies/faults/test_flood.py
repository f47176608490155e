"""A flood against a real host process, for a moment."""

import pytest

from tests.studies.faults.flood import SerialLine, UdpLine, flood


@pytest.mark.parametrize("line", [SerialLine, UdpLine])
def test_a_flood_in_a_node_s_name_keeps_none_of_its_images_out(line):
    taken, _ = flood(line(), duration_s=4.0)
    assert taken == 1.0
