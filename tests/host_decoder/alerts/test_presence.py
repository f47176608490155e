"""A node is silent by its own pace, and where that is not known nobody says so."""

from host_decoder.alerts.presence import MIN_PAUSES, Presence


def spoken(period_s: float = 600.0, n: int = MIN_PAUSES + 1, start_s: float = 0.0) -> Presence:
    """A node that has spoken n times, two packets each time."""
    presence = Presence({7: None}, 0.0)
    for number in range(n):
        presence.heard(7, start_s + number * period_s)
        presence.heard(7, start_s + number * period_s + 0.5)
    return presence


def test_three_of_its_own_periods_without_a_word():
    presence = spoken()
    last_s = MIN_PAUSES * 600.0 + 0.5
    assert presence.period_s(7) == 599.5
    assert presence.is_silent(7, last_s + 3 * 599.5) is False
    assert presence.is_silent(7, last_s + 3 * 599.5 + 1) is True
    presence.heard(7, last_s + 9999)
    assert presence.is_silent(7, last_s + 10_000) is False


def test_one_long_absence_makes_nobody_patient():
    presence = spoken()
    presence.heard(7, MIN_PAUSES * 600.0 + 86_400)
    assert presence.period_s(7) == 599.5


def test_what_is_said_counts_from_the_hosts_start_on():
    presence = Presence({7: 60.0, 8: None}, 1000.0)
    assert presence.is_silent(7, 1179.0) is None
    assert presence.is_silent(7, 1181.0) is True
    assert presence.is_silent(8, 1e9) is None
    presence.heard(8, 1000.0)
    assert presence.is_silent(8, 1e9) is False


def test_the_time_when_the_host_was_away_is_nobodys_silence():
    kept = spoken().to_json()
    again = Presence({7: None, 8: None}, 1_000_000.0)
    again.recall(kept)
    assert again.is_silent(7, 1_000_100.0) is None
    assert again.is_silent(7, 1_002_000.0) is True
    again.heard(7, 1_000_050.0)
    assert again.is_silent(7, 1_000_100.0) is False
    assert again.period_s(7) == 599.5


def test_a_clock_that_is_set_makes_nobody_silent_and_ends_no_silence():
    presence = Presence({7: 60.0, 8: 60.0}, 0.0)
    presence.heard(7, 10.0)
    presence.clock_moved(1e9, 1e9 + 20)
    assert presence.is_silent(7, 1e9 + 20) is False
    assert presence.is_silent(7, 1e9 + 200) is True
    assert presence.is_silent(8, 1e9 + 20) is None
    again = Presence({7: 60.0}, 0.0)  # without a battery for its clock
    again.recall(presence.to_json())
    assert again.is_silent(7, 5.0) is None
    again.heard(7, 6.0)
    assert again.is_silent(7, 6.0 + 181) is True
