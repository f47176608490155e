"""Calls that have no end of their own."""

import threading
import time

import pytest

from link.carriers.carrier import CarrierSettings, PortError, open_carrier
from link.carriers.deadline import within
from link.medium.profiles import get_profile


def test_a_call_gives_what_it_gives_or_raises_what_it_raises():
    assert within(5.0, lambda: 7, "counting") == 7
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 // 0, "counting")


def test_one_that_takes_too_long_is_not_waited_for():
    over = threading.Event()
    began_s = time.monotonic()
    with pytest.raises(PortError, match=r"waiting for Godot takes longer than 0.05 s"):
        within(0.05, over.wait, "waiting for Godot")
    assert time.monotonic() - began_s < 5.0
    over.set()


def test_that_the_call_itself_ran_out_of_time_is_what_it_raises():
    def time_out():
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        within(5.0, time_out, "counting")


def test_a_name_service_that_does_not_answer_is_not_waited_for(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr("link.carriers.peers.RESOLVE_S", 0.05)
    monkeypatch.setattr("link.carriers.udp.socket.gethostbyname", lambda _: over.wait(30))
    with pytest.raises(PortError, match=r"looking up camera.example takes longer than 0.05 s"):
        open_carrier(CarrierSettings(get_profile("udp"), "camera.example:4300"))
    over.set()
