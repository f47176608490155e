"""The host's end over LoRaWAN: what the network delivers becomes images, and only once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.coder import latent_coder
from link.host.interface import HelloHeard, NodeEntry, Reason, Rejected, StatusHeard, Update
from link.lorawan.host.peer import MAX_HELD
from link.lorawan.host.receiver import LoRaWanReceiver
from link.lorawan.wire import (
    Greeting,
    pack_batch,
    pack_chunk,
    unpack_enough,
    unpack_packet,
    uplink_packet,
)
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import Advance, AskStatus, Quality, Renew, Status, unpack_command
from link.wire.packet import Chunk, PacketType
from tests.worlds.ends import latent_of
from tests.worlds.small_bundle import make_bundle, random_symbols, random_tables

NODE = 7
TABLES = random_tables(seed=1, n_latents=40)
SYMBOLS = random_symbols(TABLES, seed=3)
BITSTREAM = latent_coder.encode(SYMBOLS, TABLES)
ADDRESS = b"addr"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("own") / "bundle", TABLES)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_bundle(
        tmp_path_factory.mktemp("other") / "bundle", random_tables(seed=2, n_latents=40)
    )


class World:
    """A receiver and the network that delivers to it."""

    def __init__(self, bundle, told_image=None, **entry):
        told = None if told_image is None else {NODE: told_image}
        timing = LinkTiming(get_profile("lora-sf7-eu868"))
        self.receiver = LoRaWanReceiver({NODE: NodeEntry(b"", bundle, **entry)}, timing, told)
        self.bundle = bundle
        self.address = ADDRESS
        self.frame_counter = 0
        self.now_s = 100.0

    def deliver(self, packet_type, body, frame_counter=None):
        if frame_counter is None:
            frame_counter, self.frame_counter = self.frame_counter, self.frame_counter + 1
        packet = uplink_packet(NODE, self.address, frame_counter, packet_type, body)
        return self.receiver.receive(packet, self.now_s, Quality(5.0, -90.0))

    def greet(self, image=0, bundle_id=None):
        return self.deliver(PacketType.HELLO, Greeting(bundle_id or self.bundle.id, image).pack())

    def data(self, image, index=0, is_last=True, bitstream=BITSTREAM, age_s=2.0):
        return self.deliver(
            PacketType.DATA, pack_chunk(Chunk(image, index, is_last, bitstream, age_s))
        )

    def downlinks(self):
        sent = []
        while (downlink := self.receiver.next_packet(self.now_s)) is not None:
            self.receiver.transmitted(self.now_s)
            sent.append(unpack_packet(downlink.packet)[1:])
        assert self.receiver.next_due_s(self.now_s) is None
        return sent


def refused(outcomes, reason):
    [outcome] = outcomes
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason
    return outcome


def updated(outcomes):
    [outcome] = outcomes
    assert isinstance(outcome, Update), outcome
    return outcome


def test_an_image_of_one_packet(bundle):
    world = World(bundle)
    [heard] = world.greet(image=90_000)
    assert isinstance(heard, HelloHeard)
    update = updated(world.data(90_001))
    assert latent_of(update).symbols.tolist() == SYMBOLS.tolist()
    assert (update.node, update.image, update.counter, update.n_chunks, update.is_complete) == (
        NODE,
        90_001,
        1,
        1,
        True,
    )
    assert update.captured_s == pytest.approx(98.0, abs=0.6)
    assert update.packet_bytes == 13 + 3 + len(BITSTREAM)
    state = world.receiver.state(NODE)
    assert state is not None
    assert (state.salt, state.highest) == (ADDRESS, 1)
    figures = world.receiver.statistics(NODE)
    assert (figures.n_received, figures.losses.n, figures.n_images, figures.snr_db.last) == (
        2,
        0,
        1,
        5.0,
    )
    assert figures.airtime_s > 0.1


def test_chunks_refine_and_the_host_says_when_it_is_enough(bundle):
    world = World(bundle)
    world.greet()
    first = updated(world.data(5, 0, False, BITSTREAM[:4]))
    assert not first.is_complete
    world.receiver.confirm(NODE, first.counter, [5])
    [(packet_type, body)] = world.downlinks()
    assert (packet_type, unpack_enough(body, 5)) == (PacketType.REPORT, [5])
    second = updated(world.data(5, 1, True, BITSTREAM[4:]))
    assert latent_of(second).symbols.tolist() == SYMBOLS.tolist()
    world.receiver.confirm(NODE, second.counter, [5])
    assert world.downlinks() == []  # nothing is left of it to stop
    figures = world.receiver.statistics(NODE)
    assert (figures.n_decided, figures.n_chunks_unneeded, figures.n_downlink) == (1, 1, 1)


def test_a_gap_is_kept_and_filled(bundle):
    world = World(bundle)
    world.greet()
    assert refused(world.data(5, 1, True, BITSTREAM[4:]), Reason.GAP).chunk is not None
    assert updated(world.data(5, 0, False, BITSTREAM[:4])).is_complete


def test_a_batch_brings_several_images(bundle):
    world = World(bundle)
    world.greet()
    chunks = [Chunk(image, 0, True, BITSTREAM, 1.0) for image in (1, 2, 900)]
    updates = world.deliver(PacketType.BATCH, pack_batch(chunks))
    assert [update.image for update in updates if isinstance(update, Update)] == [1, 2, 900]
    assert sum(update.packet_bytes for update in updates if isinstance(update, Update)) == 13 + len(
        pack_batch(chunks)
    )


def test_the_same_frame_again_is_a_duplicate_the_same_chunk_again_a_repetition(bundle):
    world = World(bundle)
    world.greet()
    world.data(5)
    same = pack_chunk(Chunk(5, 0, True, BITSTREAM, 2.0))
    assert (
        refused(world.deliver(PacketType.DATA, same, frame_counter=1), Reason.DUPLICATE).counter
        is None
    )
    assert refused(world.deliver(PacketType.DATA, same), Reason.REPEATED).counter == 2


def test_before_the_hello_packets_wait_and_it_is_asked_for(bundle):
    world = World(bundle)
    for image in range(3000, 3010):
        assert refused(world.data(image), Reason.UNKNOWN_SESSION).counter is None
    commands = [unpack_command(body) for _, body in world.downlinks()]
    assert commands == [Renew()]
    hello, *updates = world.greet(image=7000)
    assert isinstance(hello, HelloHeard)
    images = [update.image for update in updates if isinstance(update, Update)]
    assert images == list(range(3000, 3010))
    assert updated(world.data(7001)).image == 7001
    assert world.receiver.statistics(NODE).losses.n == 0


def test_no_more_than_64_packets_wait(bundle):
    world = World(bundle)
    for image in range(MAX_HELD + 10):
        world.data(image)
    assert len(world.greet()) == 1 + MAX_HELD


def test_a_new_join_is_a_new_session_with_counters_above(bundle):
    world = World(bundle)
    world.greet()
    world.data(1)
    world.address = b"next"
    world.frame_counter = 0
    refused(world.data(2), Reason.UNKNOWN_SESSION)
    _, update = world.greet()
    assert isinstance(update, Update)
    assert update.counter == 65536
    assert updated(world.data(3)).counter == 65538
    assert world.receiver.statistics(NODE).n_restarts == 1
    assert "has joined the network anew" in world.receiver.take_notices()[0]


def test_frame_counters_of_more_than_16_bits(bundle):
    world = World(bundle)
    world.greet()
    for counter in range(20_000, 200_000, 20_000):
        assert updated(
            world.deliver(
                PacketType.DATA, pack_chunk(Chunk(counter // 20_000, 0, True, BITSTREAM)), counter
            )
        )
    state = world.receiver.state(NODE)
    assert state is not None
    assert state.highest == 180_000


def test_a_node_that_counts_anew_without_a_join_is_taken_and_told(bundle):
    world = World(bundle)
    world.greet()
    world.frame_counter = 500
    updated(world.data(1))
    world.frame_counter = 0
    refused(world.data(2), Reason.UNKNOWN_SESSION)
    assert any("join over the air" in sentence for sentence in world.receiver.take_notices())


def test_a_restarted_host_goes_on_where_its_store_stands(bundle):
    world = World(bundle)
    world.greet(image=90_000)
    world.data(90_001)
    again = World(bundle, told_image=90_001, state=world.receiver.state(NODE))
    again.frame_counter = 1
    refused(again.data(90_001), Reason.DUPLICATE)
    assert updated(again.data(90_002)).image == 90_002
    assert again.downlinks() == []
    forgetful = World(bundle, state=world.receiver.state(NODE))
    forgetful.frame_counter = 2
    refused(forgetful.data(90_002), Reason.UNKNOWN_SESSION)


def test_another_bundle_is_never_guessed(bundle, other):
    world = World(bundle)
    world.greet(bundle_id=other.id)
    assert (
        f"packet made with bundle {other.id.hex()}, this host has"
        in refused(world.data(1), Reason.OTHER_BUNDLE).sentence
    )
    holding = World(bundle, other_bundles=(other,))
    holding.greet(bundle_id=other.id)
    rejected = refused(holding.data(1), Reason.OTHER_BUNDLE)
    assert rejected.bundle_id == other.id
    assert rejected.chunk is not None


def test_a_node_that_changes_its_bundle_is_read_before_and_after(bundle, other):
    world = World(other, earlier_bundles=(bundle,))
    world.greet(bundle_id=bundle.id)
    assert updated(world.data(1)).bundle.id == bundle.id
    world.greet(image=1, bundle_id=other.id)
    assert updated(world.data(2)).bundle.id == other.id


def test_another_bundle_is_not_guessed_after_a_restart_either(bundle, other):
    world = World(bundle)
    world.greet()
    updated(world.data(1))
    world.greet(bundle_id=other.id)
    refused(world.data(2), Reason.OTHER_BUNDLE)
    again = World(bundle, told_image=1, state=world.receiver.state(NODE))
    again.frame_counter = world.frame_counter
    refused(again.data(3), Reason.UNKNOWN_SESSION)


def test_a_one_way_node_is_taken_as_it_is_configured_and_never_spoken_to(bundle):
    world = World(bundle, has_downlink=False)
    update = updated(world.data(5, is_last=False, bitstream=BITSTREAM[:4]))
    world.receiver.confirm(NODE, update.counter, [5])
    assert world.downlinks() == []


def test_status_and_commands(bundle):
    world = World(bundle)
    status = Status(5, 10.0, None)
    [heard] = world.deliver(PacketType.STATUS, status.pack())
    assert isinstance(heard, StatusHeard)
    assert heard.status.queue_images == 5
    world.receiver.command(NODE, AskStatus())
    world.receiver.command(NODE, AskStatus())
    assert [unpack_command(body) for _, body in world.downlinks()] == [AskStatus()]
    with pytest.raises(ValueError, match="Advance has no place in LoRaWAN"):
        world.receiver.command(NODE, Advance(5))


def test_what_is_none_of_ours_is_refused(bundle):
    world = World(bundle)
    refused(world.receiver.receive(b"\x80", 0.0), Reason.MALFORMED)
    refused(world.receiver.receive(bytes.fromhex("80070001"), 0.0), Reason.MALFORMED)
    refused(
        world.receiver.receive(uplink_packet(9, ADDRESS, 0, PacketType.DATA, b""), 0.0),
        Reason.UNKNOWN_NODE,
    )
    refused(
        world.receiver.receive(bytes([PacketType.DATA << 3, NODE, 0, 0]), 0.0), Reason.PACKET_TYPE
    )
    world.greet()
    for packet_type, body in [
        (PacketType.DATA, b"x"),
        (PacketType.BATCH, b"abcd\xff"),
        (PacketType.BATCH, b""),
        (PacketType.HELLO, b"x"),
        (PacketType.STATUS, b"x"),
        (PacketType.PARITY, b"x"),
    ]:
        assert refused(world.deliver(packet_type, body), Reason.MALFORMED).counter is not None
    assert world.receiver.statistics(NODE).n_malformed == 6


def test_contradicting_chunks_are_refused(bundle):
    world = World(bundle)
    world.greet()
    world.data(1)
    refused(world.data(1, bitstream=BITSTREAM + b"x"), Reason.COLLISION)


FRAMES = st.tuples(
    st.sampled_from(list(PacketType)), st.binary(max_size=30), st.integers(0, 90_000)
)


@given(st.lists(FRAMES, max_size=9))
@settings(deadline=None)
def test_whatever_comes_is_answered(bundle, frames):
    for has_downlink in (True, False):
        world = World(bundle, has_downlink=has_downlink)
        world.greet()
        for packet_type, body, frame_counter in frames:
            assert world.deliver(packet_type, body, frame_counter)
        world.downlinks()


def test_the_latents_are_those_of_the_node(bundle):
    world = World(bundle)
    world.greet()
    for image in range(1, 30):
        symbols = random_symbols(TABLES, seed=image)
        update = updated(world.data(image, bitstream=latent_coder.encode(symbols, TABLES)))
        assert np.array_equal(latent_of(update).symbols, symbols)
