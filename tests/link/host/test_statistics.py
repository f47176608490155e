"""What the figures say of a history of packets whose losses are known."""

import json

import pytest

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


def test_the_counters_that_a_restart_skips_are_no_losses():
    statistics = NodeStatistics()
    hear(statistics, images(2, 2))
    statistics.restarted()
    hear(statistics, images(2, 2, first=64))
    assert (statistics.losses.n, statistics.n_restarts, statistics.n_received) == (0, 1, 8)


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
