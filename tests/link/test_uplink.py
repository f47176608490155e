"""Both ends of the uplink in one process: what was sent arrives and refines, all else is refused in a sentence."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link import latent_coder
from link.framing import frame
from link.packet import Header, PacketType
from link.seal import Sealer, traffic_key
from link.uplink import (
    FIRST_CHUNK_OVERHEAD_BYTES,
    LATER_CHUNK_OVERHEAD_BYTES,
    NodeEntry,
    Reason,
    Rejected,
    Update,
    UplinkReceiver,
    UplinkSender,
)
from tests.link.small import make_bundle, random_symbols, random_tables

KEY = bytes(range(16))
NODE = 7
TABLES = random_tables(seed=1, n_latents=40)


class Counting:
    """Counters of a node whose disk is not of interest."""

    def __init__(self, start=0):
        self._numbers = count(start)

    def next(self):
        return next(self._numbers)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("right") / "bundle", TABLES)


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("other") / "bundle", random_tables(seed=2, n_latents=40))


def sender_of(bundle, max_packet_bytes=255, start=0, key=KEY, node=NODE):
    return UplinkSender(node, key, bundle.id, bundle.tables, Counting(start), max_packet_bytes)


def receiver_of(bundle, **entry):
    return UplinkReceiver({NODE: NodeEntry(KEY, bundle, **entry)})


def refused(receiver, packet, reason, sentence):
    answer = receiver.receive(packet, now_s=0.0)
    assert isinstance(answer, Rejected)
    assert answer.reason == reason
    assert sentence in answer.sentence
    return answer


def test_an_image_of_one_packet_arrives_whole(bundle):
    symbols = random_symbols(TABLES, seed=1)
    [packet] = sender_of(bundle).packets(symbols, image_number=0, age_s=2.0)
    update = receiver_of(bundle).receive(packet, now_s=100.0)
    assert isinstance(update, Update)
    assert update.latent.symbols.tolist() == symbols.tolist()
    assert update.latent.n_known == 40
    assert (update.node, update.counter, update.first_counter, update.image) == (NODE, 0, 0, 0)
    assert (update.n_chunks, update.is_complete) == (1, True)
    assert update.age_s == pytest.approx(2.0, rel=0.06)
    assert update.captured_s == pytest.approx(98.0, abs=0.12)
    assert update.bitstream_bytes == len(latent_coder.encode(symbols, TABLES))
    assert update.packet_bytes == len(packet)
    assert update.bundle is bundle
    assert update.chunk.bitstream == latent_coder.encode(symbols, TABLES)


def test_the_overhead_is_11_bytes_then_10_and_15_on_a_byte_stream(bundle):
    assert (FIRST_CHUNK_OVERHEAD_BYTES, LATER_CHUNK_OVERHEAD_BYTES) == (11, 10)
    for n_bytes in range(240):
        [packet] = sender_of(bundle).packets_of(bytes(n_bytes), image_number=0)
        assert len(packet) == n_bytes + 11
        assert len(frame(packet)) == n_bytes + 15
    first, second, third = sender_of(bundle, max_packet_bytes=51).packets_of(bytes(40 + 41 + 5), 0)
    assert [len(first), len(second), len(third)] == [51, 51, 15]


@given(st.integers(12, 60), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_chunk_refines_the_answer_until_it_is_complete(bundle, max_packet_bytes, seed):
    symbols = random_symbols(TABLES, seed)
    packets = sender_of(bundle, max_packet_bytes).packets(symbols, image_number=3)
    receiver = receiver_of(bundle)
    n_known = 0
    for n_received, packet in enumerate(packets, start=1):
        update = receiver.receive(packet, now_s=0.0)
        assert isinstance(update, Update)
        assert update.n_chunks == n_received
        assert update.is_complete == (n_received == len(packets))
        assert update.latent.symbols[: update.latent.n_known].tolist() == symbols[: update.latent.n_known].tolist()
        assert update.latent.n_known >= n_known
        assert update.packet_bytes == sum(map(len, packets[:n_received]))
        n_known = update.latent.n_known
    assert n_known == 40


def test_the_first_packet_alone_gives_an_answer_and_the_others_more(bundle):
    symbols = next(
        symbols
        for seed in range(1000)
        if len(latent_coder.encode(symbols := random_symbols(TABLES, seed), TABLES)) >= 8
    )
    packets = sender_of(bundle, max_packet_bytes=14).packets(symbols, image_number=0)
    receiver = receiver_of(bundle)
    updates = [receiver.receive(packet, 0.0) for packet in packets]
    known = [update.latent.n_known for update in updates if isinstance(update, Update)]
    assert len(known) == len(packets)
    assert 0 < known[0] < known[-1] == 40


def test_a_lost_middle_chunk_keeps_the_answer_and_its_arrival_completes_it(bundle):
    symbols = random_symbols(TABLES, seed=4)
    packets = sender_of(bundle, max_packet_bytes=13).packets(symbols, image_number=0)
    assert len(packets) >= 4
    receiver = receiver_of(bundle)
    assert receiver.receive(packets[0], 0.0).n_chunks == 1
    for index, packet in enumerate(packets[2:], start=2):
        answer = refused(receiver, packet, Reason.GAP, "it is kept until that arrives")
        assert answer.counter == answer.chunk.index == index
        assert answer.bundle is bundle
    update = receiver.receive(packets[1], 0.0)
    assert (update.n_chunks, update.is_complete) == (len(packets), True)
    assert update.latent.symbols.tolist() == symbols.tolist()
    assert update.counter == 1
    assert update.first_counter == 0


def test_a_lost_first_chunk_leaves_nothing_to_show_and_the_next_image_is_fine(bundle):
    sender, receiver = sender_of(bundle, max_packet_bytes=13), receiver_of(bundle)
    for packet in sender.packets(random_symbols(TABLES, 4), image_number=0)[1:]:
        refused(receiver, packet, Reason.GAP, "of image 0 (modulo 256) of node 7 came without an earlier one")
    for packet in sender.packets(random_symbols(TABLES, 5), image_number=1):
        update = receiver.receive(packet, 0.0)
    assert update.is_complete
    assert update.image == 1


def test_image_numbers_and_counters_run_on_past_their_wraps(bundle):
    sender, receiver = sender_of(bundle, start=65_400), receiver_of(bundle, highest_counter=65_399)
    for image in range(300):
        [packet] = sender.packets_of(latent_coder.encode(random_symbols(TABLES, 1), TABLES), image)
        update = receiver.receive(packet, 0.0)
        assert (update.image, update.counter) == (image, 65_400 + image)


def test_thousands_of_lost_packets_do_not_lose_the_counter(bundle):
    sender, receiver = sender_of(bundle), receiver_of(bundle)
    data = latent_coder.encode(random_symbols(TABLES, 1), TABLES)
    for image in range(4):
        [packet] = sender.packets_of(data, image)
        assert receiver.receive(packet, 0.0).counter == 30_001 * image
        for _ in range(30_000):
            sender._counters.next()


def test_a_host_that_hears_a_node_for_the_first_time_finds_its_counter(bundle):
    [packet] = sender_of(bundle, start=1_000_000).packets(random_symbols(TABLES, 1), 0)
    assert receiver_of(bundle).receive(packet, 0.0).counter == 1_000_000


@pytest.mark.parametrize("n_missed", [33_000, 70_000, 900_000])
def test_a_host_that_was_off_for_long_finds_the_counter_again(bundle, n_missed):
    [packet] = sender_of(bundle, start=100_000 + n_missed).packets(random_symbols(TABLES, 0), 0)
    assert receiver_of(bundle, highest_counter=100_000).receive(packet, 0.0).counter == 100_000 + n_missed


def test_two_nodes_are_kept_apart(bundle):
    keys = {1: bytes(16), 2: bytes([1] * 16)}
    receiver = UplinkReceiver({node: NodeEntry(key, bundle) for node, key in keys.items()})
    for node, key in keys.items():
        [packet] = sender_of(bundle, node=node, key=key).packets(random_symbols(TABLES, node), 0)
        update = receiver.receive(packet, 0.0)
        assert isinstance(update, Update)
        assert update.node == node
        assert update.latent.symbols.tolist() == random_symbols(TABLES, node).tolist()


def test_a_replayed_packet_is_refused(bundle):
    [packet] = sender_of(bundle, start=17).packets(random_symbols(TABLES, 1), 0)
    receiver = receiver_of(bundle)
    assert isinstance(receiver.receive(packet, 0.0), Update)
    for _ in range(2):
        answer = refused(receiver, packet, Reason.REPLAY, "packet 17 of node 7 was received before")
        assert answer.counter == 17


def test_a_packet_from_before_the_host_s_restart_is_refused(bundle):
    sender = sender_of(bundle)
    old, new = (sender.packets(random_symbols(TABLES, 1), image)[0] for image in range(2))
    receiver = receiver_of(bundle, highest_counter=0)
    refused(receiver, old, Reason.REPLAY, "packet 0")
    assert receiver.receive(new, 0.0).counter == 1


def test_a_replay_of_a_kept_chunk_is_refused_too(bundle):
    packets = sender_of(bundle, max_packet_bytes=13).packets(random_symbols(TABLES, 4), 0)
    receiver = receiver_of(bundle)
    refused(receiver, packets[2], Reason.GAP, "chunk 2")
    refused(receiver, packets[2], Reason.REPLAY, "packet 2")


def test_a_packet_of_another_key_does_not_open(bundle):
    [packet] = sender_of(bundle, key=bytes(16)).packets(random_symbols(TABLES, 1), 0)
    answer = refused(receiver_of(bundle), packet, Reason.NOT_OPENED, f"any bundle held for it ({bundle.id.hex()})")
    assert "compare node.key and the bundle's id" in answer.sentence
    assert answer.counter is None


def test_a_packet_of_a_bundle_that_is_held_names_it_and_what_to_do(bundle, other_bundle):
    [packet] = sender_of(other_bundle).packets(random_symbols(other_bundle.tables, 1), 0)
    receiver = receiver_of(bundle, other_bundles=(bundle, other_bundle))
    answer = refused(receiver, packet, Reason.OTHER_BUNDLE, f"packet made with bundle {other_bundle.id.hex()}")
    assert answer.bundle is other_bundle
    assert f"this host has {bundle.id.hex()}" in answer.sentence
    assert str(other_bundle.path) in answer.sentence
    assert "configure the former here, or flash the latter there" in answer.sentence
    refused(receiver, packet, Reason.REPLAY, "packet 0")


def test_a_packet_of_a_bundle_that_is_not_held_says_so(bundle, other_bundle):
    [packet] = sender_of(other_bundle).packets(random_symbols(other_bundle.tables, 1), 0)
    refused(receiver_of(bundle), packet, Reason.NOT_OPENED, "or a bundle this host lacks")


def test_an_unknown_node_is_named(bundle):
    [packet] = sender_of(bundle, node=9).packets(random_symbols(TABLES, 1), 0)
    refused(receiver_of(bundle), packet, Reason.UNKNOWN_NODE, "packet names node 9, this host knows [7]")


def test_another_wire_version_is_named(bundle):
    [packet] = sender_of(bundle).packets(random_symbols(TABLES, 1), 0)
    packet = bytes([packet[0] & 0x3F | 2 << 6]) + packet[1:]
    refused(receiver_of(bundle), packet, Reason.WIRE_VERSION, "packet has wire version 2, this host speaks 1")


def test_a_type_of_a_later_release_is_named(bundle):
    header = Header(NODE, 0, PacketType.HELLO).pack()
    packet = header + Sealer(traffic_key(KEY), NODE, bundle.id).seal(header, 0, b"hello")
    refused(receiver_of(bundle), packet, Reason.PACKET_TYPE, "packet has type 4, this host takes 0 (DATA)")


def sealed(bundle, counter, body):
    header = Header(NODE, counter & 0xFFFF).pack()
    return header + Sealer(traffic_key(KEY), NODE, bundle.id).seal(header, counter, body)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"\x00\x00", "body of a DATA packet has 2 bytes, a chunk begins with 3"),
        (b"\x00\x03", "chunk 3 cannot travel under counter 0"),
        (b"\x00\x80\x00" + b"\xff" * 20, "bitstream cannot have been written with these tables"),
    ],
)
def test_a_sealed_packet_without_sense_is_refused(bundle, body, sentence):
    answer = refused(receiver_of(bundle), sealed(bundle, 0, body), Reason.MALFORMED, sentence)
    assert answer.counter == 0


@given(n_kept=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_a_truncated_packet_is_refused(bundle, n_kept):
    [packet] = sender_of(bundle).packets(random_symbols(TABLES, 1), 0)
    truncated = packet[: min(n_kept, len(packet) - 1)]
    reason = Reason.MALFORMED if len(truncated) < 10 else Reason.NOT_OPENED
    refused(receiver_of(bundle), truncated, reason, "it was")


def test_no_flipped_bit_is_accepted_and_the_good_packet_still_is(bundle):
    [packet] = sender_of(bundle).packets(random_symbols(TABLES, 1), 0)
    receiver = receiver_of(bundle)
    for position in range(8 * len(packet)):
        damaged = bytearray(packet)
        damaged[position // 8] ^= 1 << position % 8
        answer = receiver.receive(bytes(damaged), 0.0)
        assert isinstance(answer, Rejected)
        assert answer.reason in (Reason.NOT_OPENED, Reason.WIRE_VERSION, Reason.PACKET_TYPE, Reason.UNKNOWN_NODE)
        assert answer.counter is None
    assert isinstance(receiver.receive(packet, 0.0), Update)


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=60).map(lambda tail: b"\x40\x07\x00" + tail)))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_answered_with_a_sentence_and_change_nothing(bundle, garbage):
    receiver = receiver_of(bundle)
    answer = receiver.receive(garbage, 0.0)
    assert isinstance(answer, Rejected)
    assert answer.counter is None
    assert len(answer.sentence) > 20
    [packet] = sender_of(bundle).packets(random_symbols(TABLES, 1), 0)
    assert receiver.receive(packet, 0.0).counter == 0


@given(st.binary(max_size=60), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_any_sealed_body_is_answered_without_an_exception(bundle, body, counter):
    answer = receiver_of(bundle).receive(sealed(bundle, counter, body), 0.0)
    if isinstance(answer, Update):
        assert answer.latent.symbols.shape == (40,)
        assert answer.counter == counter
    else:
        assert answer.reason in (Reason.MALFORMED, Reason.GAP)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_through_loss_duplicates_and_disorder_only_what_was_sent_is_shown(bundle, data):
    sent: dict = {}
    packets: list[bytes] = []
    sender = sender_of(bundle, max_packet_bytes=data.draw(st.integers(12, 40)))
    for image in range(data.draw(st.integers(1, 6))):
        first_counter = len(packets)
        sent[first_counter] = (image, random_symbols(TABLES, data.draw(st.integers(0, 50))))
        packets += sender.packets(sent[first_counter][1], image)
    arrivals = data.draw(st.lists(st.sampled_from(packets), max_size=2 * len(packets)))
    receiver = receiver_of(bundle)
    accepted = []
    for packet in arrivals:
        answer = receiver.receive(packet, 0.0)
        if isinstance(answer, Rejected):
            assert answer.reason in (Reason.GAP, Reason.REPLAY)
        if isinstance(answer, Update) or answer.reason == Reason.GAP:
            accepted.append(answer.counter)
        if isinstance(answer, Update):
            image, symbols = sent[answer.first_counter]
            assert answer.image == image
            n_known = answer.latent.n_known
            assert answer.latent.symbols[:n_known].tolist() == symbols[:n_known].tolist()
            assert n_known == 40 or not answer.is_complete
    assert len(set(accepted)) == len(accepted)


def test_a_sender_gives_no_counter_twice_and_only_consecutive_ones_to_an_image(bundle):
    sender, receiver = sender_of(bundle, max_packet_bytes=20), receiver_of(bundle)
    counters = [
        receiver.receive(packet, 0.0).counter
        for image in range(5)
        for packet in sender.packets(random_symbols(TABLES, image), image)
    ]
    assert counters == list(range(len(counters)))


def test_a_latent_of_the_wrong_shape_is_not_sent(bundle):
    with pytest.raises(ValueError, match=r"symbols have shape \(39,\), the tables are for \(40,\)"):
        sender_of(bundle).packets(np.zeros(39, np.int8), 0)


@pytest.mark.parametrize("max_packet_bytes", [0, 11, 256])
def test_packet_sizes_that_cannot_be_are_refused(bundle, max_packet_bytes):
    with pytest.raises(ValueError, match=f"packets of {max_packet_bytes} bytes cannot be made: 12 to 255"):
        sender_of(bundle, max_packet_bytes)
