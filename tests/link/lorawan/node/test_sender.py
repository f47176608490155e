"""The node's end over LoRaWAN: delivered is what the network acknowledged, all else is sent again,
ever more rarely.
"""

from itertools import pairwise
from random import Random

import pytest

from device.outbox.outbox import Outbox
from link.lorawan.node.sender import LoRaWanSender
from link.lorawan.wire import (
    MAX_JUMP,
    Greeting,
    pack_enough,
    plain_packet,
    unpack_batch,
    unpack_chunk,
    unpack_packet,
)
from link.medium.governor import AirtimeLimit, Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.announcements import STATUS_EVERY
from link.node.interface import Acknowledged, CommandHeard, Equipment, Identity, Rejected
from link.wire.control import Advance, AskStatus, Renew, Status, pack_command
from link.wire.packet import PacketType
from tests.worlds.state import state_of

NODE = 7
BUNDLE_ID = bytes(range(8))
IDENTITY = Identity(NODE, BUNDLE_ID)
ACKNOWLEDGED = plain_packet(NODE, PacketType.REPORT, b"")


class Counters:
    def __init__(self, n=0):
        self.n = n

    def next(self):
        self.n += 1
        return self.n - 1

    def advance_to(self, counter):
        self.n = max(self.n, counter)


class World:
    """A sender with its outbox, and a network that acknowledges when it is told to."""

    def __init__(self, outbox, governor=None, profile="lora-sf7-eu868", counter=0, fault=None):
        self.outbox = outbox
        self.now_s = 0.0
        self.sender = LoRaWanSender(
            IDENTITY,
            Equipment(
                Counters(counter),
                outbox,
                governor or Governor(),
                LinkTiming(get_profile(profile)),
                Random(0),
            ),
            fault,
        )

    def capture(self, image, *pieces):
        self.outbox.put(image, pieces, captured_s=self.now_s)

    def send(self, is_acknowledged=True, patience_s=1e5):
        """(type, body) of the next packet; None when none comes."""
        end_s = self.now_s + patience_s
        while self.now_s <= end_s:
            due_s = self.sender.next_due_s(self.now_s)
            if due_s is None:
                return None
            self.now_s = max(self.now_s, due_s)
            outgoing = self.sender.next_packet(self.now_s)
            if outgoing is not None:
                break
        else:
            return None
        assert self.sender.next_packet(self.now_s) is None
        self.now_s += outgoing.airtime_s + 2.0
        self.sender.transmitted(self.now_s)
        if is_acknowledged:
            self.heard = self.sender.receive(ACKNOWLEDGED, self.now_s)
        header, packet_type, body = unpack_packet(outgoing.packet)
        assert header.node == NODE
        return packet_type, body

    def hear(self, packet_type, body):
        return self.sender.receive(plain_packet(NODE, packet_type, body), self.now_s)


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox") as opened:
        yield opened


@pytest.fixture
def world(outbox):
    return World(outbox)


def greeting(image):
    return PacketType.HELLO, Greeting(BUNDLE_ID, image).pack()


def test_it_greets_then_sends_base_chunks_oldest_first_then_refinements_newest_first(outbox):
    world = World(outbox, counter=4999)
    world.capture(5000, b"a0", b"a1")
    world.capture(5010, b"b0", b"b1")
    assert world.send() == greeting(4999)
    sent = [world.send() for _ in range(4)]
    assert [packet_type for packet_type, _ in sent] == 4 * [PacketType.DATA]
    chunks = [unpack_chunk(body, 5000) for _, body in sent]
    assert [(one.image, one.index, one.is_last, one.bitstream) for one in chunks] == [
        (5000, 0, False, b"a0"),
        (5010, 0, False, b"b0"),
        (5010, 1, True, b"b1"),
        (5000, 1, True, b"a1"),
    ]
    assert chunks[0].age_s is not None
    assert world.send() is None
    assert world.outbox.n_images == 0
    assert (world.sender.statistics.n_delivered, world.sender.statistics.n_chunks) == (2, 4)


def test_an_acknowledgement_names_what_it_delivered(world):
    world.capture(1, b"a0")
    world.send()
    assert isinstance(world.heard, Acknowledged)
    assert world.heard.chunks == ()
    world.send()
    assert (world.heard.delivered, world.heard.chunks) == ((1,), ((1, 0),))


def test_what_was_not_acknowledged_is_sent_again_ever_more_rarely_and_never_lost(world):
    world.capture(1, b"a0")
    world.send()
    times_s = []
    for _ in range(12):
        assert world.send(is_acknowledged=False)[0] == PacketType.DATA
        times_s.append(world.now_s)
    pauses_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert pauses_s[-1] > 8 * pauses_s[0]
    assert world.outbox.n_images == 1
    assert world.send()[0] == PacketType.DATA
    assert world.outbox.n_images == 0
    assert world.sender.statistics.n_repeated == 12
    assert world.sender.statistics.n_unanswered == 12


def test_a_hello_that_nobody_acknowledged_is_repeated_before_any_image(world):
    world.capture(1, b"a0")
    for _ in range(3):
        assert world.send(is_acknowledged=False) == greeting(0)
    assert world.send() == greeting(0)
    assert world.send()[0] == PacketType.DATA


def test_a_refinement_is_given_up_after_some_tries_a_base_chunk_never(outbox):
    world = World(outbox)
    world.capture(1, b"a0", b"a1", b"a2")
    world.send()
    world.send()
    assert [world.send(is_acknowledged=False)[0] for _ in range(3)] == 3 * [PacketType.DATA]
    assert world.send() is None
    assert world.outbox.n_images == 0
    assert world.sender.statistics.n_refinements_dropped == 1


def test_the_host_stops_an_image(outbox):
    world = World(outbox, counter=8999)
    world.capture(9000, b"a0", b"a1", b"a2")
    world.send()
    world.send()
    heard = world.hear(PacketType.REPORT, pack_enough([9000]))
    assert isinstance(heard, Acknowledged)
    assert heard.stopped == (9000,)
    assert world.send() is None
    assert world.outbox.n_images == 0


def test_commands(world):
    world.send()
    assert isinstance(world.hear(PacketType.COMMAND, pack_command(AskStatus())), CommandHeard)
    packet_type, body = world.send()
    assert (packet_type, Status.unpack(body).queue_images) == (PacketType.STATUS, 0)
    assert isinstance(world.hear(PacketType.COMMAND, pack_command(Renew())), CommandHeard)
    assert world.send() == greeting(0)
    assert isinstance(world.hear(PacketType.COMMAND, pack_command(Advance(5))), Rejected)
    assert isinstance(world.hear(PacketType.TIME, bytes(5)), Rejected)
    assert isinstance(world.sender.receive(b"\x80", 0.0), Rejected)
    assert isinstance(world.sender.receive(b"\xc0" + bytes(15), 0.0), Rejected)
    assert world.sender.receive(plain_packet(8, PacketType.REPORT, b""), 0.0) is None


def test_a_module_that_joined_anew_for_a_packet_makes_it_greet_again(world):
    world.capture(1, b"a0")
    world.capture(2, b"b0")
    world.send()
    world.send(is_acknowledged=False)
    # the carrier says so before the acknowledgement
    world.hear(PacketType.COMMAND, pack_command(Renew()))
    world.sender.receive(ACKNOWLEDGED, world.now_s)
    assert world.send() == greeting(1)
    assert world.send()[0] == PacketType.DATA
    assert world.outbox.n_images == 0


def test_it_says_hello_before_an_id_too_far_to_be_told(world):
    world.capture(1, b"a0")
    world.capture(1 + MAX_JUMP, b"b0")
    world.send()
    assert unpack_chunk(world.send()[1], 1).image == 1
    assert world.send() == greeting(1 + MAX_JUMP)
    assert unpack_chunk(world.send()[1], 1 + MAX_JUMP).bitstream == b"b0"


@pytest.mark.parametrize("seed", range(4))
def test_a_host_that_hears_everything_always_finds_the_ids_however_acknowledgements_are_lost(
    outbox, seed
):
    """The host takes each id for the nearest to the one told last; images jump by up to a whole
    wrap.
    """
    random = Random(seed)
    world = World(outbox, Governor([AirtimeLimit(1e9, 1e8)]) if seed % 2 else None)
    ids = list(jumping_ids(random, 40))
    for image in ids:
        world.capture(image, image.to_bytes(6, "big"))
    reference, heard = 0, set()
    for _ in range(1000):
        sent = world.send(is_acknowledged=random.random() < 0.6, patience_s=1e9)
        if sent is None:
            break
        packet_type, body = sent
        if packet_type == PacketType.HELLO:
            reference = Greeting.unpack(body).image
        elif packet_type != PacketType.STATUS:
            is_batch = packet_type == PacketType.BATCH
            for chunk in (
                unpack_batch(body, reference) if is_batch else [unpack_chunk(body, reference)]
            ):
                assert chunk.image == int.from_bytes(chunk.bitstream, "big")
                reference = chunk.image
                heard.add(chunk.image)
    assert heard == set(ids)
    assert outbox.n_images == 0


def jumping_ids(random, n):
    image = 0
    for _ in range(n):
        image += random.choice([1, 2, 64, 1500, 4000, 9000])
        yield image


def test_where_airtime_is_short_base_chunks_share_a_packet(outbox):
    world = World(outbox, Governor([AirtimeLimit(3600.0, 36.0)]))
    for image in range(30):
        world.capture(image, bytes([image]) * 20)
    world.send()
    packet_type, body = world.send()
    assert packet_type == PacketType.BATCH
    assert len(body) <= 222
    assert [chunk.image for chunk in unpack_batch(body, 0)] == list(range(9))
    assert world.outbox.n_images == 21


def test_the_duty_cycle_is_kept(outbox):
    limit = AirtimeLimit(3600.0, 4.0)
    world = World(outbox, Governor([limit]), profile="lora-sf12-eu868")
    for image in range(4):
        world.capture(image, bytes(48))
    world.send()
    starts_s = []
    while world.send():
        starts_s.append(world.now_s)
    assert len(starts_s) >= 4
    assert all(later - earlier >= 3600 for earlier, later in pairwise(starts_s))


def test_a_governor_that_forbids_everything_is_heard(outbox):
    world = World(outbox, Governor(silent_because="region is not set: set it"))
    assert world.sender.next_due_s(0.0) is None
    assert world.sender.next_packet(0.0) is None
    assert world.sender.silent_because == "region is not set: set it"


def test_a_chunk_cut_for_a_faster_data_rate_is_dropped_and_counted(outbox):
    world = World(outbox, profile="lora-sf12-eu868")
    assert world.sender.chunk_bytes() == (48, 48)
    assert world.sender.chunk_bytes(20, 60) == (20, 48)
    world.capture(1, bytes(49), b"more")
    world.capture(2, bytes(48))
    world.send()
    assert len(world.send()[1]) == 51
    assert world.send() is None
    assert world.sender.statistics.n_too_long == 1


def test_status_comes_now_and_then(outbox):
    world = World(outbox)
    for image in range(2 * STATUS_EVERY):
        world.capture(image, b"x")
    kinds = [sent[0] for sent in iter(world.send, None)]
    assert kinds.count(PacketType.STATUS) == 2
    assert kinds.count(PacketType.DATA) == 2 * STATUS_EVERY


def test_a_fault_is_told_until_the_network_has_it(outbox):
    world = World(outbox, fault="node.toml: no port")
    assert world.send() == greeting(0)
    for is_acknowledged in (False, True):
        packet_type, body = world.send(is_acknowledged=is_acknowledged)
        assert (packet_type, Status.unpack(body).fault) == (PacketType.STATUS, "node.toml: no port")
    assert world.send() is None


def test_ids_never_begin_below_what_waits(outbox):
    counters = Counters()
    outbox.put(70, [b"x"], captured_s=0.0)
    LoRaWanSender(
        IDENTITY,
        Equipment(counters, outbox, Governor(), LinkTiming(get_profile("lora-sf7-eu868"))),
    )
    assert counters.next() > 70


def test_questions_change_nothing_however_often_they_are_asked(outbox):
    random = Random(1)
    world = World(outbox, Governor([AirtimeLimit(3600.0, 36.0)]), fault="no camera")
    for image in range(1, 60):
        world.capture(image, *(random.randbytes(random.randrange(1, 40)) for _ in range(2)))
        world.now_s = max(world.now_s, world.sender.next_due_s(world.now_s) or 0.0)
        if random.random() < 0.2 and world.sender.next_packet(world.now_s) is not None:
            world.sender.does_not_fit(world.now_s)
        world.send(is_acknowledged=random.random() < 0.7, patience_s=100.0)
        before = state_of([world.sender, outbox])
        for later_s in (0.0, 1.0, 1e4) * 5:
            world.sender.is_idle(world.now_s + later_s)
            world.sender.wants_image(world.now_s + later_s)
            world.sender.next_due_s(world.now_s + later_s)
        assert state_of([world.sender, outbox]) == before
    assert world.sender.statistics.n_unanswered > 5


# What the module does not take


def offered(world):
    """The next packet, before the module has said what it makes of it."""
    world.now_s = max(world.now_s, world.sender.next_due_s(world.now_s))
    outgoing = world.sender.next_packet(world.now_s)
    _, packet_type, body = unpack_packet(outgoing.packet)
    return packet_type, body


def refuse(world):
    world.sender.does_not_fit(world.now_s)


def test_what_does_not_fit_goes_in_a_shorter_packet_and_costs_no_airtime(outbox):
    """The answers to the network's commands stand in front of the payload until one uplink has
    left.
    """
    governor = Governor([AirtimeLimit(3600.0, 36.0)])
    world = World(outbox, governor, profile="lora-sf10-eu868")
    for image in range(1, 8):
        world.capture(image, bytes(8))
    world.send()
    left_s = governor.budget_s(world.now_s)
    packet_type, body = offered(world)
    assert (packet_type, len(unpack_batch(body, 0))) == (PacketType.BATCH, 4)
    refuse(world)
    assert governor.budget_s(world.now_s) == pytest.approx(left_s)
    packet_type, body = world.send()
    assert (packet_type, len(unpack_batch(body, 0))) == (PacketType.BATCH, 3)
    packet_type, body = world.send()
    assert (packet_type, len(unpack_batch(body, 3))) == (PacketType.BATCH, 4), "there is room again"
    assert outbox.n_images == 0
    assert world.sender.statistics.n_packets == 3


def test_one_chunk_that_does_not_fit_lets_a_status_go_first_and_then_fits(world):
    world.capture(1, bytes(30))
    world.send()
    assert offered(world)[0] == PacketType.DATA
    refuse(world)
    world.capture(2, bytes(40))
    assert world.send()[0] == PacketType.STATUS
    chunks = [unpack_chunk(world.send()[1], 1) for _ in range(2)]
    assert sorted(len(chunk.bitstream) for chunk in chunks) == [30, 40]


def test_a_chunk_that_never_fits_is_offered_ever_more_rarely_and_lets_others_pass(world):
    world.capture(1, bytes(45))
    world.send()
    times_s, passed = [], 0
    for image in range(2, 60):
        world.capture(image, bytes(3))
        while (
            due_s := world.sender.next_due_s(world.now_s)
        ) is not None and due_s <= world.now_s + 100.0:
            packet_type, body = offered(world)
            if len(body) > 40:
                times_s.append(world.now_s)
                refuse(world)
                continue
            world.sender.transmitted(world.now_s)
            world.sender.receive(ACKNOWLEDGED, world.now_s)
            passed += packet_type == PacketType.DATA
        world.now_s += 100.0
    pauses_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert passed == 58
    assert world.outbox.n_images == 1, "it is kept"
    assert len(times_s) <= 14
    assert pauses_s[-1] > 1000


def test_a_fault_that_does_not_fit_is_told_once_something_short_has_left(outbox):
    world = World(outbox, fault="the camera is away and nobody knows when it comes back")
    world.send()
    _, body = offered(world)
    assert Status.unpack(body).fault
    refuse(world)
    assert Status.unpack(world.send()[1]).fault is None
    assert "the camera is away" in str(Status.unpack(world.send()[1]).fault)
    assert world.send() is None


def test_where_not_even_the_shortest_fits_it_is_tried_again_after_pauses_that_grow(world):
    world.capture(1, bytes(3))
    times_s = []
    for _ in range(200):
        offered(world)
        times_s.append(world.now_s)
        refuse(world)
    assert times_s[-1] > 20 * 3600
    world.now_s = max(world.now_s, world.sender.next_due_s(world.now_s))
    assert world.send()[0] == PacketType.HELLO


def test_a_fault_that_comes_and_goes_is_told_both_times(world):
    world.send()
    assert world.send() is None
    world.sender.tell_fault("the camera is away")
    assert Status.unpack(world.send()[1]).fault == "the camera is away"
    assert world.send() is None
    world.sender.tell_fault(None)
    assert Status.unpack(world.send()[1]).fault is None
    assert world.send() is None
