"""What a host makes of packets: updates that refine, refusals in a sentence, sessions that follow
each other.
"""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.coder import latent_coder
from link.host.interface import (
    HelloHeard,
    NodeEntry,
    NodeState,
    Reason,
    Rejected,
    StatusHeard,
    Update,
)
from link.host.receiver import Receiver
from link.host.siege import ENOUGH, PERIOD_S
from link.medium.governor import AirtimeLimit, Governor
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.control import AskStatus, Hello, LongTags, Quality, Report, Status, unpack_command
from link.wire.packet import Chunk, Flag, Header, PacketType, pack_batch, split, tag_bytes
from tests.worlds import ends
from tests.worlds.ends import KEY, NODE, SF7, latent_of, type_of
from tests.worlds.small_bundle import make_bundle, random_symbols, random_tables

TABLES = random_tables(seed=1, n_latents=40)
SALT, OTHER_SALT, HOST_SALT = b"salt", b"SALT", b"hostsalt"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("right") / "bundle", TABLES)


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory):
    return make_bundle(
        tmp_path_factory.mktemp("other") / "bundle", random_tables(seed=2, n_latents=40)
    )


def host_end(bundle, *timing, **arguments):
    """ends.host_end, whose answers a test knows better than their types."""
    return ends.host_end(bundle, *timing, **arguments)


def seal(
    counter,
    body,
    packet_type=PacketType.DATA,
    *,
    bundle=None,
    salt=SALT,
    flags=Flag.SALT,
    key=KEY,
    node=NODE,
):
    header = Header(node, counter & 0xFFFF, packet_type, flags, salt if flags & Flag.SALT else b"")
    sealer = Seal(uplink_key(key, salt), node, salt, Direction.UPLINK)
    return sealer.seal(header, counter, body, bundle.id if bundle else b"")


def data(bundle, counter, image=None, index=0, bitstream=b"", is_last=True, age_s=0.0, **how):
    chunk = Chunk(counter if image is None else image, index, is_last, bitstream, age_s)
    return seal(counter, chunk.pack(counter), bundle=bundle, **how)


def image_packets(bundle, symbols, first_bytes=3, later_bytes=3, image=0):
    pieces = split(latent_coder.encode(symbols, TABLES), first_bytes, later_bytes)
    return [
        data(bundle, image + 1 + i, image, i, piece, i == len(pieces) - 1, age_s=2.0)
        for i, piece in enumerate(pieces)
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


def accepted(host, packet, now_s=0.0):
    [update] = host.receive(packet, now_s)
    assert isinstance(update, Update)
    return update


# Images


def test_an_image_of_one_packet_arrives_whole(bundle):
    symbols = random_symbols(TABLES, seed=1)
    bitstream = latent_coder.encode(symbols, TABLES)
    packet = data(bundle, 12, image=5, bitstream=bitstream, age_s=2.0)
    update = accepted(host_end(bundle), packet, now_s=100.0)
    assert latent_of(update).symbols.tolist() == symbols.tolist()
    assert (update.node, update.counter, update.image) == (NODE, 12, 5)
    assert (update.n_chunks, update.is_complete, latent_of(update).n_known) == (1, True, 40)
    assert update.age_s == pytest.approx(2.0, rel=0.06)
    assert update.captured_s == pytest.approx(98.0, abs=0.12)
    assert (len(update.bitstream), update.packet_bytes) == (len(bitstream), len(packet))
    assert update.bundle is bundle
    assert update.chunk.bitstream == bitstream


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_every_chunk_refines_the_answer_until_it_is_complete(bundle, n_bytes, seed):
    symbols = random_symbols(TABLES, seed)
    packets = image_packets(bundle, symbols, max(3, n_bytes), max(3, n_bytes))
    host, n_known = host_end(bundle), 0
    for n_received, packet in enumerate(packets, start=1):
        update = accepted(host, packet)
        assert update.n_chunks == n_received
        assert update.is_complete == (n_received == len(packets))
        assert (
            latent_of(update).symbols[: latent_of(update).n_known].tolist()
            == symbols[: latent_of(update).n_known].tolist()
        )
        assert latent_of(update).n_known >= n_known
        assert update.packet_bytes == sum(map(len, packets[:n_received]))
        n_known = latent_of(update).n_known
    assert n_known == 40


def test_a_lost_middle_chunk_keeps_the_answer_and_its_arrival_completes_it(bundle):
    symbols = random_symbols(TABLES, seed=4)
    packets = image_packets(bundle, symbols)
    host = host_end(bundle)
    assert accepted(host, packets[0]).n_chunks == 1
    for index, packet in enumerate(packets[2:], start=2):
        answer = refused(host, packet, Reason.GAP, "it is kept until that arrives")
        assert (answer.counter, answer.chunk.index) == (index + 1, index)
    update = accepted(host, packets[1])
    assert (update.n_chunks, update.is_complete) == (len(packets), True)
    assert latent_of(update).symbols.tolist() == symbols.tolist()


def test_a_batch_gives_one_update_for_each_image(bundle):
    chunks = [Chunk(image, 0, True, bytes([image] * image), 1.0) for image in range(3)]
    packet = seal(9, pack_batch(chunks, 9), PacketType.BATCH, bundle=bundle)
    updates = host_end(bundle).receive(packet, 0.0)
    assert [(update.counter, update.image, len(update.bitstream)) for update in updates] == [
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
    answer = refused(
        host,
        data(bundle, 2, 0, bitstream=b"abc"),
        Reason.REPEATED,
        "the node did not hear that it came",
    )
    assert answer.counter == 2


def test_a_sealed_packet_without_sense_is_refused_and_counts_as_received(bundle):
    for body in (b"\x00\x00", bytes([0xFF, 0xDF]) + b"\0"):
        answer = refused(
            host_end(bundle),
            seal(0, body, bundle=bundle),
            Reason.MALFORMED,
            "opens but makes no sense",
        )
        assert answer.counter == 0


def test_a_bitstream_that_is_none_is_refused_by_whoever_decodes_it(bundle):
    host = host_end(bundle)
    update = accepted(host, data(bundle, 1, 0, bitstream=b"\xff" * 20))
    with pytest.raises(ValueError, match="cannot have been written with these tables"):
        latent_of(update)
    answer = host.undecodable(update)
    assert (answer.reason, answer.node, answer.counter) == (Reason.MALFORMED, NODE, 1)
    assert "bitstream cannot have been written with these tables" in answer.sentence
    assert host.statistics(NODE).n_malformed == 1


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
    answer = refused(
        host_end(bundle), packet, Reason.NOT_OPENED, f"any bundle held for it ({bundle.id.hex()})"
    )
    assert "compare node.key and the bundle's id" in answer.sentence
    assert answer.counter is None


def test_a_packet_of_a_bundle_that_is_held_names_it_and_what_to_do(bundle, other_bundle):
    host = host_end(bundle, other_bundles=(bundle, other_bundle))
    packet = data(other_bundle, 1, 0, bitstream=b"abc")
    answer = refused(
        host, packet, Reason.OTHER_BUNDLE, f"packet made with bundle {other_bundle.id.hex()}"
    )
    assert (answer.bundle_id, answer.chunk.bitstream) == (other_bundle.id, b"abc")
    assert answer.counter == 1
    assert "configure the former here, or flash the latter there" in answer.sentence
    refused(host_end(bundle), packet, Reason.NOT_OPENED, "or a bundle this host lacks")


def test_what_is_no_uplink_packet_of_a_known_node_is_named(bundle):
    host = host_end(bundle)
    refused(
        host,
        data(bundle, 1, node=9),
        Reason.UNKNOWN_NODE,
        "packet names node 9, this host knows [7]",
    )
    packet = data(bundle, 1)
    refused(
        host,
        bytes([packet[0] & 0x3F | 1 << 6]) + packet[1:],
        Reason.WIRE_VERSION,
        "version 1, this host speaks 3",
    )
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
        assert all(
            isinstance(answer, Rejected) and answer.counter is None
            for answer in host.receive(damaged, 0.0)
        )
    accepted(host, packet)


# Counters


@pytest.mark.parametrize("n_missed", [0, 30_000])
def test_a_host_that_was_deaf_for_a_while_finds_the_counter_again(bundle, n_missed):
    host = host_end(bundle)
    accepted(host, data(bundle, 100_000))
    assert (
        accepted(host, data(bundle, 100_001 + n_missed, flags=Flag(0))).counter
        == 100_001 + n_missed
    )


@pytest.mark.parametrize("n_missed", [33_000, 70_000, 1 << 40])
def test_a_host_that_was_deaf_for_long_finds_the_counter_again_with_the_salt(bundle, n_missed):
    host = host_end(bundle)
    accepted(host, data(bundle, 100_000))
    refused(
        host, data(bundle, 100_001 + n_missed, flags=Flag(0)), Reason.NOT_OPENED, "does not open"
    )
    assert accepted(host, data(bundle, 100_002 + n_missed)).counter == 100_002 + n_missed


@pytest.mark.parametrize("counter", [0, 65_535, 1_000_000, 200_000_000, (1 << 48) - 1])
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
        refused(
            host,
            packet,
            Reason.UNKNOWN_SESSION,
            "it is kept until one with the session's salt comes",
        )
    updates = host.receive(data(bundle, 7), 1.0)
    assert [update.counter for update in updates] == [5, 6, 7]
    for packet in early:
        [answer] = host.receive(packet, 2.0)
        assert answer.reason == Reason.DUPLICATE


def test_packets_of_a_new_session_wait_also_where_an_old_one_is_known(bundle):
    host = host_end(bundle, timing=None)
    accepted(host, data(bundle, 5))
    refused(
        host, data(bundle, 66, salt=OTHER_SALT, flags=Flag(0)), Reason.NOT_OPENED, "does not open"
    )
    assert [update.counter for update in host.receive(data(bundle, 67, salt=OTHER_SALT), 1.0)] == [
        66,
        67,
    ]


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


def test_where_a_node_cannot_be_told_lower_counters_are_refused_with_what_to_do(bundle):
    for silent in ({"timing": None}, {"has_downlink": False}):
        host = host_end(bundle, **silent)
        accepted(host, data(bundle, 1000))
        for counter in (3, 999, 1000):
            refused(
                host,
                data(bundle, counter, salt=OTHER_SALT),
                Reason.STALE_SESSION,
                "provisioned anew (flash it again)",
            )
        accepted(host, data(bundle, 1001, flags=Flag(0)))
        assert host.state(NODE).salt == SALT


# Strangers


NO_FLAGS = Flag(0)


def garbage(random, flags=NO_FLAGS, packet_type=PacketType.DATA):
    """A packet in the node's name by somebody without its key."""
    return Header(
        NODE, random.randrange(1 << 16), packet_type, flags, random.randbytes(4 * bool(flags & 1))
    ).pack() + (random.randbytes(20))


@pytest.fixture
def n_tags(monkeypatch):
    """Tags tried, by their length."""
    tried: Counter[int] = Counter()
    opened = Seal.open

    def counting(self, packet, header, *arguments):
        tried[tag_bytes(header.packet_type, bool(header.salt))] += 1
        return opened(self, packet, header, *arguments)

    monkeypatch.setattr(Seal, "open", counting)
    return tried


@pytest.mark.parametrize(
    "state", [None, NodeState(SALT, 5 << 20, 1), NodeState(SALT, 5 << 20, 1, bytes(8))]
)
def test_a_forged_packet_is_held_against_one_short_tag_or_as_many_long_ones_as_there_are_bundles(
    bundle, other_bundle, n_tags, state
):
    host = host_end(bundle, other_bundles=(other_bundle,), state=state)
    random = Random(1)
    for kind in (PacketType.DATA, PacketType.STATUS, PacketType.HELLO):
        host.receive(garbage(random, Flag(0), kind), 0.0)
    assert n_tags == ({} if state is None else {4: 2, 8: 1})
    n_tags.clear()
    for _ in range(10):
        host.receive(garbage(random, Flag.SALT | Flag.LISTEN), 0.0)
    assert n_tags == {8: 20}


def test_no_flood_keeps_a_genuine_packet_out(bundle):
    """20 a second in the node's name, salted and not, and one that counts."""
    host, random = host_end(bundle), Random(1)
    accepted(host, data(bundle, 0))
    for second in range(100):
        for part in range(20):
            host.receive(garbage(random, Flag(part % 2)), second + part / 20)
        accepted(host, data(bundle, second + 1, flags=Flag(0)), now_s=float(second + 1))


def test_a_neighbour_with_the_same_number_takes_nothing(bundle):
    host, counter = host_end(bundle), 0
    accepted(host, data(bundle, 0))
    for counter in range(1, 200):
        theirs = data(bundle, counter, key=bytes(16), salt=OTHER_SALT, flags=Flag(counter % 2))
        refused(host, theirs, Reason.NOT_OPENED, "does not open with its key", now_s=float(counter))
        accepted(host, data(bundle, counter, flags=Flag(0)), now_s=float(counter))


def test_packets_that_wait_for_a_salt_are_held_against_one_tag_more_and_then_forgotten(
    bundle, n_tags
):
    host, random = host_end(bundle), Random(1)
    for _ in range(300):
        host.receive(garbage(random), 0.0)
    assert n_tags == {}
    accepted(host, data(bundle, 70_000))
    assert n_tags == {4: 256, 8: 1}
    accepted(host, data(bundle, 140_000, salt=OTHER_SALT))
    assert n_tags == {4: 256, 8: 2}


def test_a_host_that_was_told_the_bundle_still_has_it_after_a_restart(bundle, other_bundle):
    host = host_end(bundle, other_bundles=(other_bundle,))
    [heard] = host.receive(data(other_bundle, 1), 0.0)
    assert heard.reason == Reason.OTHER_BUNDLE
    host = host_end(bundle, other_bundles=(other_bundle,), state=host.state(NODE))
    [heard] = host.receive(data(other_bundle, 2, flags=Flag(0)), 0.0)
    assert heard.reason == Reason.OTHER_BUNDLE


def test_images_of_a_bundle_that_the_host_lacks_are_named_stored_and_acknowledged(
    bundle, other_bundle
):
    host = host_end(bundle, salt=HOST_SALT)
    refused(host, data(other_bundle, 1), Reason.NOT_OPENED, "or a bundle this host lacks")
    [_] = host.receive(seal(2, Hello(other_bundle.id).pack(), PacketType.HELLO), 0.0)
    assert (
        f"sends images made with bundle {other_bundle.id.hex()}, which this host lacks"
        in host.take_notices()[-1]
    )
    lost = data(other_bundle, 4, 3, bitstream=b"abc", flags=Flag.LISTEN)
    answer = refused(host, lost, Reason.OTHER_BUNDLE, "add that bundle to `bundles`")
    assert (answer.counter, answer.bundle_id.hex(), answer.chunk.bitstream) == (
        4,
        other_bundle.id.hex(),
        b"abc",
    )
    for counter in (2, 4):
        host.confirm(NODE, counter)
    report = Report.unpack(open_downlink(speak(host, 0.0).packet, 0), 4)
    assert report.received & 1
    assert host.take_notices() == [], "it is said once"
    assert host.statistics(NODE).n_bad_tag == 1


def besieged(host, now_s=0.0):
    random = Random(1)
    for _ in range(ENOUGH):
        host.receive(garbage(random), now_s)


def test_a_node_in_whose_name_others_speak_is_asked_for_long_tags_and_told_off_an_hour_after(
    bundle, n_tags
):
    host = host_end(bundle, salt=HOST_SALT)
    listening(host, data(bundle, 0))
    besieged(host)
    downlink = listening(host, data(bundle, 1, flags=Flag.LISTEN), 1.0)
    assert command_in(downlink.packet, 0) == LongTags(True)
    listening(host, data(bundle, 2, flags=Flag(0)), 2.0)  # it was on its way
    said = Hello(bundle.id, has_long_tags=True).pack()
    listening(host, seal(3, said, PacketType.HELLO, flags=Flag.SALT), 3.0)
    n_tags.clear()
    refused(host, data(bundle, 4, flags=Flag(0)), Reason.NOT_OPENED, "has a short tag", now_s=4.0)
    assert n_tags == {}
    listening(host, data(bundle, 5), 5.0)
    assert (
        Header.unpack(listening(host, data(bundle, 6, flags=LISTEN), 6.0).packet).packet_type
        == PacketType.REPORT
    )

    later_s = 4.0 + PERIOD_S + 1
    downlink = listening(host, data(bundle, 7, flags=LISTEN), later_s)
    assert command_in(downlink.packet, int(Header.unpack(downlink.packet).counter_low)) == LongTags(
        False
    )
    listening(host, data(bundle, 8, flags=Flag(0)), later_s)
    host.receive(garbage(Random(2)), later_s)
    downlink = listening(host, data(bundle, 9, flags=Flag.LISTEN), later_s + 100)
    assert Header.unpack(downlink.packet).packet_type == PacketType.REPORT, (
        "one failure does not bring it back"
    )


def test_a_node_whose_packets_have_no_room_for_long_tags_keeps_its_short_ones(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    listening(host, data(bundle, 0))
    besieged(host)
    listening(host, data(bundle, 1, flags=Flag.LISTEN), 1.0)
    for counter, is_long in ((2, True), (3, False)):
        said = Hello(bundle.id, has_long_tags=is_long).pack()
        listening(host, seal(counter, said, PacketType.HELLO), float(counter))
    listening(host, data(bundle, 4, flags=Flag(0)), 4.0)
    downlink = listening(host, data(bundle, 5, flags=Flag.LISTEN), 100.0)
    assert Header.unpack(downlink.packet).packet_type == PacketType.REPORT, "it is not asked again"


def test_a_recording_that_asks_is_answered_ever_more_rarely(bundle):
    host = host_end(bundle, salt=HOST_SALT)
    accepted(host, data(bundle, 1000))
    recording, answered_s = data(bundle, 3, salt=OTHER_SALT, flags=LISTEN), []
    for second in range(3600):
        host.receive(recording, float(second))
        if (downlink := speak(host, float(second))) and type_of(
            downlink.packet
        ) == PacketType.COMMAND:
            answered_s.append(second)
        host.transmitted(float(second))
    pauses = [later - one for one, later in pairwise(answered_s)]
    assert answered_s[0] == 0
    assert pauses == [10 * 2**n for n in range(len(pauses))]
    live = data(bundle, 4, salt=b"live", flags=LISTEN)
    host.receive(recording, 7000.0)
    host.receive(live, 7000.0)
    assert command_in(speak(host, 7000.0).packet, len(answered_s) + 1, b"live").counter == 1000


def test_a_live_node_that_is_overtaken_again_and_again_is_answered_each_time(bundle):
    """Two copies of a card: the other one goes ahead, this one obeys and asks from above what it
    was told.
    """
    host = host_end(bundle, salt=HOST_SALT)
    counter = 1000
    for round_ in range(6):
        listening(host, data(bundle, counter + 100, salt=b"ahea", flags=LISTEN), 20.0 * round_)
        host.receive(data(bundle, counter + 1, salt=b"live", flags=LISTEN), 20.0 * round_ + 1)
        packet = speak(host, 20.0 * round_ + 1).packet
        told = command_in(packet, Header.unpack(packet).counter_low, b"live")
        host.transmitted(20.0 * round_ + 1.1)
        assert told.counter == counter + 100
        counter = told.counter


def test_recordings_of_many_sessions_take_a_tenth_of_the_airtime_and_no_report_waits_for_them(
    bundle,
):
    governor = Governor([AirtimeLimit(3600.0, 36.0)])
    host = host_end(bundle, salt=HOST_SALT, governors=[governor])
    accepted(host, data(bundle, 5000))
    salts, spent_s, n_reports, counter = (
        [bytes([0, 0, n >> 8, n % 256]) for n in range(300)],
        0.0,
        0,
        5000,
    )
    for second in range(3600):
        now_s = float(second)
        host.receive(data(bundle, second, salt=salts[second % 300], flags=LISTEN), now_s)
        if second % 60 == 0:
            counter += 1
            accepted(host, data(bundle, counter, flags=Flag.LISTEN), now_s)
            host.confirm(NODE, counter)
        if downlink := speak(host, now_s):
            host.transmitted(now_s)
            is_report = type_of(downlink.packet) == PacketType.REPORT
            n_reports += is_report
            spent_s += 0.0 if is_report else downlink.airtime_s
            assert is_report or second % 60
    assert n_reports == 60
    assert 0 < spent_s <= 3.6


def test_a_copy_that_comes_later_than_by_another_gateway_does_not_move_the_answer(bundle):
    host = host_end(bundle)
    packet = data(bundle, 1, flags=LISTEN)
    host.receive(packet, 0.0, Quality(5.0, -100.0), 0)
    host.receive(packet, 10.0, Quality(5.0, -20.0), 1)
    assert speak(host, 10.0).gateway == 0


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
    assert len(listening(restarted, data(bundle, 4, flags=known)).packet) == 28, (
        "the node knows another salt"
    )


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
    for host in (host_end(bundle, timing=None), host_end(bundle, has_downlink=False)):
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
    assert int.from_bytes(body, "big") / 256 == pytest.approx(
        1_700_000_005.0 + downlink.airtime_s, abs=1 / 256
    )
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
    return Receiver(nodes, SF7, HOST_SALT)


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
        host.receive(
            seal(counter, Status(0, None, None).pack(), PacketType.STATUS, flags=LISTEN), now_s
        )
        host.confirm(NODE, counter)
        kinds = []
        while (downlink := speak(host, now_s)) is not None:
            kinds.append(Header.unpack(downlink.packet).packet_type)
            host.transmitted(now_s)
            if kinds[-1] == PacketType.REPORT:
                return kinds

    host.receive(
        seal(1, Hello(bundle.id, wants_time=True).pack(), PacketType.HELLO, flags=LISTEN), 5.0
    )
    host.confirm(NODE, 1)
    assert Header.unpack(speak(host, 5.0).packet).packet_type == PacketType.TIME
    host.transmitted(5.0)
    assert Header.unpack(speak(host, 5.0).packet).packet_type == PacketType.REPORT
    host.transmitted(5.0)
    assert told_at(2, 10.0) == [PacketType.REPORT]
    host.unix_offset_s += 1.0
    assert told_at(3, 15.0) == [PacketType.REPORT], (
        "what little is off is put right when the node asks, daily"
    )
    host.unix_offset_s += 9 * 3600
    assert [told_at(counter, 10.0 * counter) for counter in (4, 5, 6)] == [
        [PacketType.TIME, PacketType.REPORT],
        [PacketType.TIME, PacketType.REPORT],
        [PacketType.REPORT],
    ], "twice, since nothing acknowledges it"
