"""Voices: each frame sealed once, addressed, counted as often as it is sent."""

from math import inf

from link.fog.frame import PLACES, Header, Kind, TeamSeal
from link.fog.voice import Voice

SEAL = TeamSeal(bytes(16), bytes(8))
ALL = frozenset({1, 2, 3})


def voice(is_medium_shared=False):
    made = Voice(0, SEAL, is_medium_shared, b"salt")
    made.turn_to(9)
    return made


def test_a_frame_goes_to_its_readers_and_not_to_oneself():
    one = voice()
    one.say(Kind.TENSOR, 5, b"body", {0, 3, 1})
    [outgoing] = one.take()
    assert outgoing.to == (1, 3)
    assert SEAL.open(outgoing.frame) == b"body"
    assert (one.n_frames, one.sent_bytes) == (2, 2 * 25)
    assert one.unreached(ALL) == {2}
    assert one.take() == []


def test_on_a_shared_medium_all_hear_a_frame_that_is_sent_once():
    one = voice(is_medium_shared=True)
    assert one.unreached(ALL) == ALL
    one.say(Kind.TENSOR, 5, b"body", {3, 1})
    assert (one.n_frames, one.sent_bytes) == (1, 25)
    assert one.unreached(ALL) == frozenset()


def test_what_is_said_twice_is_the_same_frame_and_goes_to_the_same():
    one = voice()
    one.say_twice(Kind.LATENTS, 5, b"body", frozenset({1, 3}), again_s=7.0)
    [first] = one.take()
    assert one.due_s == 7.0
    one.say_again(6.9, heard={1})
    assert one.take() == []
    one.say_again(7.0, heard={1})
    assert one.take() == [first]
    assert one.due_s == inf


def test_or_to_those_who_were_silent_meanwhile():
    one = voice()
    one.say_twice(Kind.TICK, 0, b"body", ALL, again_s=7.0, is_for_silent=True)
    [first] = one.take()
    one.say_again(7.0, heard={1, 2})
    assert [(again.frame, again.to) for again in one.take()] == [(first.frame, (3,))]


def test_with_a_newer_image_nothing_of_the_older_is_said_again():
    one = voice()
    one.say_twice(Kind.LATENTS, 5, b"body", ALL, again_s=7.0)
    one.turn_to(10)
    one.take()
    one.say_again(8.0, heard=())
    assert one.take() == []


def test_what_stands_at_numbers_never_has_one_twice_and_ends_with_them():
    one = voice()
    for _ in range(PLACES + 5):
        one.say_next(Kind.HERE, b"", ALL)
    headers = [Header.unpack(outgoing.frame) for outgoing in one.take()]
    assert [header.place for header in headers if header] == list(range(PLACES))
    assert one.is_exhausted
    one.turn_to(10)
    assert not one.is_exhausted
    one.say_next(Kind.HERE, b"", frozenset())
    assert one.take() == []
