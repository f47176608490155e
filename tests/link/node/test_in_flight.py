"""What a report says of packets becomes what is delivered, lost and stopped."""

from math import inf

from link.node.in_flight import InFlight
from link.wire.control import Report


def flights(*packets):
    in_flight = InFlight()
    for counter, chunks in packets:
        in_flight.add(counter, chunks)
        in_flight.ended(counter, float(counter))
    return in_flight


def test_a_report_delivers_what_it_names_and_loses_what_it_does_not():
    in_flight = flights((10, [(1, 0)]), (11, [(2, 0)]), (12, [(3, 0)]))
    settled = in_flight.settle(Report(12, 0b101), heard_until_s=12.0)
    assert settled.delivered == {(1, 0), (3, 0)}
    assert settled.lost == {(2, 0)}
    assert len(in_flight) == 0
    assert not in_flight.chunks


def test_a_packet_behind_the_highest_is_lost_only_if_the_host_would_have_heard_it():
    in_flight = flights((10, [(1, 0)]), (11, [(2, 0)]), (12, [(3, 0)]))
    settled = in_flight.settle(Report(10, 1), heard_until_s=11.5)
    assert settled.lost == {(2, 0)}
    assert list(in_flight.chunks) == [(3, 0)]


def test_a_packet_that_is_still_leaving_is_not_lost():
    in_flight = flights((10, [(1, 0)]))
    in_flight.add(11, [(2, 0)])
    assert in_flight.settle(Report(10, 1), heard_until_s=inf).lost == set()


def test_a_chunk_on_its_way_twice_is_delivered_by_either_and_lost_only_with_both():
    in_flight = flights((10, [(1, 0)]), (11, [(1, 0)]))
    assert in_flight.settle(Report(10, 0), heard_until_s=0.0).lost == set()
    assert in_flight.settle(Report(11, 0), heard_until_s=0.0).lost == {(1, 0)}
    in_flight = flights((10, [(1, 0)]), (11, [(1, 0)]))
    settled = in_flight.settle(Report(11, 0b10), heard_until_s=inf)
    assert (settled.delivered, settled.lost) == ({(1, 0)}, set())
    assert len(in_flight) == 0


def test_a_verdict_is_told_once_and_also_of_a_packet_acknowledged_before():
    in_flight = flights((10, [(1, 0)]))
    assert in_flight.settle(Report(10, 1, enough=0), 11.0).stopped == set()
    assert in_flight.settle(Report(10, 1, enough=1), 12.0).stopped == {1}
    assert in_flight.settle(Report(10, 1, enough=1), 13.0).stopped == set()


def test_a_verdict_names_the_newest_chunks_of_the_packets_received():
    """Packet 11 (image 3) is missing, so the chunks are, newest first: 6, 5, 4, 2."""
    in_flight = flights((10, [(2, 0)]), (11, [(3, 0)]), (12, [(4, 0), (5, 0), (6, 1)]))
    settled = in_flight.settle(Report(12, 0b101, enough=0b1010), heard_until_s=12.0)
    assert settled.stopped == {5, 2}
    assert (
        in_flight.settle(Report(12, 0b101, enough=0b1 << 15), heard_until_s=12.0).stopped == set()
    )


def test_what_lies_too_far_back_is_given_up():
    in_flight = flights((10, [(1, 0)]), (11, [(2, 0), (3, 0)]), (12, [(1, 0)]))
    assert in_flight.give_up(before=12) == {(2, 0), (3, 0)}
    assert in_flight.oldest_base == (1, 0)
    assert in_flight.give_up() == {(1, 0)}


def test_the_chunks_of_an_image_are_counted_once_each():
    in_flight = flights((10, [(1, 0)]), (11, [(1, 1)]), (12, [(1, 1)]))
    assert in_flight.n_of_image(1) == 2
    settled = in_flight.settle(Report(10, 1, enough=1), heard_until_s=10.0)
    assert (settled.delivered, settled.stopped) == ({(1, 0)}, {1})
    assert in_flight.n_of_image(1) == 0, "nobody waits for refinements of an image that is stopped"
    assert len(in_flight) == 0
