"""One node behind its network: counters go on over joins, and packets wait for a HELLO."""

import pytest

from link.host.interface import NodeEntry, NodeState, Reason
from link.lorawan.host.peer import NO_SESSION, NetworkPeer
from link.lorawan.wire import Greeting, pack_chunk
from link.wire.control import NO_QUALITY
from link.wire.packet import Chunk, Flag, Header, PacketType
from tests.worlds.ends import NODE
from tests.worlds.small_bundle import make_bundle, random_tables


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("network") / "bundle", random_tables(seed=1))


def make_peer(bundle, told_image: int | None = None, **entry) -> NetworkPeer:
    return NetworkPeer(NODE, NodeEntry(b"", bundle, **entry), None, told_image)


def hear(peer, frame: int, kind: PacketType, body: bytes, address: bytes = b"addr"):
    header = Header(NODE, frame & 0xFFFF, kind, Flag.SALT, address)
    return peer.receive(header, kind, body, 0.0, NO_QUALITY, 0)


def state_of(peer: NetworkPeer) -> NodeState:
    assert peer.state is not None
    return peer.state


def chunk(image: int) -> bytes:
    return pack_chunk(Chunk(image, 0, True, b"x", 0.0))


def test_before_it_is_heard_there_is_no_state_and_before_its_hello_no_session(bundle):
    peer = make_peer(bundle)
    assert peer.state is None
    [held] = hear(peer, 0, PacketType.DATA, chunk(5))
    assert held.reason == Reason.UNKNOWN_SESSION
    assert state_of(peer).salt == NO_SESSION
    assert peer.tellings.are_due, "it is asked for a HELLO"


def test_its_hello_releases_what_waited_in_order(bundle):
    peer = make_peer(bundle)
    for frame in range(3):
        hear(peer, frame, PacketType.DATA, chunk(70_000 + frame))
    _, *released = hear(peer, 3, PacketType.HELLO, Greeting(bundle.id, 70_002).pack())
    assert [outcome.image for outcome in released] == [70_000, 70_001, 70_002]
    assert state_of(peer).salt == b"addr"


def test_after_a_join_counters_go_on_above_those_before(bundle):
    peer = make_peer(bundle)
    hear(peer, 9, PacketType.HELLO, Greeting(bundle.id, 0).pack())
    before = state_of(peer).highest
    hear(peer, 0, PacketType.HELLO, Greeting(bundle.id, 0).pack(), address=b"anew")
    assert state_of(peer).highest > before
    assert any("joined the network anew" in notice for notice in peer.notices)


def test_a_host_that_starts_anew_goes_on_without_a_hello(bundle):
    state = NodeState(b"addr", 9, 1)
    peer = make_peer(bundle, told_image=70_000, state=state)
    [update] = hear(peer, 10, PacketType.DATA, chunk(70_001))
    assert update.image == 70_001
    [again] = hear(peer, 9, PacketType.DATA, chunk(70_000))
    assert again.reason == Reason.DUPLICATE


def test_a_node_that_is_never_spoken_to_is_taken_as_it_is_configured(bundle):
    peer = make_peer(bundle, has_downlink=False)
    [update] = hear(peer, 0, PacketType.DATA, chunk(5))
    assert (update.image, peer.tellings.are_due) == (5, False)
