"""The air: who hears what, and what is counted, with times that the test says."""

from random import Random

import pytest

from link.emulator.air import Air, BusiestHour, Tuning
from link.emulator.channel import IidLoss, Impairments
from link.medium.airtime import FskConfig, LoRaConfig

SF7, SF9 = Tuning(LoRaConfig(7)), Tuning(LoRaConfig(9))


def heard(air, now_s):
    return [(station, frame.packet) for station, frame in air.pop(now_s)]


def levels(frame):
    return frame.quality.snr_db, frame.quality.rssi_dbm


def test_a_frame_is_heard_when_its_airtime_is_over():
    air = Air(n_stations=3)
    end_s = air.transmit(1, bytes(10), SF7, start_s=5.0)
    assert end_s == pytest.approx(5.041216)
    assert (air.next_due_s(), heard(air, 5.041)) == (end_s, [])
    assert heard(air, end_s) == [(0, bytes(10)), (2, bytes(10))]
    assert air.next_due_s() is None


def test_frames_that_follow_without_a_pause_do_not_collide():
    air = Air(n_stations=2)
    end_s = air.transmit(0, b"first", SF7, start_s=0.0)
    air.transmit(1, b"second", SF7, start_s=end_s)
    assert heard(air, 10.0) == [(1, b"first"), (0, b"second")]


def test_frames_that_overlap_are_heard_by_nobody():
    air = Air(n_stations=3)
    air.transmit(0, bytes(100), SF7, start_s=0.0)
    air.transmit(1, bytes(1), SF7, start_s=0.1)
    air.transmit(1, bytes(1), SF7, start_s=0.15)  # both fall into the long one
    assert heard(air, 10.0) == []
    assert [counted.frames_collided for counted in air.statistics] == [2, 4, 0]


def test_radios_that_are_tuned_differently_do_not_disturb_each_other():
    air = Air(n_stations=3)
    air.transmit(0, b"fast", SF7, start_s=0.0)
    air.transmit(1, b"slow", SF9, start_s=0.0)
    tunings = {frame.packet: frame.tuning for _, frame in air.pop(10.0)}
    assert tunings == {b"fast": SF7, b"slow": SF9}
    assert air.clear_s(Tuning(LoRaConfig(8)), 0.0) == 0.0


def test_the_channel_is_clear_some_time_after_whoever_speaks():
    air = Air(n_stations=2)
    assert air.clear_s(SF7, now_s=3.0) == 3.0
    end_s = air.transmit(0, bytes(20), SF7, start_s=3.0)
    tries = {air.clear_s(SF7, now_s=3.01) for _ in range(200)}
    assert min(tries) > end_s
    assert max(tries) <= end_s + LoRaConfig(7).airtime_s(0) + 1e-9
    assert len(tries) == 8


def test_signal_and_noise_fit_together():
    air = Air(n_stations=2)
    for number in range(300):
        air.transmit(0, b"?", SF7, start_s=float(number))
    signals = [levels(frame) for _, frame in air.pop(1e3)]
    assert {rssi_dbm - snr_db for snr_db, rssi_dbm in signals} == {-117}  # kTB of 125 kHz and 6 dB
    assert 5.5 < sum(snr_db for snr_db, _ in signals) / 300 < 6.5


def test_fsk_has_no_spreading_and_still_a_noise_floor():
    air = Air(n_stations=2)
    air.transmit(0, bytes(200), Tuning(FskConfig()), start_s=0.0)
    [(_, frame)] = air.pop(1.0)
    snr_db, rssi_dbm = levels(frame)
    assert rssi_dbm - snr_db == -121


def test_a_pair_of_stations_loses_the_same_frames_whatever_others_do():
    def survivors(with_others):
        air, found = Air(3, Impairments(loss=IidLoss(0.3)), seed=5), []
        for number in range(200):
            now_s = float(number)
            air.transmit(0, bytes([number]), SF7, start_s=now_s)
            if with_others:
                air.transmit(2, b"other", SF7, start_s=now_s + 0.5)
            found += [
                frame.packet
                for station, frame in air.pop(now_s + 0.9)
                if station == 1 and len(frame.packet) == 1
            ]
        return found

    assert survivors(with_others=False) == survivors(with_others=True)
    assert 110 < len(survivors(with_others=False)) < 170


def test_the_busiest_hour_is_the_largest_sum_of_any_hour():
    draw = Random(3)
    hour, spoken, now_s = BusiestHour(), [], 0.0
    for _ in range(800):
        start_s = now_s + draw.expovariate(1 / draw.choice([5.0, 100.0]))
        now_s = start_s + draw.uniform(0.1, 9.0)
        spoken.append((start_s, now_s))
        hour.add(start_s, now_s)
    slow = max(
        sum(max(0.0, min(end, last) - max(start, last - 3600)) for start, end in spoken)
        for _, last in spoken
    )
    assert hour.airtime_s == pytest.approx(slow)
