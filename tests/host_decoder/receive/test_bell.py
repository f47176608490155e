"""The loop that serves all gateways sleeps until one of them rings."""

import threading
import time

from host_decoder.receive.bell import Bell


def test_a_ring_wakes_the_loop_when_what_it_waits_for_is_there():
    bell, found = Bell(), []

    def gateway():
        with bell:
            bell.ring()  # nothing was found
        time.sleep(0.05)
        with bell:
            found.append("a packet")
            bell.ring()

    thread = threading.Thread(target=gateway)
    thread.start()
    begun_s = time.monotonic()
    bell.wait_for(lambda: bool(found), timeout_s=30.0)
    thread.join()
    assert found == ["a packet"]
    assert time.monotonic() - begun_s < 10


def test_what_is_there_already_is_not_waited_for():
    begun_s = time.monotonic()
    Bell().wait_for(lambda: True, timeout_s=30.0)
    assert time.monotonic() - begun_s < 10


def test_the_loop_goes_on_when_its_time_is_over():
    begun_s = time.monotonic()
    Bell().wait_for(lambda: False, timeout_s=0.01)
    assert 0.01 <= time.monotonic() - begun_s < 10


def test_every_look_rings_only_while_somebody_waits_for_that():
    bell, seen = Bell(), []

    def watched():
        seen.append(bell.is_watched)
        return True

    bell.wait_for(watched, timeout_s=1.0, every_look=True)
    bell.wait_for(watched, timeout_s=1.0)
    assert (seen, bell.is_watched) == ([True, False], False)
