"""Downlinks through a network are few: each says what is new, and nothing twice."""

import pytest

from link.lorawan.host.tellings import MAX_ENOUGH, NetworkTellings
from link.wire.control import AskStatus, Renew, unpack_command
from link.wire.packet import PacketType


@pytest.fixture
def tellings():
    return NetworkTellings(has_downlink=True)


def test_a_command_waits_once_however_often_it_is_wanted(tellings):
    for command in (Renew(), AskStatus(), Renew()):
        tellings.command(command)
    said = [tellings.next() for _ in range(2)]
    assert [kind for kind, _ in said] == [PacketType.COMMAND] * 2
    assert [unpack_command(body) for _, body in said] == [Renew(), AskStatus()]
    assert not tellings.are_due


def test_images_that_need_no_more_are_told_in_one_packet(tellings):
    for image in (1, 2):
        tellings.came(image, is_complete=False)
        tellings.enough(image)
    assert tellings.next() == (PacketType.REPORT, b"\x00\x01\x00\x02")
    assert not tellings.are_due


def test_an_image_is_told_again_when_two_more_chunks_of_it_came(tellings):
    tellings.came(1, is_complete=False)
    told = []
    for _ in range(5):
        tellings.enough(1)
        told.append(tellings.are_due)
        if tellings.are_due:
            tellings.next()
    assert told == [True, False, True, False, True]


def test_of_a_whole_image_and_of_one_long_ago_there_is_nothing_to_tell(tellings):
    tellings.came(1, is_complete=True)
    for image in (1, 2):
        tellings.enough(image)
    assert not tellings.are_due


def test_one_packet_names_the_latest_images(tellings):
    for image in range(MAX_ENOUGH + 3):
        tellings.came(image, is_complete=False)
        tellings.enough(image)
    _, body = tellings.next()
    assert body[:2] == b"\x00\x03"
    assert len(body) == 2 * MAX_ENOUGH


def test_a_node_that_does_not_listen_is_told_nothing():
    silent = NetworkTellings(has_downlink=False)
    silent.command(Renew())
    silent.came(1, is_complete=False)
    silent.enough(1)
    assert not silent.are_due
