"""What of the outbox is delivered, tried again, or given up."""

import pytest

from device.outbox.outbox import Outbox
from link.node.interface import Outgoing, SenderStatistics
from link.node.tries import REFINEMENT_TRIES, Tries
from link.wire.packet import PacketType


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        opened.put(1, [b"base", b"more", b"last"], 0.0)
        yield opened


@pytest.fixture
def tries(outbox):
    return Tries(outbox, SenderStatistics())


def packet(*chunks):
    return Outgoing(b"packet", PacketType.DATA, 0.5, chunks, listens=True)


def waiting(outbox):
    return [
        (chunk.image, chunk.index) for chunk in (*outbox.base_chunks(9), *outbox.refinements(9))
    ]


def test_what_is_delivered_waits_no_longer_and_names_the_images_that_can_be_answered(outbox):
    statistics = SenderStatistics()
    assert Tries(outbox, statistics).delivered([(1, 1), (1, 0)]) == (1,)
    assert waiting(outbox) == [(1, 2)]
    assert statistics.n_delivered == 1


def test_a_base_chunk_is_tried_for_ever(outbox, tries):
    for _ in range(10 * REFINEMENT_TRIES):
        tries.sent(packet((1, 0)))
        tries.lost([(1, 0)])
    assert waiting(outbox)[0] == (1, 0)


def test_a_refinement_that_was_lost_too_often_goes_with_all_behind_it(outbox):
    statistics = SenderStatistics()
    tries = Tries(outbox, statistics)
    tries.delivered([(1, 0)])
    for n in range(REFINEMENT_TRIES):
        assert waiting(outbox) == [(1, 1), (1, 2)], n
        tries.sent(packet((1, 1)))
        tries.lost([(1, 1)])
    assert waiting(outbox) == []
    assert statistics.n_refinements_dropped == 1


def test_a_packet_that_did_not_leave_is_no_try_and_costs_nothing(outbox):
    statistics = SenderStatistics()
    tries = Tries(outbox, statistics)
    tries.delivered([(1, 0)])
    for _ in range(2 * REFINEMENT_TRIES):
        tries.sent(packet((1, 1)))
        tries.withdrawn(packet((1, 1)))
    tries.lost([(1, 1)])
    assert waiting(outbox) == [(1, 1), (1, 2)]
    assert (statistics.n_packets, statistics.n_chunks, statistics.n_repeated) == (0, 0, 0)
    assert statistics.airtime_s == pytest.approx(0.0)


def test_what_is_sent_again_is_counted_as_that(outbox):
    statistics = SenderStatistics()
    tries = Tries(outbox, statistics)
    for _ in range(3):
        tries.sent(packet((1, 0)))
    assert (statistics.n_packets, statistics.n_chunks, statistics.n_repeated) == (3, 3, 2)


def test_an_image_that_the_host_stops_has_only_its_base_chunk_left(outbox, tries):
    tries.stop([1])
    assert waiting(outbox) == [(1, 0)]


def test_a_base_chunk_that_fits_no_packet_is_dropped_and_counted(outbox):
    statistics = SenderStatistics()
    Tries(outbox, statistics).too_long([(1, 0)])
    assert outbox.n_images == 0
    assert statistics.n_too_long == 1
