"""What a host makes of packets: updates that refine, refusals in a sentence, sessions that follow each other."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link import latent_coder
from link.control import AskStatus, Hello, Quality, Renew, Report, Status, unpack_command
from link.packet import Chunk, Flag, Header, PacketType, pack_batch, split
from link.receiver import (
    HelloHeard,
    NodeEntry,
    Reason,
    Receiver,
    Rejected,
    StatusHeard,
    Update,
)
from link.seal import RENEW_AFTER_FAILURES, Direction, Seal, downlink_key, uplink_key
from tests.link import ends
from tests.link.ends import KEY, NODE, SF7
from tests.link.small import make_bundle, random_symbols, random_tables

TABLES = random_tables(seed=1, n_latents=40)
SALT, OTHER_SALT, HOST_SALT = b"salt", b"SALT", b"hostsalt"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("right") / "bundle", TABLES)


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("other") / "bundle", random_tables(seed=2, n_latents=40))


def host_end(bundle, *timing, **arguments):
    """ends.host_end, whose answers a test knows better than their types."""
    return ends.host_end(bundle, *timing, **arguments)


def seal(counter, body, packet_type=PacketType.DATA, *, bundle=None, salt=SALT, flags=Flag.SALT, key=KEY, node=NODE):
    header = Header(node, counter & 0xFFFF, packet_type, flags, salt if flags & Flag.SALT else b"")
    sealer = Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)
    return sealer.seal(header, counter, body, bundle.id if bundle else b"")


def data(bundle, counter, image=None, index=0, bitstream=b"", is_last=True, age_s=0.0, **how):
    chunk = Chunk(counter if image is None else image, index, is_last, bitstream, age_s)
    return seal(counter, chunk.pack(counter), bundle=bundle, **how)


def image_packets(bundle, symbols, first_bytes=3, later_bytes=3, image=0):
    pieces = split(latent_coder.encode(symbols, TABLES), first_bytes, later_bytes)
    return [
        data(bundle, image + 1 + i, image, i, piece, i == len(pieces) - 1, age_s=2.0) for i, piece in enumerate(pieces)
    ]


def speak(host, now_s):
    """The host's next packet; None when there is none."""
    return host.next_packet(now_s)


def refused(host, packet, reason, sentence, now_s=0.0):
    [answer] = host.receive(packet, now_s)
    assert isinstance(answer, Rejected)
    assert answer.reason == reason
    assert sentence in answer.sentence
    return answer


def decoding_host(bundle, **arguments):
    return host_end(bundle, decode=latent_coder.decode, **arguments)


def accepted(host, packet, now_s=0.0):
    [update] = host.receive(packet, now_s)
    assert isinstance(update, Update)
    return update


# Images


def test_an_image_of_one_packet_arrives_whole(bundle):
    symbols = random_symbols(TABLES, seed=1)
    bitstream = latent_coder.encode(symbols, TABLES)
    packet = data(bundle, 12, image=5, bitstream=bitstream, age_s=2.0)
    update = accepted(decoding_host(bundle), packet, now_s=100.0)
    assert update.latent.symbols.tolist() == symbols.tolist()
    assert (update.node, update.counter, update.image) == (NODE, 12, 5)
    assert (update.n_chunks, update.is_complete, update.latent.n_known) == (1, True, 40)
    assert update.age_s == pytest.approx(2.0, rel=0.06)
    assert update.captured_s == pytest.approx(98.0, abs=0.12)
    assert (update.bitstream_bytes, update.packet_bytes) == (len(bitstream), len(packet))
    assert update.bundle is bundle
    assert update.chunk.bitstream == bitstream


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_every_chunk_refines_the_answer_until_it_is_complete(bundle, n_bytes, seed):
    symbols = random_symbols(TABLES, seed)
    packets = image_packets(bundle, symbols, max(3, n_bytes), max(3, n_bytes))
    host, n_known = decoding_host(bundle), 0
    for n_received, packet in enumerate(packets, start=1):
        update = accepted(host, packet)
        assert update.n_chunks == n_received
        assert update.is_complete == (n_received == len(packets))
        assert update.latent.symbols[: update.latent.n_known].tolist() == symbols[: update.latent.n_known].tolist()
        assert update.latent.n_known >= n_known
        assert update.packet_bytes == sum(map(len, packets[:n_received]))
        n_known = update.latent.n_known
    assert n_known == 40


def test_a_lost_middle_chunk_keeps_the_answer_and_its_arrival_completes_it(bundle):
    symbols = random_symbols(TABLES, seed=4)
    packets = image_packets(bundle, symbols)
    host = decoding_host(bundle)
    assert accepted(host, packets[0]).n_chunks == 1
    for index, packet in enumerate(packets[2:], start=2):
        answer = refused(host, packet, Reason.GAP, "it is kept until that arrives")
        assert (answer.counter, answer.chunk.index) == (index + 1, index)
    update = accepted(host, packets[1])
    assert (update.n_chunks, update.is_complete) == (len(packets), True)
    assert update.latent.symbols.tolist() == symbols.tolist()


def test_a_batch_gives_one_update_for_each_image(bundle):
    chunks = [Chunk(image, 0, True, bytes([image] * image), 1.0) for image in range(3)]
    packet = seal(9, pack_batch(chunks, 9), PacketType.BATCH, bundle=bundle)
    updates = host_end(bundle).receive(packet, 0.0)
    assert [(update.counter, update.image, update.bitstream_bytes) for update in updates] == [
        (9, 0, 0),
        (9, 1, 1),
        (9, 2, 2),
    ]
    assert sum(update.packet_bytes for update in updates) == len(packet)


def test_an_image_whose_age_is_unknown_has_no_capture_time(bundle):
    update = accepted(host_end(bundle), data(bundle, 1, 0, age_s=None))
    assert (update.age_s, update.captured_s) == (None, None)


def test_a_chunk_sent_again_is_no_news_but_is_to_be_confirmed(bundle):
    host = host_end(bundle)
    accepted(host, data(bundle, 1, 0, bitstream=b"abc"))
    answer = refused(host, data(bundle, 2, 0, bitstream=b"abc"), Reason.REPEATED, "the node did not hear that it came")
    assert answer.counter == 2


def test_a_sealed_packet_without_sense_is_refused_and_counts_as_received(bundle):
    for body in (b"\x00\x00", bytes([0xFF, 0xDF]) + b"\0"):
        answer = refused(host_end(bundle), seal(0, body, bundle=bundle), Reason.MALFORMED, "opens but makes no sense")
        assert answer.counter == 0
    packet = data(bundle, 1, 0, bitstream=b"\xff" * 20)
    sentence = "bitstream cannot have been written with these tables"
    refused(decoding_host(bundle), packet, Reason.MALFORMED, sentence)


# What is not a packet of ours


def test_a_packet_is_accepted_once_and_its_copy_by_a_second_gateway_is_a_duplicate(bundle):
    host, packet = host_end(bundle), data(bundle, 1, 0)
    accepted(host, packet)
    for gateway in (1, 0):
        [answer] = host.receive(packet, 0.0, gateway=gateway)
        assert (answer.reason, answer.counter) == (Reason.DUPLICATE, None)
    assert host.statistics(NODE).n_duplicate == 2


def test_an_old_packet_is_a_replay_also_after_a_restart(bundle):
    host = host_end(bundle)
    packets = [data(bundle, counter) for counter in range(3)]
    for packet in packets:
        accepted(host, packet)
    host = host_end(bundle, state=host.state(NODE))
    for packet in packets:
        assert refused(host, packet, Reason.REPLAY, "received before").counter is None
    accepted(host, data(bundle, 3, flags=Flag(0)))


def test_a_late_packet_is_accepted_once(bundle):
    host = host_end(bundle)
    packets = [data(bundle, counter) for counter in range(70)]
    accepted(host, packets[69])
    accepted(host, packets[6])
    refused(host_end(bundle, state=host.state(NODE)), packets[6], Reason.REPLAY, "received before")
    refused(host, packets[5], Reason.REPLAY, "or is too old to tell")


def test_a_packet_of_another_key_does_not_open(bundle):
    packet = data(bundle, 1, 0, key=bytes(16))
    answer = refused(host_end(bundle), packet, Reason.NOT_OPENED, f"any bundle held for it ({bundle.id.hex()})")
    assert "compare node.key and the bundle's id" in answer.sentence
    assert answer.counter is None


def test_a_packet_of_a_bundle_that_is_held_names_it_and_what_to_do(bundle, other_bundle):
    host = host_end(bundle, other_bundles=(bundle, other_bundle))
    packet = data(other_bundle, 1, 0, bitstream=b"abc")
    answer = refused(host, packet, Reason.OTHER_BUNDLE, f"packet made with bundle {other_bundle.id.hex()}")
    assert (answer.bundle, answer.chunk.bitstream, answer.counter) == (other_bundle, b"abc", 1)
    assert "configure the former here, or flash the latter there" in answer.sentence
    refused(host_end(bundle), packet, Reason.NOT_OPENED, "or a bundle this host lacks")


def test_what_is_no_uplink_packet_of_a_known_node_is_named(bundle):
    host = host_end(bundle)
    refused(host, data(bundle, 1, node=9), Reason.UNKNOWN_NODE, "packet names node 9, this host knows [7]")
    packet = data(bundle, 1)
    refused(host, bytes([packet[0] & 0x3F | 1 << 6]) + packet[1:], Reason.WIRE_VERSION, "version 1, this host speaks 2")
    downlink = Header(NODE, 0, PacketType.REPORT).pack() + bytes(20)
    refused(host, downlink, Reason.PACKET_TYPE, "packet of type 5 (REPORT) is downlink")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_truncated_or_flipped_packet_is_accepted_and_the_good_one_still_is(bundle, choose):
    host, packet = host_end(bundle), data(bundle, 1, 0, bitstream=b"abcdef")
    truncated = packet[: choose.draw(st.integers(0, len(packet) - 1))]
    place = choose.draw(st.integers(0, 8 * len(packet) - 1))
    flipped = bytearray(packet)
    flipped[place // 8] ^= 1 << place % 8
    for damaged in (truncated, bytes(flipped)):
        assert all(isinstance(answer, Rejected) and answer.counter is None for answer in host.receive(damaged, 0.0))
    accepted(host, packet)


# Counters


@pytest.mark.parametrize("n_missed", [0, 33_000, 70_000, 900_000])
def test_a_host_that_was_deaf_for_long_finds_the_counter_again(bundle, n_missed):
    host = host_end(bundle)
    accepted(host, data(bundle, 100_000))
    assert accepted(host, data(bundle, 100_001 + n_missed, flags=Flag(0))).counter == 100_001 + n_missed


@pytest.mark.parametrize("counter", [0, 65_535, 1_000_000, 200_000_000])
def test_a_host_that_knows_nothing_of_a_node_finds_its_counter(bundle, counter):
    assert accepted(host_end(bundle), data(bundle, counter)).counter == counter


# Sessions


def test_a_node_that_starts_anew_goes_on_above(bundle):
    host = host_end(bundle)
    accepted(host, data(bundle, 10))
    accepted(host, data(bundle, 64, salt=OTHER_SALT))
    assert host.state(NODE).salt == OTHER_SALT
    assert [SALT.hex() in host.take_notices()[0], host.take_notices()] == [True, []]
    late = data(bundle, 11)
    refused(host, late, Reason.STALE_SESSION, "this host has seen 64")


def test_packets_before_the_salt_wait_for_it(bundle):
    host = host_end(bundle)
    early = [data(bundle, counter, flags=Flag(0)) for counter in (5, 6)]
    for packet in early:
        refused(host, packet, Reason.UNKNOWN_SESSION, "it is kept until one with the session's salt comes")
    updates = host.receive(data(bundle, 7), 1.0)
    assert [update.counter for update in updates] == [5, 6, 7]
    for packet in early:
        [answer] = host.receive(packet, 2.0)
        assert answer.reason == Reason.DUPLICATE


def test_packets_of_a_new_session_wait_also_where_an_old_one_is_known(bundle):
    host = host_end(bundle, timing=None)
    accepted(host, data(bundle, 5))
    refused(host, data(bundle, 66, salt=OTHER_SALT, flags=Flag(0)), Reason.NOT_OPENED, "does not open")
    assert [update.counter for update in host.receive(data(bundle, 67, salt=OTHER_SALT), 1.0)] == [66, 67]


def listening(host, packet, now_s=0.0):
    """The downlink that follows a packet, all confirmed."""
    for outcome in host.receive(packet, now_s):
        if outcome.counter is not None:
            host.confirm(NODE, outcome.counter)
    downlink = host.next_packet(now_s)
    if downlink is not None:
        host.transmitted(now_s + downlink.airtime_s)
    return downlink


def open_downlink(packet, counter, salt=SALT, host_salt=HOST_SALT):
    header = Header.unpack(packet)
    down = Seal(downlink_key(KEY, salt, host_salt), NODE, salt, Direction.DOWNLINK)
    return down.open(packet, header, counter)


def command_in(packet, counter, salt=SALT, node=NODE):
    """The command that a downlink packet holds."""
    seal_down = Seal(downlink_key(KEY, salt, HOST_SALT), node, salt, Direction.DOWNLINK)
    return unpack_command(seal_down.open(packet, Header.unpack(packet), counter) or b"")


LISTEN = Flag.SALT | Flag.LISTEN


def test_a_node_whose_counters_are_behind_is_told_so_and_then_accepted(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    accepted(host, data(bundle, 1000))
    stale = data(bundle, 3, salt=OTHER_SALT, flags=LISTEN)
    [answer] = host.receive(stale, 0.0)
    assert (answer.reason, answer.counter) == (Reason.STALE_SESSION, None)
    downlink = speak(host, 0.0)
    command = command_in(downlink.packet, 0, OTHER_SALT)
    assert command.counter == 1000
    assert not Header.unpack(downlink.packet).flags & Flag.KNOWN
    host.transmitted(0.1)
    assert host.state(NODE).salt == SALT
    accepted(host, data(bundle, 1002, salt=OTHER_SALT))


def test_a_one_way_node_whose_counters_are_behind_is_believed_once(bundle):
    host = host_end(bundle, timing=None)
    accepted(host, data(bundle, 1000))
    first = data(bundle, 3, salt=OTHER_SALT)
    accepted(host, first)
    assert "this session is believed" in host.take_notices()[-1]
    accepted(host, data(bundle, 4, salt=OTHER_SALT, flags=Flag(0)))
    host = host_end(bundle, timing=None, state=host.state(NODE))
    refused(host, first, Reason.REPLAY, "received before")
    for recording in (data(bundle, 1000), data(bundle, 2000)):
        refused(host, recording, Reason.REPLAY, "of a session of node 7 that is over")


def test_after_thousands_of_forgeries_the_node_is_told_to_draw_a_new_salt(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    listening(host, data(bundle, 0))
    random = Random(1)
    for n in range(RENEW_AFTER_FAILURES):
        forged = Header(NODE, 5, PacketType.DATA).pack() + random.randbytes(12)
        refused(host, forged, Reason.NOT_OPENED, "does not open", now_s=float(n))
    downlink = listening(host, data(bundle, 1, flags=LISTEN), now_s=5000.0)
    assert command_in(downlink.packet, 0) == Renew()


def test_a_flood_of_forgeries_is_not_even_tried(bundle):
    host = host_end(bundle)
    accepted(host, data(bundle, 0))
    random = Random(1)
    reasons = [host.receive(Header(NODE, 5).pack() + random.randbytes(12), 0.0)[0].reason for _ in range(100)]
    assert reasons.count(Reason.NOT_OPENED) == 64
    assert reasons[-1] == Reason.THROTTLED
    accepted(host, data(bundle, 1), now_s=2.0)


# Reports


def test_a_report_answers_at_once_and_names_only_what_is_confirmed(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    for counter in (1, 2):
        accepted(host, data(bundle, counter))
        host.confirm(NODE, counter)
    accepted(host, data(bundle, 4, flags=LISTEN), now_s=1.0)
    assert speak(host, 1.0) is None, "the store does not have it yet"
    assert host.next_due_s(1.0) == 1.0 + SF7.turnaround_s
    host.confirm(NODE, 4, enough=[4])
    downlink = speak(host, 1.0)
    report = Report.unpack(open_downlink(downlink.packet, 0), 4)
    assert (report.highest, report.received, report.enough) == (4, 0b1101, 0b0001)
    assert report.budget_s is None
    host.transmitted(1.1)
    assert host.next_due_s(1.1) is None


def test_an_answer_does_not_wait_for_a_slow_store(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    accepted(host, data(bundle, 4, flags=LISTEN), now_s=1.0)
    downlink = speak(host, 1.0 + SF7.turnaround_s)
    assert Report.unpack(open_downlink(downlink.packet, 0), 4).received == 0


def test_a_host_reports_unasked_when_the_node_has_fallen_silent(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    packet = data(bundle, 1)
    assert listening(host, packet) is None
    due_s = host.next_due_s(0.0)
    assert due_s == pytest.approx(SF7.silence_s(SF7.airtime_s(len(packet))))
    assert speak(host, due_s) is not None


def test_a_host_that_was_restarted_reports_what_it_had_stored(bundle):
    host = host_end(bundle)
    for counter in (1, 3):
        accepted(host, data(bundle, counter))
        host.confirm(NODE, counter)
    host = host_end(bundle, state=host.state(NODE), salt=HOST_SALT)
    downlink = listening(host, data(bundle, 4, flags=LISTEN))
    report = Report.unpack(open_downlink(downlink.packet, 0), 4)
    assert report.received & 0b1111 == 0b1011


def test_in_a_batch_each_image_has_its_own_verdict(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    chunks = [Chunk(image, 0, False, b"abc", 1.0) for image in range(2)]
    packet = seal(2, pack_batch(chunks, 2), PacketType.BATCH, bundle=bundle, flags=LISTEN)
    host.receive(packet, 0.0)
    host.confirm(NODE, 2, enough=[0])
    first = Report.unpack(open_downlink(speak(host, 0.0).packet, 0), 2)
    host.transmitted(0.1)
    host.receive(data(bundle, 3, flags=LISTEN), 1.0)
    host.confirm(NODE, 3, enough=[1])
    second = Report.unpack(open_downlink(speak(host, 1.0).packet, 1), 3)
    assert (first.enough, second.enough) == (0b10, 0b110)


def test_the_host_s_salt_is_sent_until_the_node_knows_it(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    assert len(listening(host, data(bundle, 1, flags=LISTEN)).packet) == 28
    known = LISTEN | Flag.KNOWN
    assert len(listening(host, data(bundle, 2, flags=known)).packet) == 20
    assert len(listening(host, data(bundle, 3, flags=LISTEN)).packet) == 28
    restarted = host_end(bundle, state=host.state(NODE), salt=HOST_SALT)
    assert len(listening(restarted, data(bundle, 4, flags=known)).packet) == 28, "the node knows another salt"


def test_the_answer_goes_through_the_gateway_that_heard_best(bundle):
    host = host_end(bundle)
    packet = data(bundle, 1, flags=LISTEN)
    for gateway, rssi_dbm in enumerate((-120.0, -90.0, -100.0)):
        host.receive(packet, 0.0, Quality(5.0, rssi_dbm), gateway)
    host.confirm(NODE, 1)
    assert speak(host, 0.0).gateway == 1


def test_a_quality_of_nought_is_better_than_one_below(bundle):
    host = host_end(bundle)
    for gateway, snr_db in enumerate((-3.0, 0.0)):
        host.receive(data(bundle, 1, flags=LISTEN), 0.0, Quality(snr_db, None), gateway)
    host.confirm(NODE, 1)
    assert speak(host, 0.0).gateway == 1


def test_a_one_way_node_and_a_host_without_timing_get_no_answer(bundle):
    for host in (host_end(bundle, timing=None), host_end(bundle, one_way=True)):
        assert listening(host, data(bundle, 1, flags=LISTEN)) is None
        assert host.next_due_s(100.0) is None


# Control


def test_hello_and_status_are_told_and_the_time_is_given(bundle):
    host = host_end(bundle, salt=HOST_SALT, unix_offset_s=1_700_000_000.0)
    hello = seal(1, Hello(bundle.id, wants_time=True).pack(), PacketType.HELLO, flags=LISTEN)
    [heard] = host.receive(hello, 5.0)
    assert heard == HelloHeard(NODE, 1, Hello(bundle.id, wants_time=True))
    host.confirm(NODE, 1)
    downlink = speak(host, 5.0)
    body = open_downlink(downlink.packet, 0)
    assert int.from_bytes(body, "big") / 256 == pytest.approx(1_700_000_005.0 + downlink.airtime_s, abs=1 / 256)
    host.transmitted(5.1)
    assert Header.unpack(speak(host, 5.1).packet).packet_type == PacketType.REPORT
    status = Status(3, 10.0, None, 1, 2, 3)
    [heard] = host.receive(seal(2, status.pack(), PacketType.STATUS), 6.0)
    assert isinstance(heard, StatusHeard)
    assert host.statistics(NODE).status.queue_images == 3


def test_a_command_waits_until_the_node_listens(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    host.command(NODE, AskStatus())
    assert host.next_due_s(0.0) is None
    downlink = listening(host, data(bundle, 1, flags=LISTEN))
    assert command_in(downlink.packet, 0) == AskStatus()
    assert Header.unpack(speak(host, 0.5).packet).packet_type == PacketType.REPORT


def two_nodes_host(nodes):
    return Receiver(nodes, SF7, HOST_SALT, decode=ends.no_decode)


def test_slots_are_granted_to_those_who_listen(bundle):
    nodes = {node: NodeEntry(KEY, bundle) for node in (1, 2)}
    host = two_nodes_host(nodes)
    host.grant_slots(nodes, period_s=10.0, now_s=0.0)
    starts = []
    for node in nodes:
        now_s = 3.0 * node
        for outcome in host.receive(data(bundle, 1, node=node, flags=LISTEN), now_s):
            host.confirm(node, outcome.counter)
        downlink = speak(host, now_s)
        slot = command_in(downlink.packet, 0, node=node)
        starts.append((now_s + downlink.airtime_s + slot.start_in_s + 1.0) % 10.0)
        assert (slot.period_s, slot.width_s) == (10.0, 3.75)
        host.transmitted(now_s + downlink.airtime_s)
        speak(host, now_s + downlink.airtime_s)
        host.transmitted(now_s + 1.0)
    assert starts == pytest.approx([1.625, 6.625], abs=0.002)


def test_a_node_is_told_the_time_again_unasked_when_the_hosts_clock_was_set(bundle):
    host = host_end(bundle, salt=HOST_SALT, unix_offset_s=1_700_000_000.0)

    def told_at(counter, now_s):
        """Types of what the host says to a packet that listens."""
        host.receive(seal(counter, Status(0, None, None).pack(), PacketType.STATUS, flags=LISTEN), now_s)
        host.confirm(NODE, counter)
        kinds = []
        while (downlink := speak(host, now_s)) is not None:
            kinds.append(Header.unpack(downlink.packet).packet_type)
            host.transmitted(now_s)
            if kinds[-1] == PacketType.REPORT:
                return kinds

    host.receive(seal(1, Hello(bundle.id, wants_time=True).pack(), PacketType.HELLO, flags=LISTEN), 5.0)
    host.confirm(NODE, 1)
    assert Header.unpack(speak(host, 5.0).packet).packet_type == PacketType.TIME
    host.transmitted(5.0)
    assert Header.unpack(speak(host, 5.0).packet).packet_type == PacketType.REPORT
    host.transmitted(5.0)
    assert told_at(2, 10.0) == [PacketType.REPORT]
    host.unix_offset_s += 1.0
    assert told_at(3, 15.0) == [PacketType.REPORT], "what little is off is put right when the node asks, daily"
    host.unix_offset_s += 9 * 3600
    assert [told_at(counter, 10.0 * counter) for counter in (4, 5, 6)] == [
        [PacketType.TIME, PacketType.REPORT],
        [PacketType.TIME, PacketType.REPORT],
        [PacketType.REPORT],
    ], "twice, since nothing acknowledges it"
