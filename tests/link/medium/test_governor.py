"""The governor with a clock that the test moves: in no window anywhere is there more airtime than
is allowed.
"""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.medium.governor import SHORTEST_LATENESS_S, AirtimeError, AirtimeLimit, Governor
from link.medium.ledger import StoredLedger
from tests.scale import size

HOUR = AirtimeLimit(window_s=3600.0, airtime_s=36.0)
FIVE_MINUTES = AirtimeLimit(window_s=300.0, airtime_s=9.0)


def busiest_s(frames, window_s):
    """The most airtime in any window, of frames (start, airtime): a busiest window begins or ends
    with a frame.
    """
    ends = [start_s + airtime_s for start_s, airtime_s in frames]
    begins = [start_s for start_s, _ in frames] + [end_s - window_s for end_s in ends]
    overlaps = (
        sum(
            max(0.0, min(end_s, begin_s + window_s) - max(start_s, begin_s))
            for (start_s, _), end_s in zip(frames, ends, strict=True)
        )
        for begin_s in begins
    )
    return max(overlaps, default=0.0)


def test_without_a_limit_a_sender_waits_only_for_itself():
    governor = Governor()
    assert (governor.is_limited, governor.share, governor.budget_s(0.0)) == (False, None, None)
    assert governor.duty_s(0.0) is None
    assert governor.occupy(2.0, start_s=1.0) == 3.0
    assert governor.start_s(1.0, now_s=2.0) == 3.0
    assert governor.start_s(1.0, now_s=3.0) == 3.0
    assert governor.start_s(1.0, now_s=9.0) == 9.0


def test_the_hour_s_airtime_may_go_at_once_and_comes_back_an_hour_after():
    governor = Governor([HOUR])
    assert (governor.is_limited, governor.share) == (True, 0.01)
    assert governor.duty_s(0.0) == (0.0, HOUR.airtime_s)
    assert governor.budget_s(0.0) == 36.0
    for n in range(36):
        assert governor.start_s(1.0, now_s=float(n)) == n
        governor.occupy(1.0, start_s=float(n))
    assert governor.budget_s(36.0) == 0.0
    next_s = governor.start_s(1.0, now_s=36.0)
    # one second of the first frame has left the window, and ten for lateness
    assert 3600 <= next_s <= 3600 + 1 + 10
    assert governor.start_s(2.0, now_s=36.0) == pytest.approx(next_s, abs=1e-6)
    governor.occupy(1.0, next_s)


def test_the_budget_is_what_the_tightest_window_leaves():
    governor = Governor([HOUR, FIVE_MINUTES])
    assert governor.share == 0.01
    assert governor.budget_s(0.0) == 9.0
    governor.occupy(4.0, 0.0)
    assert governor.budget_s(10.0) == 5.0
    assert governor.budget_s(400.0) == 9.0
    for n in range(1, 9):
        governor.occupy(4.0, 400.0 * n)
    assert governor.budget_s(3500.0) == 0.0
    assert governor.budget_s(3700.0) == 4.0


def test_a_frame_that_may_not_start_yet_is_not_charged():
    governor = Governor([HOUR])
    governor.occupy(36.0, 0.0)
    with pytest.raises(
        AirtimeError,
        match=r"a frame of 1.000 s may not be sent now: it may start in 3\d\d\d\.\d* s",
    ):
        governor.occupy(1.0, 100.0)
    with pytest.raises(AirtimeError, match="wait until start_s"):
        governor.occupy(1.0, 3600.0)
    assert governor.budget_s(3611.0 + 36.0) == 36.0


def test_what_can_never_be_sent_says_why():
    governor = Governor([HOUR, FIVE_MINUTES], dwell_s=0.4)
    assert governor.reason(0.4) is None
    assert governor.start_s(0.41, now_s=0.0) == math.inf
    assert governor.reason(0.41) == (
        "a frame of 0.410 s is longer than the 0.4 s that one transmission may last here: "
        "use shorter packets or a lower spreading factor"
    )
    assert "more than the 9 s allowed in 300 s: use shorter packets" in str(
        Governor([HOUR, FIVE_MINUTES]).reason(9.1)
    )
    with pytest.raises(AirtimeError, match=r"may not be sent now: a frame of 0\.500 s is longer"):
        governor.occupy(0.5, 0.0)


def test_a_silent_governor_lets_nothing_pass_and_says_why():
    governor = Governor(silent_because="no region is set")
    assert governor.start_s(0.001, now_s=5.0) == math.inf
    assert governor.reason(0.001) == "no region is set"
    assert governor.budget_s(0.0) == 0.0
    with pytest.raises(AirtimeError, match="no region is set"):
        governor.occupy(0.001, 5.0)


def frames_of(governor, draw, end_s, airtimes, pauses_s=(0.0,)):
    """A sender that always has something to say: each frame as soon as it may start, or a while
    later.
    """
    now_s = 0.0
    frames: list[tuple[float, float]] = []
    while True:
        airtime_s = draw.choice(airtimes)
        now_s = governor.start_s(airtime_s, now_s)
        now_s += draw.choice(pauses_s)
        if now_s > end_s:
            return frames
        now_s = max(now_s, governor.start_s(airtime_s, now_s))
        governor.occupy(airtime_s, now_s)
        frames.append((now_s, airtime_s))
        now_s += airtime_s


@given(
    seed=st.integers(0, 1 << 32), share=st.sampled_from([0.001, 0.01, 0.1]), has_fair=st.booleans()
)
@settings(max_examples=size(12, 500), deadline=None)
def test_no_window_anywhere_holds_more_than_its_limit(seed, share, has_fair):
    draw = random.Random(seed)
    hour = AirtimeLimit(3600.0, 3600 * share)
    fair = AirtimeLimit(300.0, 900 * share)
    limits = [hour, fair] if has_fair else [hour]
    frames = frames_of(
        Governor(limits),
        draw,
        end_s=12_000.0,
        airtimes=[share * 40, share * 111, share * 300],
        pauses_s=[0, 0, 1, 250],
    )
    assert len(frames) > 20
    for limit in limits:
        assert busiest_s(frames, limit.window_s) <= limit.airtime_s + 1e-6
    late = sorted((start_s + draw.uniform(0, 0.2), airtime_s) for start_s, airtime_s in frames)
    assert busiest_s(late, 3600.0) <= hour.airtime_s + 1e-6


def test_a_sender_that_always_speaks_uses_nearly_all_it_may():
    frames = frames_of(
        Governor([HOUR, FIVE_MINUTES]), random.Random(1), end_s=36_000.0, airtimes=[0.4]
    )
    assert sum(airtime_s for _, airtime_s in frames) >= 0.98 * 360


@given(
    seed=st.integers(0, 1 << 32),
    kinds=st.lists(st.sampled_from(["killed", "rebooted"]), min_size=1, max_size=6),
)
@settings(max_examples=size(8, 500), deadline=None)
def test_crashes_and_reboots_refill_nothing(tmp_path_factory, seed, kinds):
    """World time goes on while the machine is off; its clock begins anew with each boot."""
    draw = random.Random(seed)
    path = tmp_path_factory.mktemp("ledger") / "airtime.json"
    frames: list[tuple[float, float]] = []
    world_s, booted_at_s, boot = 0.0, -100.0, 0
    for kind in kinds:
        ledger = StoredLedger(
            path, HOUR.counts_for_s, 1.8, 36.0, f"boot {boot}", world_s - booted_at_s
        )
        governor = Governor([HOUR, FIVE_MINUTES], ledger)
        until_s = world_s + draw.uniform(0, 4000)
        while True:
            airtime_s = draw.choice([0.05, 0.4, 2.3])
            start_s = governor.start_s(airtime_s, world_s - booted_at_s)
            if start_s + booted_at_s > until_s:
                break
            governor.occupy(airtime_s, start_s)
            frames.append((start_s + booted_at_s, airtime_s))
            world_s = start_s + booted_at_s + airtime_s
        world_s = max(world_s, until_s)
        if kind == "rebooted":
            world_s += draw.uniform(0, 2000)
            boot += 1
            booted_at_s = world_s - draw.uniform(0, 30)
    for limit in (HOUR, FIVE_MINUTES):
        assert busiest_s(frames, limit.window_s) <= limit.airtime_s + 1e-6


def test_the_wait_does_not_grow_with_the_ledger():
    """Frames of an hour at 10 %: asking looks into the ledger, it does not walk through it."""
    governor = Governor([AirtimeLimit(3600.0, 360.0)])
    for n in range(9000):
        governor.occupy(0.04, n * 0.4)
    ledger = governor.ledger
    assert len(ledger._ends) == 9000
    looked_up = []

    class Watched(list):
        def __getitem__(self, place):
            looked_up.append(place)
            return super().__getitem__(place)

    ledger._ends = Watched(ledger._ends)
    ledger._sums = Watched(ledger._sums)
    governor.start_s(0.04, 3600.0)
    governor.budget_s(3600.0)
    assert len(looked_up) < 100


@given(st.lists(st.tuples(st.floats(0.05, 0.4), st.floats(0.0, 60.0)), min_size=2, max_size=30))
def test_a_frame_that_leaves_late_counts_from_when_it_left(frames):
    governor, now_s, sent = Governor([AirtimeLimit(window_s=20.0, airtime_s=0.4)]), 0.0, []
    for airtime_s, late_s in frames:
        start_s = governor.start_s(airtime_s, now_s)
        end_s = governor.occupy(airtime_s, start_s) + late_s
        sent.append((start_s + late_s, airtime_s))
        governor.left(end_s)
        now_s = end_s
    assert busiest_s(sent, 20.0) <= 0.4 + 1e-6


@given(
    st.lists(
        st.tuples(st.floats(0.05, 0.4), st.floats(0.0, SHORTEST_LATENESS_S)),
        min_size=2,
        max_size=30,
    )
)
def test_where_nobody_says_when_frames_left_as_late_as_a_carrier_may_be_is_counted_on(frames):
    governor, now_s, sent = Governor([AirtimeLimit(window_s=20.0, airtime_s=0.4)]), 0.0, []
    for airtime_s, late_s in frames:
        start_s = governor.start_s(airtime_s, now_s)
        sent.append((start_s + late_s, airtime_s))
        now_s = governor.occupy(airtime_s, start_s) + late_s
    assert busiest_s(sent, 20.0) <= 0.4 + 1e-6


def test_nothing_starts_while_its_port_is_away_or_another_has_the_channel():
    governor = Governor()
    governor.is_held = True
    assert governor.start_s(1.0, now_s=5.0) == math.inf
    governor.is_held = False
    governor.pause(until_s=7.0)
    assert governor.start_s(1.0, now_s=5.0) == 7.0
