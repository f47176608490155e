"""What goes over the broker is read as it was said, and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.gateway import topics
from link.gateway.topics import PARTITIONS, SentDown, Uplink
from link.wire.control import NO_QUALITY, Quality


def test_a_topic_says_site_partition_and_gateway():
    topic = topics.up_topic("farm", 7, "roof")
    assert topic == f"ll/1/farm/p{topics.partition_of('farm', 7):02}/roof/up"
    assert topics.read_up_topic(topic) == ("farm", "roof")
    assert topics.gateway_topic("farm", "roof", "down") == "ll/1/farm/gw/roof/down"
    with pytest.raises(ValueError, match="no gateway's"):
        topics.read_up_topic("ll/1/farm/gw/roof/status")


def test_partitions_are_the_same_at_both_ends_for_good_and_about_as_large():
    assert [topics.partition_of("farm", node) for node in (1, 2, 254)] == [10, 0, 7]
    counts = [0] * PARTITIONS
    for site in range(8):
        for node in range(1, 126):
            counts[topics.partition_of(f"site{site}", node)] += 1
    assert min(counts) > 30


@pytest.mark.parametrize("quality", [NO_QUALITY, Quality(7.5, -97.0), Quality(None, -80.0)])
def test_an_uplink_is_read_as_it_was_said(quality):
    uplink = Uplink(4711, 1_790_000_000.123, b"\0sealed", quality)
    assert Uplink.read(uplink.packet, uplink.about()) == uplink


def test_an_answer_and_a_list_of_what_is_stored_too():
    down = SentDown(b"report", 3, 0.125)
    assert SentDown.read(down.packet, down.about()) == down
    assert topics.read_stored(topics.pack_stored([1, 2, 900])) == [1, 2, 900]


@settings(max_examples=30)
@given(st.binary(max_size=40), st.text(max_size=40))
def test_what_nobody_says_is_a_sentence(payload, said):
    for read in (
        lambda: Uplink.read(payload, {"heard": said}),
        lambda: SentDown.read(payload, {"after": said}),
        lambda: topics.read_stored(payload),
    ):
        with pytest.raises(ValueError, match=r"."):
            read()
