"""What a node sends, when and how often, and what it makes of the answers."""

import itertools
from itertools import pairwise

import pytest

from link.medium.governor import AirtimeLimit, Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.announcements import ASK_TIME_S
from link.node.interface import (
    Acknowledged,
    CommandHeard,
    Equipment,
    Identity,
    Rejected,
    SenderOptions,
    TimeHeard,
)
from link.node.sender import Sender
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.control import (
    NO_QUALITY,
    Advance,
    AskStatus,
    Hello,
    LongTags,
    Renew,
    Report,
    Slot,
    Status,
    Time,
    pack_command,
)
from link.wire.erasure import ParityPlan
from link.wire.packet import Chunk, Flag, Header, PacketType, unpack_batch
from tests.worlds.ends import KEY, NODE, SF7, Counting, OutboxNode, type_of
from tests.worlds.small_bundle import make_bundle

SALT, HOST_SALT = b"salt", b"hostsalt"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture
def node(tmp_path, bundle):
    return OutboxNode(tmp_path, bundle, salt=SALT)


class FakeHost:
    """Opens what a node sends and seals what a test wants to say."""

    def __init__(self, bundle, salt=SALT, host_salt=HOST_SALT):
        self.bundle = bundle
        self.salt = salt
        self.host_salt = host_salt
        self.counter = 0

    def open(self, packet, counter):
        header = Header.unpack(packet)
        bundle_id = self.bundle.id if header.packet_type <= PacketType.PARITY else b""
        return Seal(uplink_key(KEY, self.salt), NODE, self.salt, Direction.UPLINK).open(
            packet, header, counter, bundle_id
        )

    def say(self, packet_type, body, flags=Flag.SALT | Flag.KNOWN):
        seal = Seal(
            downlink_key(KEY, self.salt, self.host_salt), NODE, self.salt, Direction.DOWNLINK
        )
        header = Header(
            NODE,
            self.counter & 0xFFFF,
            packet_type,
            flags,
            self.host_salt if flags & Flag.SALT else b"",
        )
        self.counter += 1
        return seal.seal(header, self.counter - 1, body)

    def report(self, highest, received, enough=0, n_chunks=None):
        return self.say(
            PacketType.REPORT, Report(highest, received, enough, NO_QUALITY, n_chunks).pack()
        )


def due(node, now_s):
    """When the sender is next to be asked."""
    return node.sender.next_due_s(now_s)


def send(node, now_s):
    """The next packet, transmitted at once; None when there is none."""
    outgoing = node.sender.next_packet(now_s)
    if outgoing is not None:
        node.sender.transmitted(now_s + outgoing.airtime_s)
    return outgoing


def test_an_idle_node_sends_a_captured_image_at_once_and_asks(node, bundle):
    assert node.sender.next_packet(0.0) is None
    assert node.sender.next_due_s(0.0) is None
    image = node.put(b"abc", now_s=1.0)
    assert node.sender.next_due_s(3.0) == 3.0
    outgoing = send(node, 3.0)
    assert (outgoing.packet_type, outgoing.chunks, outgoing.listens) == (
        PacketType.DATA,
        ((image, 0),),
        True,
    )
    assert outgoing.airtime_s == SF7.airtime_s(len(outgoing.packet))
    header = Header.unpack(outgoing.packet)
    assert (header.node, header.flags, header.salt) == (NODE, Flag.SALT | Flag.LISTEN, SALT)
    chunk = Chunk.unpack(FakeHost(bundle).open(outgoing.packet, counter=1), counter=1)
    assert (chunk.image, chunk.index, chunk.is_last, chunk.bitstream) == (image, 0, True, b"abc")
    assert chunk.age_s == pytest.approx(2.0, rel=0.06)


def test_the_overhead_is_11_bytes_then_10(node, bundle):
    node.put(b"", b"", b"")
    host = FakeHost(bundle)
    send(node, 0.0)
    node.sender.receive(host.report(1, 1), 0.2)
    assert len(send(node, 0.3).packet) == 10
    node.put(b"")
    assert len(send(node, 0.5).packet) == 11


def test_a_chunk_is_deleted_only_when_it_is_acknowledged(node, bundle):
    image = node.put(b"abc")
    send(node, 0.0)
    assert node.outbox.n_images == 1
    heard = node.sender.receive(FakeHost(bundle).report(highest=1, received=1), 0.2)
    assert isinstance(heard, Acknowledged)
    assert (heard.delivered, heard.stopped) == ((image,), ())
    assert node.outbox.n_images == 0
    assert node.sender.statistics.n_delivered == 1


def test_a_radio_listens_until_the_answer_may_have_come_and_no_longer(node):
    node.put(b"abc")
    outgoing = send(node, 0.0)
    node.put(b"def")
    until_s = outgoing.airtime_s + SF7.report_wait_s
    assert node.sender.next_packet(until_s - 0.001) is None
    assert node.sender.next_due_s(0.1) == pytest.approx(until_s)
    assert node.sender.next_packet(until_s) is not None


def test_an_answer_ends_the_listening(node, bundle):
    node.put(b"abc")
    node.put(b"def")
    send(node, 0.0)
    assert send(node, 0.1).listens
    assert node.sender.next_packet(0.19) is None
    node.sender.receive(FakeHost(bundle).report(3, 0b11), 0.2)
    node.put(b"ghi")
    assert node.sender.next_packet(0.2) is not None


def test_only_the_last_packet_of_several_asks(node):
    for _ in range(5):
        node.put(b"abc")
    asked = [send(node, 0.1 * i).listens for i in range(5)]
    assert asked == [False] * 4 + [True]


def test_a_full_batch_asks_though_more_waits(node):
    for _ in range(12):
        node.put(b"abc")
    asked = [send(node, 0.1 * i).listens for i in range(8)]
    assert asked == [False] * 7 + [True]


def test_what_a_report_does_not_name_is_sent_again_oldest_first(node, bundle):
    images = [node.put(b"abc") for _ in range(4)]
    for i in range(4):
        send(node, 0.1 * i)
    [first, *_] = range(4, 8)
    node.sender.receive(FakeHost(bundle).report(highest=first + 2, received=0b010), 0.6)
    again = [send(node, 0.7 + 0.1 * i).chunks for i in range(3)]
    assert again == [((image, 0),) for image in (images[0], images[2], images[3])]


def test_an_unanswered_packet_is_followed_by_what_is_new_and_only_then_repeated(node):
    image = node.put(b"abc")
    send(node, 0.0)
    newer = node.put(b"def")
    assert send(node, 0.5).chunks == ((newer, 0),)
    assert node.sender.next_due_s(1.0) == 1.0, "the answer is overdue"
    assert node.sender.next_packet(1.0) is None
    due_s = node.sender.next_due_s(1.0)
    assert due_s > 1.0
    probe = send(node, due_s)
    assert (probe.chunks, probe.listens) == (((image, 0),), True)
    assert node.sender.statistics.n_probes == 1


def test_a_silent_host_is_probed_ever_more_rarely_and_nothing_is_lost(node):
    for _ in range(3):
        node.put(b"abc")
    starts: list[float] = []
    now_s = 0.0
    while len(starts) < 40:
        due_s = node.sender.next_due_s(now_s)
        now_s = now_s if due_s is None else max(now_s, due_s)
        if send(node, now_s):
            starts.append(now_s)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps[-1] > 5 * gaps[4]
    assert gaps[-1] < 60
    assert node.outbox.n_images == 3


def test_a_salt_is_carried_until_the_host_knows_it_and_again_when_it_seems_to_have_forgotten(
    node, bundle
):
    node.put(b"abc")
    assert Header.unpack(send(node, 0.0).packet).salt == SALT
    node.sender.receive(FakeHost(bundle).report(1, 1), 0.2)
    now_s, salts = 1.0, []
    for _ in range(4):
        node.put(b"abc")
        salts.append(Header.unpack(send(node, now_s).packet).salt)
        now_s += 1.0
    assert salts == [b"", b"", SALT, SALT]


def test_the_host_s_salt_is_acknowledged_by_known(node, bundle):
    node.put(b"abc")
    assert not Header.unpack(send(node, 0.0).packet).flags & Flag.KNOWN
    host = FakeHost(bundle)
    node.sender.receive(host.report(1, 1), 0.2)
    node.put(b"abc")
    assert Header.unpack(send(node, 1.0).packet).flags & Flag.KNOWN
    for _ in range(100):
        forged = Header(NODE, 3, PacketType.REPORT).pack() + bytes(16)
        assert isinstance(node.sender.receive(forged, 1.1), Rejected)
    node.put(b"abc")
    header = Header.unpack(send(node, 5.0).packet)
    assert (header.flags & Flag.KNOWN, header.salt) == (Flag.KNOWN, b""), (
        "what strangers send changes nothing"
    )
    node.put(b"abc")
    header = Header.unpack(send(node, 10.0).packet)
    assert not header.flags & Flag.KNOWN, (
        "two questions were not answered: the host may have begun anew"
    )
    assert header.salt == SALT


def test_a_forged_downlink_packet_is_held_against_64_long_tags_at_most(node, bundle, monkeypatch):
    node.put(b"abc")
    send(node, 0.0)
    for n in range(6):
        host = FakeHost(bundle, host_salt=bytes([n]) * 8)
        assert not isinstance(node.sender.receive(host.report(1, 1), 0.2), Rejected)
    n_tags: list[int] = []
    opened = Seal.open

    def counting(*arguments):
        n_tags.append(1)
        return opened(*arguments)

    monkeypatch.setattr(Seal, "open", counting)
    for flags, most in ((Flag(0), 64), (Flag.SALT, 16)):
        n_tags.clear()
        forged = Header(
            NODE, 3, PacketType.REPORT, flags, bytes(8) if flags else b""
        ).pack() + bytes(16)
        assert isinstance(node.sender.receive(forged, 1.0), Rejected)
        assert len(n_tags) == most


def test_a_node_asked_for_long_tags_says_so_and_tells_its_salt_in_every_packet_until_told_off(
    node, bundle
):
    node.put(b"abc")
    send(node, 0.0)
    host = FakeHost(bundle)
    node.sender.receive(host.report(1, 1), 0.2)
    node.put(b"abc")
    assert Header.unpack(send(node, 1.0).packet).salt == b""
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(LongTags(True))), 1.2)
    hello = send(node, 2.0)
    assert Hello.unpack(host.open(hello.packet, hello.counter)).has_long_tags
    node.sender.receive(host.report(hello.counter, 0xFFFF), 2.2)
    for second in range(3, 6):
        node.put(b"abc")
        outgoing = send(node, float(second))
        assert Header.unpack(outgoing.packet).salt == SALT
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), second + 0.2)
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(LongTags(False))), 6.0)
    node.put(b"abc")
    assert Header.unpack(send(node, 7.0).packet).salt == b""


def test_a_node_whose_packets_have_no_room_for_long_tags_says_that(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(max_packet_bytes=40), salt=SALT)
    host = FakeHost(bundle)
    node.put(b"abc")
    send(node, 0.0)
    node.sender.receive(host.report(1, 1), 0.2)
    first, _ = node.sender.chunk_bytes()
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(LongTags(True))), 0.3)
    said = []
    image = node.put(bytes(first))
    for second in range(1, 4):
        outgoing = send(node, float(second))
        if outgoing.packet_type == PacketType.HELLO:
            said.append(Hello.unpack(host.open(outgoing.packet, outgoing.counter)).has_long_tags)
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), second + 0.2)
    assert said == [True, False]
    assert (outgoing.chunks, Header.unpack(outgoing.packet).salt) == (((image, 0),), b"")


def test_a_node_that_is_not_answered_names_its_bundle(node, bundle):
    node.put(b"abc")
    kinds: list[PacketType] = []
    now_s = 0.0
    while len(kinds) < 13:
        now_s = due(node, now_s)
        if outgoing := send(node, now_s):
            kinds.append(outgoing.packet_type)
    assert [place for place, kind in enumerate(kinds) if kind == PacketType.HELLO] == [3, 11]


def test_a_report_is_heard_once(node, bundle):
    node.put(b"abc")
    send(node, 0.0)
    report = FakeHost(bundle).report(1, 1)
    assert isinstance(node.sender.receive(report, 0.2), Acknowledged)
    assert isinstance(node.sender.receive(report, 0.3), Rejected)


def test_what_is_not_for_this_node_is_none_of_its_business(node):
    assert (
        node.sender.receive(Header(NODE + 1, 0, PacketType.REPORT).pack() + bytes(20), 0.0) is None
    )
    assert node.sender.receive(Header(NODE, 0, PacketType.DATA).pack() + bytes(20), 0.0) is None
    assert isinstance(node.sender.receive(b"?", 0.0), Rejected)
    assert "wire version 1" in node.sender.receive(bytes([1 << 6, NODE, 0, 0]), 0.0).sentence


# Refinements and verdicts


def test_a_refinement_waits_for_the_verdict_on_what_was_sent(node, bundle):
    image = node.put(b"abc", b"de", b"fg")
    host = FakeHost(bundle)
    assert send(node, 0.0).chunks == ((image, 0),)
    node.sender.receive(host.report(1, 1), 0.2)
    assert send(node, 0.3).chunks == ((image, 1),)
    node.sender.receive(host.report(2, 0b11), 0.5)
    assert send(node, 0.6).chunks == ((image, 2),)
    node.sender.receive(host.report(3, 0b111), 0.8)
    assert node.outbox.n_images == 0


def test_enough_drops_the_rest_of_the_image(node, bundle):
    image = node.put(b"abc", b"de", b"fg")
    send(node, 0.0)
    heard = node.sender.receive(FakeHost(bundle).report(1, 1, enough=1), 0.2)
    assert heard.stopped == (image,)
    assert node.outbox.n_images == 0
    assert node.sender.next_packet(0.3) is None
    assert node.sender.statistics.n_stopped == 1


def test_advice_lets_several_chunks_go_unasked(node, bundle):
    node.put(b"abc")
    send(node, 0.0)
    node.sender.receive(FakeHost(bundle).report(1, 1, n_chunks=3), 0.2)
    image = node.put(b"abc", b"de", b"fg", b"hi")
    sent = [send(node, 1.0 + 0.1 * i) for i in range(3)]
    assert [outgoing.chunks for outgoing in sent] == [((image, i),) for i in range(3)]
    assert [outgoing.listens for outgoing in sent] == [False, False, True]


def test_base_chunks_go_oldest_first_and_refinements_newest_first(node, bundle):
    images = [node.put(b"abc", b"de") for _ in range(3)]
    assert [send(node, 0.1 * i).chunks for i in range(3)] == [((image, 0),) for image in images]
    node.sender.receive(FakeHost(bundle).report(5, 0b111), 0.5)
    assert [send(node, 0.6 + 0.1 * i).chunks for i in range(3)] == [
        ((image, 1),) for image in images[::-1]
    ]


def test_a_refinement_lost_too_often_is_given_up_and_its_base_chunk_never(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, salt=SALT)
    host = FakeHost(bundle)
    image = node.put(b"abc", b"de")
    for counter in range(1, 6):
        assert send(node, float(counter)).chunks == ((image, 0),)
        node.sender.receive(host.report(counter, int(counter == 5)), counter + 0.3)
    for counter in (6, 7, 8):
        assert send(node, float(counter)).chunks == ((image, 1),)
        node.sender.receive(host.report(counter, 0), counter + 0.3)
    assert node.outbox.n_images == 0
    assert node.sender.statistics.n_refinements_dropped == 1


def test_a_silent_host_and_nothing_left_to_say_is_no_reason_to_be_busy(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, salt=SALT)
    image, now_s = node.put(b"abc"), 0.0
    for _ in range(10):
        now_s = due(node, due(node, now_s))
        send(node, now_s)
    node.outbox.delivered([(image, 0)])
    for _ in range(4):
        now_s = due(node, now_s) or now_s
        assert send(node, now_s) is None
    assert due(node, now_s + 1000.0) is None


# The budget


def limited(used_s=0.0, window_s=3600.0, airtime_s=36.0):
    governor = Governor([AirtimeLimit(window_s, airtime_s)])
    if used_s:
        governor.occupy(used_s, -100.0)
    return governor


def test_several_base_chunks_share_a_packet_when_airtime_is_short(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, governor=limited(), salt=SALT)
    images = [node.put(bytes([i]) * 4) for i in range(3)]
    outgoing = send(node, 0.0)
    assert outgoing.packet_type == PacketType.BATCH
    assert outgoing.chunks == tuple((image, 0) for image in images)
    chunks = unpack_batch(FakeHost(bundle).open(outgoing.packet, counter=3), counter=3)
    assert [chunk.bitstream for chunk in chunks] == [bytes([i]) * 4 for i in range(3)]


def test_a_batch_is_not_longer_than_a_packet(tmp_path, bundle):
    node = OutboxNode(
        tmp_path, bundle, SenderOptions(max_packet_bytes=60), governor=limited(), salt=SALT
    )
    for _ in range(9):
        node.put(bytes(10))
    sizes = [len(send(node, float(i)).packet) for i in range(3)]
    assert all(40 < size <= 60 for size in sizes)


def test_nothing_is_sent_before_the_governor_allows_it(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, governor=limited(used_s=36.0), salt=SALT)
    node.put(b"abc")
    assert node.sender.next_packet(0.0) is None
    due_s = due(node, 0.0)
    assert due_s > 3000
    assert node.sender.next_packet(due_s) is not None


def test_a_node_that_may_never_speak_says_why(tmp_path, bundle):
    node = OutboxNode(
        tmp_path, bundle, governor=Governor(silent_because="no region is set"), salt=SALT
    )
    node.put(b"abc")
    assert node.sender.next_packet(0.0) is None
    assert node.sender.next_due_s(0.0) is None
    assert node.sender.silent_because == "no region is set"


def test_a_half_spent_budget_sends_base_chunks_only(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, governor=limited(used_s=18.1), salt=SALT)
    host = FakeHost(bundle)
    for i in range(4):
        node.put(b"abc", b"de", now_s=i * 6.0)
        outgoing = send(node, i * 6.0)
        assert [index for _, index in outgoing.chunks] == [0]
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), i * 6.0 + 0.3)
    assert send(node, 23.9) is None
    assert send(node, 78.0).chunks[0][1] == 1, "a quiet minute affords one"


def test_packets_are_spread_before_the_budget_is_spent(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, governor=limited(used_s=27.1), salt=SALT)
    node.put(b"abc")
    first = send(node, 0.0)
    for _ in range(3):
        node.put(b"abc")
    due_s = due(node, 0.5)
    assert due_s == pytest.approx(100 * first.airtime_s, rel=0.05)
    assert len(send(node, due_s).chunks) == 3, "what gathers meanwhile shares a packet"


# Sizes


def test_pieces_fit_their_packets_however_long_they_wait(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(max_packet_bytes=51), salt=SALT)
    first, later = node.sender.chunk_bytes()
    assert (first, later) == (35, 41)
    assert node.sender.chunk_bytes(4, 100) == (4, 41)
    node.put(bytes(first), bytes(later))
    node.counters.advance_to(5000)
    now_s, types = 0.0, []
    host = FakeHost(bundle)
    for _ in range(2):
        outgoing = send(node, now_s)
        types.append(outgoing.packet_type)
        assert len(outgoing.packet) <= 51
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), now_s + 0.3)
        now_s += 1.0
    assert types == [PacketType.HELLO, PacketType.DATA], "the salt did not fit"
    assert send(node, now_s) is None
    assert node.outbox.n_images == 0, "a refinement so old fits no more"
    assert node.sender.statistics.n_too_long == 0


def test_a_base_chunk_that_fits_no_packet_does_not_block_the_others(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(max_packet_bytes=51), salt=SALT)
    node.put(bytes(60), bytes(10))
    good = node.put(b"abc")
    host, now_s = FakeHost(bundle), 0.0
    sent = []
    while now_s < 10:
        if outgoing := send(node, now_s):
            sent += outgoing.chunks
            node.sender.receive(host.report(node.counters.next_counter - 1, 0xFFFF), now_s + 0.3)
        now_s += 0.5
    assert sent == [(good, 0)]
    assert node.sender.statistics.n_too_long == 1
    assert node.outbox.n_images == 0


def test_packets_too_short_for_a_hello_are_refused(tmp_path, bundle):
    with pytest.raises(
        ValueError, match="packets of 20 bytes cannot be made: 29 to 255 are possible"
    ):
        OutboxNode(tmp_path, bundle, SenderOptions(max_packet_bytes=20))


# Commands and the time


def test_a_node_that_wants_the_time_says_hello_and_stops_when_it_has_it(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(wants_time=True), salt=SALT)
    outgoing = send(node, 0.0)
    assert (outgoing.packet_type, outgoing.listens) == (PacketType.HELLO, True)
    host = FakeHost(bundle)
    assert Hello.unpack(host.open(outgoing.packet, 0)) == Hello(bundle.id, wants_time=True)
    again_s = node.sender.next_due_s(1.0)
    assert send(node, again_s).packet_type == PacketType.HELLO
    heard = node.sender.receive(host.say(PacketType.TIME, Time(1_700_000_000.5).pack()), 100.0)
    assert heard == TimeHeard(1_700_000_000.5)
    assert node.sender.unix_offset_s == 1_700_000_000.5 - 100.0
    assert node.sender.next_packet(100.0 + ASK_TIME_S[0] - 0.1) is None


def test_the_time_is_asked_for_again_soon_in_case_the_host_had_none_and_later_daily(
    tmp_path, bundle
):
    node = OutboxNode(tmp_path, bundle, SenderOptions(wants_time=True), salt=SALT)
    host, asked_s, now_s = FakeHost(bundle), [], 0.0
    for n in range(7):
        outgoing = send(node, now_s)
        assert outgoing.packet_type == PacketType.HELLO
        asked_s.append(now_s)
        # the host's clock is set right between the third and the fourth
        set_by_s = 3600.0 if n < 3 else 0.0
        node.sender.receive(
            host.say(PacketType.TIME, Time(1_700_000_000.0 + now_s - set_by_s).pack()), now_s
        )
        node.sender.receive(host.report(n, 1), now_s)
        now_s = due(node, now_s)
    pauses_s = [later - earlier for earlier, later in pairwise(asked_s)]
    assert pauses_s == pytest.approx([*ASK_TIME_S[:3], *ASK_TIME_S[:3]], abs=0.1)
    assert node.sender.unix_offset_s == pytest.approx(1_700_000_000.0)


def test_a_host_that_was_started_anew_is_asked_again(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(wants_time=True), salt=SALT)
    host = FakeHost(bundle)
    for n, now_s in enumerate([0.0, *itertools.accumulate(ASK_TIME_S[:3])]):
        assert send(node, now_s).packet_type == PacketType.HELLO
        node.sender.receive(host.say(PacketType.TIME, Time(1_700_000_000.0 + now_s).pack()), now_s)
        node.sender.receive(host.report(n, 1), now_s)
    assert due(node, now_s) == now_s + ASK_TIME_S[3]
    node.sender.receive(FakeHost(bundle, host_salt=b"new host").report(n, 1), now_s + 1.0)
    assert due(node, now_s + 1.0) == now_s + 1.0 + ASK_TIME_S[0]


def test_a_host_that_answers_and_tells_no_time_is_asked_ever_more_rarely(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(wants_time=True), salt=SALT)
    host, n_asked, now_s = FakeHost(bundle), 0, 0.0
    while now_s < 24 * 3600:
        send(node, now_s)
        node.sender.receive(host.report(n_asked, 1), now_s)
        n_asked, now_s = n_asked + 1, due(node, now_s)
    assert n_asked < 40


# What a modem does not take


def test_what_does_not_fit_is_sent_in_less_and_costs_no_airtime(tmp_path, bundle):
    governor = Governor([AirtimeLimit(3600.0, 36.0)])
    node = OutboxNode(tmp_path, bundle, SenderOptions(status_every=0), governor=governor, salt=SALT)
    images = [node.put(bytes(9)) for _ in range(4)]
    assert (refused := node.sender.next_packet(0.0)) is not None
    assert [image for image, _ in refused.chunks] == images
    node.sender.does_not_fit(0.0)
    assert governor.budget_s(0.0) == 36.0
    fewer = send(node, 0.0)
    assert [image for image, _ in fewer.chunks] == images[:3]
    assert node.sender.statistics.n_packets == 1
    assert governor.budget_s(1.0) == pytest.approx(36.0 - fewer.airtime_s)


def test_a_chunk_that_does_not_fit_even_alone_waits_and_lets_others_pass(node):
    long, short = node.put(bytes(90)), node.put(bytes(3))
    assert node.sender.next_packet(0.0).chunks == ((long, 0),)
    node.sender.does_not_fit(0.0)
    first = send(node, 0.0)
    assert first.chunks == ((short, 0),)
    then_s = node.sender.next_due_s(3.0)
    again = send(node, then_s)
    assert again.chunks == ((long, 0),)
    assert node.outbox.n_images == 2, "nothing is dropped"


def test_the_age_of_an_image_from_before_a_reboot_is_known_once_the_time_is(node, bundle):
    node.outbox.put(node.counters.next(), [b"abc"], None, 1_700_000_000.0)
    host = FakeHost(bundle)
    outgoing = send(node, 0.0)
    assert Chunk.unpack(host.open(outgoing.packet, 1), 1).age_s is None
    node.sender.receive(host.say(PacketType.TIME, Time(1_700_000_060.0).pack()), 0.1)
    node.sender.receive(host.report(1, 0), 0.2)
    outgoing = send(node, 0.5)
    assert Chunk.unpack(host.open(outgoing.packet, 2), 2).age_s == pytest.approx(60.0, rel=0.06)


def test_advance_moves_the_counters_on_and_renumbers_all_of_which_nothing_was_delivered(
    tmp_path, bundle
):
    node = OutboxNode(tmp_path, bundle, counters=Counting(50), salt=SALT)
    node.outbox.put(7, [b"inherited"], None)
    node.start(SALT)
    image = node.put(b"abc")
    outgoing = send(node, 0.0)
    assert outgoing.chunks == ((7, 0),)
    host = FakeHost(bundle)
    assert node.sender.receive(
        host.say(PacketType.COMMAND, pack_command(Advance(1000)), Flag.SALT), 0.2
    ) == (CommandHeard(Advance(1000)))
    waiting = [chunk.image for chunk in node.outbox.base_chunks(5)]
    assert len(waiting) == 2
    assert min(waiting) > 1000 > image
    assert send(node, 1.0).chunks == ((waiting[0], 0),)
    assert Header.unpack(send(node, 1.2).packet).salt == SALT


def test_images_that_others_have_numbered_keep_their_ids_behind_an_advance(tmp_path, bundle):
    options = SenderOptions(keeps_ids=True)
    node, host = OutboxNode(tmp_path, bundle, options, salt=SALT), FakeHost(bundle)
    image = node.put(b"abc")
    send(node, 0.0)
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(Advance(1000)), Flag.SALT), 0.2)
    outgoing = send(node, 1.0)
    assert outgoing.chunks == ((image, 0),)
    assert outgoing.counter > 1000


def test_behind_an_advance_a_refinement_has_all_its_tries_again(node, bundle):
    image, host = node.put(b"abc", b"de"), FakeHost(bundle)
    send(node, 1.0)
    node.sender.receive(host.report(1, 1), 1.3)
    for counter in (2, 3):
        assert send(node, float(counter)).chunks == ((image, 1),)
        node.sender.receive(host.report(counter, 0), counter + 0.3)
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(Advance(1000))), 4.0)
    assert send(node, 5.0).chunks == ((image, 1),)
    node.sender.receive(host.report(1001, 0), 5.3)
    assert node.outbox.n_images == 1


def test_renew_draws_a_new_salt_and_sends_everything_again(node, bundle):
    image = node.put(b"abc")
    send(node, 0.0)
    node.sender.receive(FakeHost(bundle).say(PacketType.COMMAND, pack_command(Renew())), 0.2)
    outgoing = send(node, 1.0)
    assert outgoing.chunks == ((image, 0),)
    assert Header.unpack(outgoing.packet).salt not in (b"", SALT)


def test_a_granted_slot_is_kept(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, SenderOptions(wants_slot=True), salt=SALT)
    assert send(node, 0.0) is None
    first_s = due(node, 0.0)
    assert first_s > 0, "random back-off"
    assert send(node, first_s).packet_type == PacketType.HELLO
    slot = pack_command(Slot(5.0, 20.0, 1.0))
    node.sender.receive(FakeHost(bundle).say(PacketType.COMMAND, slot), 10.0)
    node.put(b"abc")
    assert send(node, 11.0) is None
    due_s = node.sender.next_due_s(11.0)
    assert due_s == pytest.approx(15.0)
    node.put(b"abc")
    assert node.sender.next_packet(14.9) is None
    assert node.sender.next_packet(15.0) is not None


def test_status_comes_when_asked_for_and_now_and_then(tmp_path, bundle):
    node = OutboxNode(
        tmp_path, bundle, SenderOptions(status_every=3), salt=SALT, governor=limited()
    )
    host = FakeHost(bundle)
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(AskStatus())), 0.0)
    node.put(b"abc", now_s=-20.0)
    outgoing = send(node, 0.0)
    status = Status.unpack(host.open(outgoing.packet, 1))
    assert (status.queue_images, status.n_heard) == (1, 1)
    assert status.oldest_age_s == pytest.approx(20.0, rel=0.06)
    assert status.budget_s == pytest.approx(36.0, rel=0.06)
    types = []
    for i in range(5):
        node.put(b"abc")
        types.append(send(node, 10.0 + i).packet_type)
    assert types[3] == PacketType.STATUS


def faulty(tmp_path, bundle, **options):
    return OutboxNode(
        tmp_path, bundle, SenderOptions(fault="node.toml: no port", **options), salt=SALT
    )


def test_a_fault_is_told_at_once_and_again_until_the_host_has_it(tmp_path, bundle):
    node, host = faulty(tmp_path, bundle), FakeHost(bundle)
    outgoing = send(node, 0.0)
    assert (outgoing.packet_type, outgoing.listens) == (PacketType.STATUS, True)
    assert Status.unpack(host.open(outgoing.packet, outgoing.counter)).fault == "node.toml: no port"
    again_s = node.sender.next_due_s(1.0)
    again_s = node.sender.next_due_s(again_s) if again_s < 1.5 else again_s
    again = send(node, again_s)
    assert again.packet_type == PacketType.STATUS
    node.sender.receive(host.report(again.counter, 0b10), again_s + 0.2)
    assert send(node, 1e4).packet_type == PacketType.STATUS, "the report spoke of another packet"
    node.sender.receive(host.report(again.counter + 1, 0b1), 1e4 + 0.2)
    assert send(node, 2e4) is None
    node.sender.receive(host.say(PacketType.COMMAND, pack_command(AskStatus())), 2e4)
    asked = send(node, 2e4 + 1)
    assert Status.unpack(host.open(asked.packet, asked.counter)).fault == "node.toml: no port"


def test_a_fault_is_told_again_and_again_where_nobody_answers(tmp_path, bundle):
    node = faulty(tmp_path, bundle, has_downlink=False)
    now_s, told_s = 0.0, list[float]()
    while len(told_s) < 12:
        assert send(node, now_s).packet_type == PacketType.STATUS
        told_s.append(now_s)
        now_s = node.sender.next_due_s(now_s + 0.001)
    gaps = [later - earlier for earlier, later in pairwise(told_s)]
    assert all(later > 0.9 * earlier for earlier, later in pairwise(gaps)), gaps
    assert gaps[-1] > 5 * gaps[0]


# Nobody answers


def unanswered(tmp_path, bundle, **options):
    return OutboxNode(tmp_path, bundle, SenderOptions(has_downlink=False, **options), salt=SALT)


def test_a_node_that_nobody_answers_forgets_a_chunk_when_it_is_sent(tmp_path, bundle):
    node = unanswered(tmp_path, bundle)
    image = node.put(b"abc", b"de")
    outgoing = node.sender.next_packet(0.0)
    assert not outgoing.listens
    assert node.outbox.n_images == 1, "a power cut now would lose the rest of the frame"
    node.sender.transmitted(0.1)
    assert node.outbox.base_chunks(1) == []
    assert send(node, 0.1).chunks == ((image, 1),)
    assert node.outbox.n_images == 0
    assert node.sender.next_due_s(1.0) is None


def test_its_salt_comes_often_at_first_and_then_every_32nd_packet(tmp_path, bundle):
    node = unanswered(tmp_path, bundle, status_every=0)
    with_salt = []
    for n in range(100):
        node.put(b"abc")
        if Header.unpack(send(node, float(n)).packet).salt:
            with_salt.append(n)
    assert with_salt == [0, 1, 2, 4, 8, 16, 32, 64, 96]


def test_a_line_without_a_duty_cycle_wants_one_image_ahead_and_first_what_an_image_still_lacks(
    tmp_path, bundle
):
    node = unanswered(tmp_path, bundle)
    assert node.sender.wants_image(0.0)
    node.put(b"base", b"rest")
    assert node.sender.wants_image(0.0)
    node.put(b"base")
    assert not node.sender.wants_image(0.0)
    for now_s in (0.0, 1.0):
        assert node.sender.next_packet(now_s).chunks[0][1] == 0
        node.sender.transmitted(now_s)
    assert not node.sender.wants_image(2.0)
    assert node.sender.next_packet(2.0).chunks[0][1] == 1
    node.sender.transmitted(2.0)
    assert node.sender.wants_image(3.0)


def test_parity_follows_full_groups_and_a_long_pause(tmp_path, bundle):
    node = unanswered(tmp_path, bundle, parity=ParityPlan(n_data=3, n_parity=1, depth=1))
    types, now_s = [], 0.0
    for _ in range(4):
        node.put(b"abc")
        while outgoing := send(node, now_s):
            types.append(outgoing.packet_type.name)
            now_s += 0.1
    assert types == ["DATA", "DATA", "DATA", "PARITY", "DATA"]
    due_s = node.sender.next_due_s(now_s)
    assert due_s > now_s
    assert send(node, due_s).packet_type == PacketType.PARITY
    assert node.sender.next_due_s(due_s + 1) is None


def test_flush_sends_the_parity_of_a_group_that_is_not_full(tmp_path, bundle):
    node = unanswered(tmp_path, bundle, parity=ParityPlan(n_data=8, n_parity=2, depth=1))
    node.put(b"abc")
    send(node, 0.0)
    node.sender.expect_no_image()
    assert [send(node, 1.0 + i).packet_type for i in range(2)] == [PacketType.PARITY] * 2
    assert send(node, 5.0) is None


# A cable


def test_a_cable_does_not_wait_for_answers_but_never_outruns_a_report(tmp_path, bundle):
    timing = LinkTiming(get_profile("serial-9600"), turnaround_s=0.5)
    node = OutboxNode(tmp_path, bundle, timing=timing, salt=SALT)
    images = [node.counters.next() for _ in range(40)]
    for image in images:
        node.outbox.put(image, [b"abc"], 0.0)
    now_s, n_sent = 0.0, 0
    while (outgoing := send(node, now_s)) is not None:
        assert type_of(outgoing.packet) == PacketType.DATA
        now_s += outgoing.airtime_s
        n_sent += 1
    assert 8 < n_sent <= 16


def test_a_sender_never_uses_a_counter_below_an_image_that_waits(tmp_path, bundle):
    node = OutboxNode(tmp_path, bundle, salt=SALT)
    node.outbox.put(900, [b"abc"], 0.0)
    node.counters.next_counter = 0
    Sender(Identity(NODE, bundle.id, KEY), Equipment(node.counters, node.outbox, Governor(), SF7))
    assert node.counters.next_counter == 901
