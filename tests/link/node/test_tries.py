"""How often a chunk is sent before it is given up, and what stays whatever happens."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from link.node.interface import Outgoing, SenderStatistics
from link.node.tries import MAX_TRIED, REFINEMENT_TRIES, Tries
from link.wire.packet import PacketType

BASE, REFINEMENT = (5, 0), (5, 1)


@dataclass
class Waiting:
    """What an outbox is told."""

    delivered_chunks: list = field(default_factory=list)
    dropped: list = field(default_factory=list)

    def delivered(self, chunks):
        self.delivered_chunks += chunks

    def drop_refinements(self, images):
        self.dropped += sorted(images)


class Sending:
    def __init__(self):
        outbox: Any = Waiting()
        self.outbox = outbox
        self.statistics = SenderStatistics()
        self.tries = Tries(outbox, self.statistics)

    def send(self, *chunks):
        outgoing = Outgoing(b"packet", PacketType.DATA, 0.05, chunks, listens=True)
        self.tries.sent(outgoing)
        return outgoing


@pytest.fixture
def sending():
    return Sending()


def test_a_refinement_that_was_lost_too_often_goes_with_all_of_its_image(sending):
    for n in range(1, REFINEMENT_TRIES + 1):
        assert sending.outbox.dropped == []
        sending.send(REFINEMENT)
        sending.tries.lost([REFINEMENT])
        assert sending.statistics.n_refinements_dropped == (n == REFINEMENT_TRIES)
    assert sending.outbox.dropped == [5]


def test_a_base_chunk_is_sent_until_it_arrives(sending):
    for _ in range(50):
        sending.send(BASE)
        sending.tries.lost([BASE])
    assert (sending.outbox.dropped, sending.outbox.delivered_chunks) == ([], [])
    assert sending.tries.delivered([BASE]) == (5,)
    assert sending.outbox.delivered_chunks == [BASE]
    assert sending.statistics.n_delivered == 1


def test_only_images_whose_base_chunk_arrived_are_named(sending):
    assert sending.tries.delivered([(7, 0), (3, 1), (2, 0)]) == (2, 7)


def test_what_was_sent_before_counts_as_repeated(sending):
    sending.send(BASE, REFINEMENT)
    sending.send(BASE)
    statistics = sending.statistics
    assert (statistics.n_packets, statistics.n_chunks, statistics.n_repeated) == (2, 3, 1)
    assert statistics.airtime_s == pytest.approx(0.1)


def test_what_did_not_leave_was_not_sent(sending):
    sending.tries.withdrawn(sending.send(BASE))
    assert sending.statistics == SenderStatistics()
    sending.send(BASE)
    assert sending.statistics.n_repeated == 0


def test_what_the_host_wants_no_more_begins_from_nothing_if_it_ever_comes_back(sending):
    for _ in range(REFINEMENT_TRIES):
        sending.send(REFINEMENT)
    sending.tries.stop([5])
    assert sending.outbox.dropped == [5]
    sending.tries.lost([REFINEMENT])
    assert sending.statistics.n_refinements_dropped == 0


def test_what_fits_no_packet_is_given_up_and_counted(sending):
    sending.tries.too_long([BASE])
    assert sending.outbox.delivered_chunks == [BASE]
    assert (sending.statistics.n_too_long, sending.outbox.dropped) == (1, [5])


def test_however_much_waits_only_so_many_counts_are_kept(sending):
    for image in range(MAX_TRIED + 10):
        sending.send((image, 0))
    sending.send((0, 0))
    assert sending.statistics.n_repeated == 0
    sending.send((MAX_TRIED, 0))
    assert sending.statistics.n_repeated == 1
