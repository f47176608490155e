"""What is lost nobody hears: it is inferred from what came before and behind."""

from random import Random

import pytest

from link.host.losses import Losses
from tests.link.host.test_statistics import chunk, images


def hear(losses, packets):
    for counter, piece in packets:
        losses.heard(counter, [piece])


def test_an_image_is_new_once():
    losses = Losses()
    assert losses.heard(1, [chunk(0, 0)]) == 1
    assert losses.heard(2, [chunk(0, 1), chunk(1, 0)]) == 1
    assert losses.heard(3, []) == 0


def test_the_counters_that_a_restart_skips_were_never_used():
    losses = Losses()
    losses.heard(1, [])
    losses.restarted()
    losses.heard(64, [])
    assert losses.n == 0
    losses.heard(67, [])
    assert losses.n == 2


@pytest.mark.parametrize("n_chunks", [1, 2, 5])
def test_losses_are_counted_by_the_index_of_the_chunk(n_chunks):
    random = Random(n_chunks)
    sent = images(2000, n_chunks)
    is_lost = [
        random.random() < (0.05 if piece.index == 0 else 0.3) and i > n_chunks
        for i, (_, piece) in enumerate(sent)
    ]
    is_lost[-1] = False
    lost = [piece.index for (_, piece), gone in zip(sent, is_lost, strict=True) if gone]
    losses = Losses()
    hear(losses, [packet for packet, gone in zip(sent, is_lost, strict=True) if not gone])
    assert losses.n == pytest.approx(len(lost), rel=0.02)
    assert sum(losses.by_chunk.values()) == pytest.approx(len(lost), rel=0.05)
    for index in range(n_chunks):
        assert losses.by_chunk[index] == pytest.approx(lost.count(index), rel=0.15, abs=3)


def test_a_packet_that_comes_late_was_not_lost():
    losses = Losses()
    first, second, third = images(1, 3)
    hear(losses, [first, third])
    assert (losses.n, losses.by_chunk) == (1, {1: 1})
    hear(losses, [second])
    assert losses.n == 0


def test_an_id_taken_long_before_its_chunks_went_is_no_loss_either():
    losses = Losses()
    hear(losses, [(1, chunk(0, 0)), (4, chunk(2, 0)), (5, chunk(3, 0))])
    assert losses.n == 0


def test_in_lorawan_ids_take_no_frame_counter():
    losses = Losses(ids_are_counters=False)
    hear(losses, [(10, chunk(0, 0, True)), (11, chunk(1, 0, True)), (14, chunk(4, 0, True))])
    assert (losses.n, losses.by_chunk) == (2, {0: 2})
