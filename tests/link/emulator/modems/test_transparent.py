"""A modem without quirks: a frame in at one end is a frame out at the other."""

from link.emulator.channel import UNIMPAIRED
from link.emulator.radio import RadioLine
from link.medium.profiles import get_profile
from link.wire.framing import Deframer, frame

PROFILE = get_profile("lora-sf10-eu868")


def heard(*pieces: bytes) -> tuple[list[bytes], dict]:
    """Packets at end b of what is written at end a, piece by piece, and what a counted."""
    line = RadioLine(PROFILE, UNIMPAIRED)
    for number, piece in enumerate(pieces):
        line.push("a", piece, now_s=float(number))
    packets = Deframer().push(line.pop("b", 60.0))
    return packets, line.statistics(60.0)["ends"]["a"]


def test_a_frame_arrives_however_it_was_cut_on_its_way_to_the_modem():
    whole = frame(b"a packet")
    assert heard(whole)[0] == heard(whole[:3], whole[3:])[0] == [b"a packet"]


def test_frames_of_one_write_are_sent_one_after_the_other():
    assert heard(frame(b"one") + frame(b"two"))[0] == [b"one", b"two"]


def test_a_packet_that_is_too_long_for_the_air_is_counted_and_not_sent():
    longest = bytes(PROFILE.max_packet_bytes)
    packets, counted = heard(frame(longest + b"!"), frame(longest))
    assert packets == [longest]
    assert (counted["frames_in"], counted["frames_refused"]) == (2, 1)


def test_noise_between_frames_is_nothing():
    assert heard(b"\x00\x05noise\x00" + frame(b"a packet"))[0] == [b"a packet"]
