"""What the figures say of a history of packets whose losses are known."""

import json
from random import Random

import pytest

from link.host.losses import Losses
from link.host.statistics import NodeStatistics
from link.wire.control import Quality, Status
from link.wire.packet import Chunk


def chunk(image, index, is_last=False):
    return Chunk(image, index, is_last, b"x")


def images(n_images, n_chunks, first=0):
    """(counter, chunk) of images sent one behind the other; each takes a counter as its id."""
    packets, counter = [], first
    for _ in range(n_images):
        packets += [
            (counter + 1 + i, chunk(counter, i, i == n_chunks - 1)) for i in range(n_chunks)
        ]
        counter += n_chunks + 1
    return packets


def hear(statistics, packets):
    for counter, piece in packets:
        statistics.heard(counter, 20, now_s=float(counter), airtime_s=0.1, chunks=[piece])


def test_without_loss_nothing_is_counted_as_lost_though_ids_take_counters():
    statistics = NodeStatistics()
    hear(statistics, images(50, n_chunks=3))
    assert (statistics.n_received, statistics.n_sent, statistics.losses.n, statistics.n_images) == (
        150,
        150,
        0,
        50,
    )
    assert statistics.received_by_chunk == {0: 50, 1: 50, 2: 50}
    assert statistics.airtime_s == pytest.approx(15.0)


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
    statistics = NodeStatistics()
    hear(statistics, [packet for packet, gone in zip(sent, is_lost, strict=True) if not gone])
    assert statistics.losses.n == pytest.approx(len(lost), rel=0.02)
    assert sum(statistics.losses.by_chunk.values()) == pytest.approx(len(lost), rel=0.05)
    for index in range(n_chunks):
        assert statistics.losses.by_chunk[index] == pytest.approx(
            lost.count(index), rel=0.15, abs=3
        )


def test_a_packet_that_comes_late_was_not_lost():
    statistics = NodeStatistics()
    first, second, third = images(1, 3)
    hear(statistics, [first, third])
    assert (statistics.losses.n, statistics.losses.by_chunk) == (1, {1: 1})
    hear(statistics, [second])
    assert (statistics.losses.n, statistics.n_sent) == (0, 3)


def test_the_counters_that_a_restart_skips_are_no_losses():
    statistics = NodeStatistics()
    hear(statistics, images(2, 2))
    statistics.restarted()
    hear(statistics, images(2, 2, first=64))
    assert (statistics.losses.n, statistics.n_restarts, statistics.n_received) == (0, 1, 8)


def test_an_id_taken_long_before_its_chunks_went_is_no_loss_either():
    statistics = NodeStatistics()
    hear(statistics, [(1, chunk(0, 0)), (4, chunk(2, 0)), (5, chunk(3, 0))])
    assert statistics.losses.n == 0


def test_in_lorawan_ids_take_no_frame_counter():
    statistics = NodeStatistics(Losses(ids_are_counters=False))
    hear(statistics, [(10, chunk(0, 0, True)), (11, chunk(1, 0, True)), (14, chunk(4, 0, True))])
    assert (statistics.losses.n, statistics.losses.by_chunk) == (2, {0: 2})


def test_quality_keeps_the_last_and_the_mean():
    statistics = NodeStatistics()
    for counter, snr_db in enumerate([4.0, None, -2.0]):
        statistics.heard(counter, 20, 0.0, quality=Quality(snr_db, None))
    assert (statistics.snr_db.last, statistics.snr_db.mean, statistics.rssi_dbm.mean) == (
        -2.0,
        1.0,
        None,
    )


def test_a_verdict_is_measured_by_what_still_came_behind_it():
    statistics = NodeStatistics()
    hear(statistics, [(1, chunk(0, 0))])
    statistics.decided(0, n_chunks=1, now_s=1.5)
    hear(statistics, [(2, chunk(0, 1)), (3, chunk(0, 2))])
    statistics.decided(0, n_chunks=3, now_s=9.0)
    hear(statistics, [(5, chunk(4, 0))])
    statistics.decided(4, n_chunks=1, now_s=5.0)
    assert statistics.n_chunks_unneeded == 2
    assert (statistics.n_decided, statistics.mean_chunks_at_decision) == (2, 1.0)
    assert statistics.mean_stop_latency_s == pytest.approx((1.5 + 0.0) / 2)


def test_memory_stays_bounded_over_many_images():
    statistics = NodeStatistics()
    for image in range(0, 4000, 2):
        statistics.heard(image + 1, 20, 0.0, chunks=[chunk(image, 0, True)])
        statistics.decided(image, 1, 0.0)
    assert len(statistics.losses._ids) <= 256
    assert len(statistics._decided) <= 64


def test_all_figures_are_plain_json():
    statistics = NodeStatistics()
    assert json.loads(json.dumps(statistics.to_json()))["loss_ratio"] is None
    hear(statistics, images(3, 2))
    statistics.transmitted(16, 0.05)
    statistics.status = Status(4, 12.0, 30.0, n_evicted=2)
    figures = json.loads(json.dumps(statistics.to_json()))
    assert (
        figures["received"],
        figures["downlink_packets"],
        figures["queue_images"],
        figures["evicted"],
    ) == (
        6,
        1,
        4,
        2,
    )
    assert figures["received_by_chunk"] == {"0": 3, "1": 3}
