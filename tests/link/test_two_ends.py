"""Both ends and a fake wire between: what is lost comes again, what is enough stops, whoever
restarts goes on.
"""

from functools import partial
from random import Random

import pytest

from link.emulator.channel import GilbertElliott
from link.host.interface import Reason, Rejected, StatusHeard, Update
from link.medium.governor import AirtimeLimit, Governor
from link.node.interface import Outgoing, SenderOptions
from link.wire.control import Renew
from link.wire.erasure import ParityPlan
from link.wire.packet import Flag, Header, PacketType
from tests.studies.simulation.study import goodput
from tests.worlds.ends import NODE, SF7, Counting, OutboxNode, World, host_end, type_of
from tests.worlds.small_bundle import make_bundle

EDGE = GilbertElliott.with_burst(loss=0.20, mean_burst=4)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture
def world(tmp_path, bundle):
    return World(OutboxNode(tmp_path, bundle), host_end(bundle))


def images_of(world):
    return sorted({update.image for update in world.updates})


def drop(*places):
    """A channel that loses the packets at these places."""
    n_passed = iter(range(1 << 30))
    return lambda header: next(n_passed) not in places


def edge(seed=1):
    losses = EDGE.losses(Random(seed))
    return lambda header: not next(losses)


def test_the_first_label_comes_one_frame_s_airtime_after_the_capture(world):
    world.node.put(b"abcdefgh", now_s=0.0)
    world.run(5.0)
    assert world.updates[0].captured_s == pytest.approx(0.0, abs=0.08)
    began_s, outgoing, _ = world.sent[0]
    assert began_s == 0.0
    assert outgoing.airtime_s == SF7.airtime_s(len(outgoing.packet))
    assert len(world.uplink) == len(world.downlink) == 1
    assert world.node.outbox.n_images == 0


def test_a_lost_packet_is_sent_again_when_the_report_shows_it(world):
    images = [world.node.put(b"abc") for _ in range(4)]
    world.passes = drop(1)
    world.run(10.0)
    assert images_of(world) == images
    assert len(world.uplink) == 5
    assert world.node.outbox.n_images == 0


def test_a_lost_report_costs_one_probe(world):
    images = [world.node.put(b"abc") for _ in range(3)]
    world.passes = drop(3)
    world.run(10.0)
    assert images_of(world) == images
    assert [outgoing.chunks for outgoing in world.uplink[3:]] == [((images[0], 0),)]
    assert (
        len(
            [
                outcome
                for outcome in world.outcomes
                if getattr(outcome, "reason", "") == Reason.REPEATED
            ]
        )
        == 1
    )
    assert world.node.outbox.n_images == 0


def test_when_the_last_packet_is_lost_the_host_reports_unasked(world):
    images = [world.node.put(b"abc") for _ in range(3)]
    world.passes = drop(2)
    world.run(10.0)
    assert world.node.sender.statistics.n_probes == 0
    assert [outgoing.chunks for outgoing in world.uplink[3:]] == [((images[2], 0),)]
    assert images_of(world) == images


@pytest.mark.parametrize("seed", range(5))
def test_every_base_chunk_arrives_over_a_bad_channel(tmp_path, bundle, seed):
    world = World(OutboxNode(tmp_path, bundle, seed=seed), host_end(bundle))
    world.passes = edge(seed)
    images = []

    def capture(i):
        images.append(world.node.put(bytes([i]) * 9, b"more", now_s=0.5 * i))

    for i in range(40):
        world.at(0.5 * i, partial(capture, i))
    world.run(900.0)
    assert images_of(world) == images
    assert world.node.outbox.n_images == 0
    bases = [update.chunk.bitstream for update in world.updates if update.chunk.index == 0]
    assert sorted(bases) == [bytes([i]) * 9 for i in range(40)]


def test_enough_stops_an_image_and_saves_its_other_chunks(tmp_path, bundle):
    world = World(
        OutboxNode(tmp_path, bundle), host_end(bundle), enough=lambda update: update.n_chunks == 2
    )
    image = world.node.put(b"abc", b"de", b"fg", b"hi", b"jk")
    world.run(10.0)
    assert [update.chunk.index for update in world.updates] == [0, 1]
    assert [heard.stopped for heard in world.acknowledged] == [(), (image,)]
    assert world.node.outbox.n_images == 0
    assert world.host.statistics(NODE).n_decided == 1


def test_a_node_restarted_in_mid_session_sends_what_was_not_acknowledged(world):
    images = [world.node.put(b"abc", b"de") for _ in range(6)]
    world.run(0.25)
    world.node.outbox.close()
    world.node.start()
    world.run(20.0)
    assert images_of(world) == images
    assert world.node.outbox.n_images == 0
    assert len(world.host.take_notices()) == 2


def test_a_host_restarted_in_mid_session_goes_on_and_believes_no_replay(world, bundle):
    images = [world.node.put(b"abc") for _ in range(20)]
    world.run(1.5)
    old = [outgoing.packet for outgoing in world.uplink]
    n_before = len(world.updates)
    world.host = host_end(bundle, state=world.host.state(NODE))
    world.run(40.0)
    assert images_of(world) == images
    for packet in old:
        assert not any(isinstance(outcome, Update) for outcome in world.host.receive(packet, 50.0))
    assert len(world.updates) - n_before < 20


def test_a_host_that_lost_its_state_learns_the_salt_again(world, bundle):
    world.node.put(b"abc")
    world.run(3.0)
    assert not Header.unpack(world.uplink[-1].packet).flags & Flag.KNOWN
    world.host = host_end(bundle)
    images = [world.node.put(b"abc") for _ in range(3)]
    world.run(30.0)
    assert set(images) <= set(images_of(world))
    assert world.node.outbox.n_images == 0


def test_a_node_whose_state_was_rolled_back_is_told_and_loses_nothing(world, bundle):
    for _ in range(10):
        world.node.put(b"abc")
    world.run(20.0)
    highest = world.host.state(NODE).highest
    world.node.counters = Counting(2)
    world.node.outbox.close()
    world.node.start()
    image = world.node.put(b"new")
    assert image == 2, "an id that another image had"
    world.run(40.0)
    newest = world.updates[-1]
    assert newest.chunk.bitstream == b"new"
    assert newest.image > highest
    assert [outcome.reason for outcome in world.outcomes if isinstance(outcome, Rejected)] == [
        Reason.STALE_SESSION
    ]
    assert world.node.outbox.n_images == 0


def test_a_node_told_to_renew_goes_on_under_a_new_salt(world):
    world.node.put(b"abc")
    world.run(2.0)
    before = world.host.state(NODE).salt
    world.host.command(NODE, Renew())
    image = [world.node.put(b"abc") for _ in range(2)][-1]
    world.run(20.0)
    assert world.host.state(NODE).salt != before
    assert image in images_of(world)
    assert world.node.outbox.n_images == 0


def test_under_a_flood_the_node_has_long_tags_for_as_long_as_it_lasts_and_loses_nothing(world):
    """20 forgeries a second for a minute, with and without the salt of the session, and an image
    every two seconds.
    """
    random, images, salt = Random(1), [], world.node.sender._session.salt

    def forge():
        has_salt = random.random() < 0.5
        header = Header(
            NODE, random.randrange(200), PacketType.DATA, Flag.SALT * has_salt, salt * has_salt
        )
        assert all(
            isinstance(one, Rejected) for one in world.hear(header.pack() + random.randbytes(20))
        )

    def capture():
        images.append(world.node.put(b"abc", now_s=world.now_s))

    for n in range(1200):
        world.at(n / 20, forge)
    for n in range(30):
        world.at(2.0 * n, capture)
    for n in range(10):
        world.at(4000.0 + 60 * n, capture)
    world.run(5000.0)
    assert images_of(world) == images
    assert world.node.outbox.n_images == 0
    salted = {
        round(at_s): bool(Header.unpack(one.packet).salt)
        for at_s, one, _ in world.sent
        if one in world.uplink
    }
    assert salted[58], "while it lasts"
    assert not salted[max(salted)], "an hour later"
    assert sum(type_of(one.packet) == PacketType.HELLO for one in world.uplink) == 1


def test_status_and_time_find_their_way(tmp_path, bundle):
    node = OutboxNode(
        tmp_path, bundle, SenderOptions(wants_time=True, wants_slot=True, status_every=2)
    )
    world = World(node, host_end(bundle, unix_offset_s=1_700_000_000.0))
    world.host.grant_slots([NODE], period_s=4.0, now_s=0.0)
    for _ in range(4):
        node.put(b"abc")
    world.run(60.0)
    assert node.sender.unix_offset_s == pytest.approx(1_700_000_000.0, abs=0.01)
    assert any(isinstance(outcome, StatusHeard) for outcome in world.outcomes)
    assert node.outbox.n_images == 0
    kinds = {type_of(downlink.packet) for downlink in world.downlink}
    assert kinds == {PacketType.TIME, PacketType.COMMAND, PacketType.REPORT}


def test_parity_brings_back_what_a_one_way_link_lost(tmp_path, bundle):
    options = SenderOptions(
        has_downlink=False, parity=ParityPlan(n_data=4, n_parity=2, depth=1), status_every=0
    )
    world = World(OutboxNode(tmp_path, bundle, options), host_end(bundle, timing=None))
    images = [world.node.put(bytes([i]) * (3 + i)) for i in range(4)]
    world.passes = drop(1, 2)
    world.run(10.0)
    assert images_of(world) == images
    assert {update.chunk.bitstream for update in world.updates} == {
        bytes([i]) * (3 + i) for i in range(4)
    }
    assert world.node.outbox.n_images == 0


def test_where_airtime_is_short_refinements_ride_with_later_base_chunks_unless_they_are_stopped(
    tmp_path, bundle
):
    """Four images; when the verdicts on them come, four more are there. The host has enough of
    every second one.
    """
    governor = Governor([AirtimeLimit(3600.0, 360.0)])
    node = OutboxNode(tmp_path, bundle, governor=governor)
    world = World(node, host_end(bundle), enough=lambda update: update.image % 2 == 0)
    hears = world.node_hears

    def hears_and_captures(packet):
        hears(packet)
        if len(world.acknowledged) == 1:
            captures()

    def captures():
        for _ in range(4):
            node.put(b"base", b"rest", now_s=world.now_s)

    world.node_hears = hears_and_captures  # type: ignore[method-assign]
    captures()
    world.run(60.0)
    first, second, *_ = [sent.chunks for _, sent, _ in world.sent if isinstance(sent, Outgoing)]
    assert [index for _, index in first] == [0, 0, 0, 0]
    assert [index for _, index in second] == [0, 0, 0, 0, 1, 1]
    assert {image for image, index in second if index} == {image for image, _ in first if image % 2}
    assert node.outbox.n_images == 0


# Goodput


@pytest.mark.parametrize(
    ("profile", "seconds"),
    [("lora-sf7-eu868", 120.0), ("serial-9600", 60.0), ("serial-115200", 6.0)],
)
def test_a_saturated_line_carries_nine_tenths_of_what_it_could(profile, seconds):
    """SF7 in frames of 222 bytes: overhead 10 bytes, and an answer for every eight."""
    assert goodput(profile, seconds) >= 0.9
