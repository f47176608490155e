"""Whether nodes may be told the host's time."""

import time

import pytest

from host_decoder.events import Notice
from host_decoder.receive import clock
from host_decoder.receive.clock import EARLIEST_UNIX_S, WallClock, is_synchronised
from host_decoder.receive.host import Host
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import Report, Time
from tests.host_decoder.receive.test_host import said
from tests.worlds.small_host import SmallNode

TIMING = LinkTiming(get_profile("lora-sf7"))


def test_the_kernel_is_asked_and_answers_yes_no_or_nothing():
    assert is_synchronised() in (True, False, None)


def test_systemds_word_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "SYNCHRONISED_FILE", tmp_path / "synchronized")
    (tmp_path / "synchronized").touch()
    assert is_synchronised() is True


@pytest.mark.parametrize(
    ("is_trusted", "kernel", "unix_s", "is_right"),
    [
        (False, True, 0.0, True),
        (False, False, EARLIEST_UNIX_S + 1, False),
        (False, None, EARLIEST_UNIX_S + 1, True),
        (False, None, EARLIEST_UNIX_S - 1, False),
        (True, False, EARLIEST_UNIX_S + 1, True),
    ],
)
def test_a_clock_is_right_when_it_is_synchronised_or_trusted_or_nobody_knows(
    monkeypatch, is_trusted, kernel, unix_s, is_right
):
    monkeypatch.setattr(time, "time", lambda: unix_s)
    assert WallClock(is_trusted, lambda: kernel).is_right == is_right


def test_before_its_clock_is_synchronised_a_host_tells_no_time_and_says_why_once(
    node_entry, store, bundle
):
    kernel = [False]
    host = Host(
        [node_entry], store, timing=TIMING, clock=WallClock(is_synchronised=lambda: kernel[0])
    )
    node = SmallNode(bundle)

    def explained(now_s):
        heard = host.receive(node.hello(wants_time=True), now_s)
        return [
            one.sentence
            for one in heard
            if isinstance(one, Notice) and "asks for the time" in one.sentence
        ]

    [sentence] = explained(0.0)
    assert 'clock = "trusted"' in sentence
    assert [type(one) for one in said(host, node, 0.2)] == [Report]
    assert explained(2.0) == []
    assert [type(one) for one in said(host, node, 2.2)] == [Report]
    kernel[0] = True
    assert explained(5.0) == []
    assert Time in [type(one) for one in said(host, node, 5.2)]
