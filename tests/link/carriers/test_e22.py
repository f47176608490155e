"""What only an E22 wants of its carrier: one sub-packet at a time, and rest until it has left."""

import pytest

from link.carriers.e22 import MODULE_S
from link.medium.profiles import E22_SUB_PACKET_BYTES, framed_bytes


def test_the_longest_packet_fills_one_sub_packet_with_its_frame(world):
    node = world("e22-2400").open("a")
    assert framed_bytes(node.max_packet_bytes) <= E22_SUB_PACKET_BYTES
    with pytest.raises(ValueError, match="this carrier takes"):
        node.send(bytes(node.max_packet_bytes + 1))


def test_packets_that_follow_each_other_are_not_joined(world):
    here = world("e22-2400")
    node = here.open("a")
    for number in range(3):
        node.send(bytes([number]) * 20)
    here.take("b")
    assert here.line.statistics(here.now_s)["ends"]["a"]["frames_in"] == 3


def test_a_faster_port_shortens_what_comes_before_the_air_and_nothing_else(world):
    here = world("e22-2400")
    slow, fast = here.open("a", bitrate_bps=1200), here.open("b", bitrate_bps=115_200)
    slow_s, fast_s = (here.elapsed_s(lambda end=end: end.send(bytes(50))) for end in (slow, fast))
    assert fast_s < slow_s
    assert fast_s >= here.profile.airtime_s(50) + MODULE_S
