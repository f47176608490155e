"""A node is told what is most urgent first, and a REPORT last."""

import pytest

from link.host.reporter import Reporter
from link.host.siege import ENOUGH, Siege
from link.host.tellings import Newest, Tellings
from link.medium.governor import Governor
from link.medium.time_slots import SlotPlan
from link.wire.control import (
    Advance,
    AskStatus,
    Hello,
    LongTags,
    Report,
    Slot,
    Time,
    unpack_command,
)
from link.wire.packet import PacketType
from tests.worlds.ends import NODE, SF7

BUNDLE_ID = bytes(8)


def listening(siege: Siege) -> Tellings:
    """What a node is owed that listens."""
    tellings = Tellings(NODE, Reporter(SF7), siege)
    tellings.reporter.heard(3, [], now_s=0.0, airtime_s=0.1, listens=True)
    tellings.reporter.confirm(3, [])
    return tellings


@pytest.fixture
def tellings():
    return listening(Siege())


def told(tellings, now_s=0.0, unix_offset_s=None, slots=None, counter=3, governor=None):
    """What it says, in a frame that ends a second later."""
    telling = tellings.next(now_s, Newest(counter), governor, unix_offset_s, slots)
    body = telling.say(now_s + 1.0)
    assert len(body) == telling.n_bytes
    return {
        PacketType.REPORT: lambda: Report.unpack(body, 100),
        PacketType.TIME: lambda: Time.unpack(body),
        PacketType.COMMAND: lambda: unpack_command(body),
    }[telling.packet_type]()


def test_with_nothing_else_to_say_there_is_a_report(tellings):
    assert told(tellings).highest == 3


def test_a_report_has_the_advice_and_what_is_left_of_the_budget(tellings):
    tellings.advice = 2
    report = told(tellings, governor=Governor())
    assert report.n_chunks == 2


def test_commands_go_before_it_in_their_order(tellings):
    tellings.commands += [AskStatus(), Advance(64)]
    assert [told(tellings) for _ in range(2)] == [AskStatus(), Advance(64)]
    assert isinstance(told(tellings), Report)


def test_the_time_is_that_of_the_frames_end_and_is_told_once(tellings):
    tellings.heard(Hello(BUNDLE_ID, wants_time=True))
    assert told(tellings, now_s=5.0, unix_offset_s=1000.0).unix_s == pytest.approx(1006.0)
    assert isinstance(told(tellings, now_s=6.0, unix_offset_s=1000.0), Report)


def test_who_was_told_a_time_is_told_of_its_change_behind_two_packets(tellings):
    tellings.heard(Hello(BUNDLE_ID, wants_time=True))
    told(tellings, unix_offset_s=1000.0)
    said = []
    for counter in (4, 4, 5, 6):
        tellings.reporter.ask(0.0)
        said.append(type(told(tellings, unix_offset_s=2000.0, counter=counter)))
    assert said == [Time, Report, Time, Report]


def test_a_node_without_a_slot_is_given_one(tellings):
    tellings.heard(Hello(BUNDLE_ID, wants_slot=True))
    slots = SlotPlan([NODE], 10.0, 0.0)
    assert isinstance(told(tellings, slots=slots), Slot)


def test_under_siege_long_tags_come_first():
    siege = Siege()
    for _ in range(ENOUGH):
        siege.failed(0.0)
    tellings = listening(siege)
    tellings.commands.append(AskStatus())
    assert told(tellings) == LongTags(True)
    assert told(tellings) == AskStatus()


def test_whoever_does_not_listen_is_told_nothing_but_a_report(tellings):
    silent = Tellings(NODE, Reporter(SF7), Siege())
    silent.commands.append(AskStatus())
    assert isinstance(told(silent), Report)
