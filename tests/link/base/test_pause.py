"""Pauses grow while something fails, and begin anew when it works."""

from link.base.pause import Pause


def test_each_failure_doubles_the_pause_up_to_the_longest():
    pause = Pause(0.5, longest_s=5.0)
    assert [pause.failed() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert pause.n_failed == 6


def test_what_works_again_begins_with_the_first_pause():
    pause = Pause(0.5, longest_s=5.0)
    pause.failed()
    pause.failed()
    pause.worked()
    assert pause.n_failed == 0
    assert pause.failed() == 0.5


def test_what_fails_for_ever_waits_the_longest_for_ever():
    pause = Pause(1.0, longest_s=60.0)
    assert {pause.failed() for _ in range(5000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0}
