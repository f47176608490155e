"""Erasure: whatever can come back does, as often as can be computed exactly; interleaving softens
bursts.
"""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reedsolo import RSCodec

from link.emulator.channel import GilbertElliott
from link.wire.control import Parity
from link.wire.erasure import (
    REMEMBERED,
    WIDEST_GAP,
    ParityDecoder,
    ParityEncoder,
    ParityPlan,
    Recovered,
)
from link.wire.packet import PacketType
from tests.scale import size
from tests.studies.erasure import CHANNELS, p_at_most_lost, receive, send, share_decoded

PUBLISHED = [  # loss model, P(8 of 8), P(a group decodes) with 8+1, 8+2, 8+4
    ("mild", 0.7882, 0.8835, 0.9362, 0.9810),
    ("mid", 0.6911, 0.7787, 0.8418, 0.9196),
    ("edge", 0.5092, 0.6004, 0.6755, 0.7875),
    ("iid", 0.4305, 0.7748, 0.9298, 0.9957),
]
SIGMAS = 4.0
DATA, BATCH = PacketType.DATA, PacketType.BATCH

plans = st.builds(ParityPlan, st.integers(1, 16), st.integers(1, 16), st.integers(1, 4))


@pytest.mark.parametrize(("name", "none_lost", *("with_1", "with_2", "with_4")), PUBLISHED)
def test_the_exact_odds_are_the_published_ones(name, none_lost, with_1, with_2, with_4):
    channel = CHANNELS[name]
    for n_parity, published in ((0, none_lost), (1, with_1), (2, with_2), (4, with_4)):
        assert p_at_most_lost(channel, 8 + n_parity, n_parity) == pytest.approx(
            published, abs=5.1e-5
        )


@pytest.mark.parametrize(("name", "n_parity", "depth"), list(product(CHANNELS, (1, 2, 4), (1, 2))))
def test_real_packets_over_the_simulated_channel_decode_as_often_as_computed(name, n_parity, depth):
    channel, n_rounds = CHANNELS[name], size(400, 20_000)
    complete, _ = share_decoded(ParityPlan(8, n_parity, depth), channel, n_rounds, seed=3)
    exact = p_at_most_lost(channel, 8 + n_parity, n_parity, stride=depth)
    # as if the groups of a round shared one fate: never too narrow
    sigma = (exact * (1 - exact) / n_rounds) ** 0.5
    assert complete == pytest.approx(exact, abs=SIGMAS * sigma)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_exact_odds_agree_with_adding_up_every_course_of_the_channel(stride):
    channel = GilbertElliott(0.15, 0.35)
    steps = {(0, 1): 0.15, (0, 0): 0.85, (1, 0): 0.35, (1, 1): 0.65}
    total = 0.0
    for course in product((0, 1), repeat=3 * stride + 1):
        likelihood = (1 - channel.mean_loss, channel.mean_loss)[course[0]]
        for step in pairwise(course):
            likelihood *= steps[step]
        total += likelihood * (sum(course[::stride]) <= 1)
    assert p_at_most_lost(channel, 4, 1, stride) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(("name", "n_parity"), [("mild", 2), ("mid", 2), ("edge", 4)])
def test_interleaving_raises_the_odds_where_losses_come_in_bursts(name, n_parity):
    odds = [p_at_most_lost(CHANNELS[name], 8 + n_parity, n_parity, stride) for stride in (1, 2, 3)]
    assert odds[0] + 0.01 < odds[1]
    assert odds[1] + 0.01 < odds[2]


def test_interleaving_cannot_make_up_for_parity_below_the_mean_loss():
    odds = [p_at_most_lost(CHANNELS["edge"], 10, 2, stride) for stride in (1, 2)]
    # two of ten are lost on average: then it is better when they are lost together
    assert odds[0] > odds[1]


def test_interleaving_changes_nothing_where_losses_have_no_memory():
    odds = [p_at_most_lost(CHANNELS["iid"], 10, 2, stride) for stride in (1, 2, 3)]
    assert odds == pytest.approx(3 * odds[:1])


@given(plans, st.data())
@settings(deadline=None, max_examples=size(60, 3000))
def test_any_losses_up_to_the_parity_come_back_in_any_order(plan, data):
    n_packets = data.draw(st.integers(1, plan.n_data * plan.depth))
    bodies = data.draw(
        st.lists(
            st.tuples(st.binary(max_size=12), st.sampled_from([DATA, BATCH])),
            min_size=n_packets,
            max_size=n_packets,
        )
    )
    sent = send(plan, bodies)
    packets = {packet.counter: packet for packet in sent if isinstance(packet, Recovered)}
    arrived = list(sent)
    for members in {packet.members for packet in sent if isinstance(packet, Parity)}:
        of_group = [
            p
            for p in sent
            if (p.members == members if isinstance(p, Parity) else p.counter in members)
        ]
        for lost in data.draw(st.permutations(of_group))[: plan.n_parity]:
            arrived.remove(lost)
    assert receive(ParityDecoder(), data.draw(st.permutations(arrived))) == packets


def test_one_loss_more_than_the_parity_brings_nothing_back_and_harms_nothing():
    sent = send(ParityPlan(8, 2, 1), [(b"%d" % n, DATA) for n in range(8)])
    known = receive(ParityDecoder(), sent[3:])
    assert sorted(known) == [8, 10, 12, 14, 16]


def test_a_burst_as_long_as_depth_times_parity_loses_nothing_wherever_it_falls():
    sent = send(ParityPlan(8, 2, 2), [(b"%d" % n, DATA) for n in range(32)])
    for start in range(len(sent)):
        assert len(receive(ParityDecoder(), sent[:start] + sent[start + 4 :])) == 32


def test_parity_is_the_reed_solomon_code_of_the_bodies_and_their_end_marks():
    *_, first, second = send(
        ParityPlan(3, 2, 1), [(b"\xa1\xa2", DATA), (b"", BATCH), (b"\0", DATA)]
    )
    assert isinstance(first, Parity)
    assert isinstance(second, Parity)
    assert (first.members, first.index, second.index, second.n_parity) == ((2, 4, 6), 0, 1, 2)
    columns = [b"\xa1\x02\x00", b"\xa2\x00\x01", b"\x01\x00\x00"]
    assert [bytes(RSCodec(2).encode(column)[3:]) for column in columns] == [
        bytes(pair) for pair in zip(first.symbol, second.symbol, strict=True)
    ]


def test_one_parity_packet_is_the_exclusive_or_of_its_group():
    [*_, parity] = send(ParityPlan(3, 1, 1), [(b"\x10", DATA), (b"\x22\x33", DATA), (b"", DATA)])
    assert isinstance(parity, Parity)
    assert parity.symbol.hex() == bytes([0x10 ^ 0x22 ^ 1, 1 ^ 0x33, 1]).hex()


def test_parity_waits_until_all_interleaved_groups_are_full_and_takes_turns():
    encoder = ParityEncoder(ParityPlan(2, 2, 2))
    assert [encoder.push(counter, b"body", DATA) for counter in (5, 6, 7)] == [[], [], []]
    due = encoder.push(9, b"body", DATA)
    assert [(parity.members, parity.index) for parity in due] == [
        ((5, 7), 0),
        ((6, 9), 0),
        ((5, 7), 1),
        ((6, 9), 1),
    ]
    assert encoder.flush() == []


def test_a_flush_covers_what_there_is():
    encoder = ParityEncoder(ParityPlan(8, 1, 2))
    for counter in (5, 6, 7):
        encoder.push(counter, b"body", DATA)
    assert [parity.members for parity in encoder.flush()] == [(5, 7), (6,)]
    assert encoder.flush() == []


def test_a_group_that_would_stretch_too_far_is_ended_before():
    encoder = ParityEncoder(ParityPlan(3, 1, 1))
    encoder.push(5, b"body", DATA)
    assert encoder.push(5 + WIDEST_GAP, b"body", DATA) == []
    [parity] = encoder.push(6 + 2 * WIDEST_GAP, b"body", DATA)
    assert parity.members == (5, 5 + WIDEST_GAP)


@given(plans, st.lists(st.integers(1, WIDEST_GAP), min_size=20, max_size=64), st.integers(1, 255))
def test_a_parity_body_is_longer_than_what_it_covers_by_its_room_at_most(plan, gaps, lag):
    encoder, counter = ParityEncoder(plan), 0
    due = []
    for gap in gaps:
        counter += gap
        due += encoder.push(counter, bytes(7), DATA)
    for parity in due + encoder.flush():
        packed = parity.pack(parity.members[-1] + lag)
        assert len(packed) <= 7 + plan.room_bytes
        assert Parity.unpack(packed, parity.members[-1] + lag) == parity


def test_each_lost_body_comes_back_once():
    sent = send(ParityPlan(4, 3, 1), [(b"%d" % n, DATA) for n in range(4)])
    decoder = ParityDecoder()
    assert receive(decoder, sent[4:]) == {}
    assert list(receive(decoder, [sent[2]]).values()) == [sent[2], sent[0], sent[1], sent[3]]
    assert list(receive(decoder, sent[2:]).values()) == [sent[2], sent[3]]


def test_symbols_that_do_not_belong_together_bring_nothing_back():
    decoder = ParityDecoder()
    decoder.push(2, b"longer than the parity symbol", DATA)
    assert decoder.push_parity(Parity((2, 4), 0, 1, b"\x01\x02")) == []
    decoder = ParityDecoder()
    # says: "01", then an end mark that is none
    assert decoder.push_parity(Parity((2,), 0, 3, b"\x01\x02")) == []
    decoder = ParityDecoder()
    assert decoder.push_parity(Parity((2, 4), 0, 3, b"\x01\x02")) == []
    assert decoder.push_parity(Parity((2, 4), 1, 3, b"\x01\x02\x03")) == []
    assert decoder.push(2, b"\x01", DATA) == []  # the one of another length does not count


def test_more_parity_than_losses_shows_a_body_that_was_never_sent():
    first, second, third = send(
        ParityPlan(3, 3, 1), [(b"one", DATA), (b"two", DATA), (b"six", DATA)]
    )[3:]
    decoder = ParityDecoder()
    # parity of one packet is that packet
    alone = [Parity((counter,), 0, 1, b"not\x01") for counter in (2, 4)]
    assert sorted(receive(decoder, [first, second, *alone])) == [2, 4]
    assert receive(decoder, [third]) == {}


def test_a_decoder_forgets_the_oldest():
    decoder = ParityDecoder()
    for counter in range(10 * REMEMBERED):
        decoder.push(counter, bytes(200), DATA)
        decoder.push_parity(Parity((counter, counter + 10_000, counter + 20_000), 0, 1, bytes(200)))
    assert len(decoder._bodies) == REMEMBERED
    assert len(decoder._wanting) == REMEMBERED


@pytest.mark.parametrize(
    ("n_data", "n_parity", "depth"), [(0, 1, 1), (17, 1, 1), (8, 0, 1), (8, 17, 1), (8, 2, 0)]
)
def test_a_plan_that_cannot_be_is_refused(n_data, n_parity, depth):
    with pytest.raises(ValueError, match="from 1 to 16 can"):
        ParityPlan(n_data, n_parity, depth)
