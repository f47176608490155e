"""One node, as its host sees it: what came, through which gateway, and what it is owed."""

import pytest

from link.host.interface import NodeEntry, Reason, Rejected, Update
from link.host.peer import COPY_S, Peer
from link.wire.control import Advance, Quality, Report
from link.wire.packet import Flag, Header
from tests.link.host.test_session import seal
from tests.worlds.ends import KEY, NODE, SF7
from tests.worlds.small_bundle import make_bundle, random_tables


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("peer") / "bundle", random_tables(seed=1))


@pytest.fixture
def peer(bundle):
    return Peer(NODE, NodeEntry(KEY, bundle), SF7, b"hostsalt", None)


def hear(peer, packet: bytes, now_s: float = 0.0, quality=None, gateway: int = 0):
    [outcome] = peer.receive(
        packet, Header.unpack(packet), now_s, quality or Quality(0.0, -100.0), gateway
    )
    return outcome


def test_it_is_answered_through_the_gateway_that_heard_its_newest_packet_best(peer, bundle):
    packet = seal(bundle, 5)
    hear(peer, packet, gateway=0)
    for gateway, rssi_dbm in ((1, -80.0), (2, -90.0)):
        copy = hear(peer, packet, COPY_S, Quality(0.0, rssi_dbm), gateway)
        assert copy.reason == Reason.DUPLICATE
    assert peer.gateway == 1
    hear(peer, packet, COPY_S + 0.1, Quality(0.0, -20.0), gateway=3)
    assert peer.gateway == 1, "a recording, played later, turns no answer away"


def test_a_packet_is_acknowledged_once_it_is_stored(peer, bundle):
    packet = seal(bundle, 5, flags=Flag.SALT | Flag.LISTEN)
    outcome = hear(peer, packet)
    assert not isinstance(outcome, Update)
    assert peer.is_asked
    assert peer.next_packet(0.0, None, None, None) is None
    peer.confirm(5, [])
    assert peer.next_packet(0.0, None, None, None) is not None
    assert peer.due_s() is None


def test_a_collided_packet_is_never_acknowledged_and_its_node_goes_on_above(peer, bundle):
    hear(peer, seal(bundle, 5, flags=Flag.SALT | Flag.LISTEN))
    peer.collide(5)
    peer.collide(5)
    peer.confirm(5, [])
    assert list(peer.tellings.commands) == [Advance(5)]
    report = peer.tellings.reporter.report(Quality(), None, None)
    assert isinstance(report, Report)
    assert report.received == 0


def test_a_node_that_cannot_be_answered_is_owed_nothing(bundle):
    entry = NodeEntry(KEY, bundle, has_downlink=False)
    peer = Peer(NODE, entry, SF7, b"hostsalt", None)
    assert isinstance(hear(peer, seal(bundle, 5, flags=Flag.SALT | Flag.LISTEN)), Rejected)
    peer.confirm(5, [])
    assert (peer.tellings, peer.is_asked, peer.due_s()) == (None, False, None)


def test_what_is_not_used_is_counted_by_its_reason(peer, bundle):
    packet = seal(bundle, 5)
    hear(peer, packet)
    hear(peer, packet)
    hear(peer, seal(bundle, 4, salt=b"anew"))
    hear(peer, packet[:-1] + b"\0")
    figures = peer.statistics
    assert (figures.n_duplicate, figures.n_stale, figures.n_bad_tag) == (1, 1, 1)
