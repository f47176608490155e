"""A node tells its salt while it must, opens each downlink packet once, and forgets no host."""

import pytest

from link.node.interface import Identity, Rejected
from link.node.session import MAX_HOST_SALTS, SALTLESS_HOSTS, NodeSession
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.packet import Flag, Header, PacketType
from tests.worlds.ends import KEY, NODE

SALT, BUNDLE_ID = b"salt", b"bundleid"
IDENTITY = Identity(NODE, BUNDLE_ID, KEY)


@pytest.fixture
def session() -> NodeSession:
    return NodeSession(IDENTITY, has_downlink=True, salt=SALT)


def downlink(counter: int, host: int = 0, flags: Flag = Flag.SALT, node: int = NODE) -> bytes:
    """What a start of the host says, sealed towards the session with SALT."""
    host_salt = host.to_bytes(8, "big")
    key = downlink_key(KEY, SALT, host_salt)
    salt = host_salt if flags & Flag.SALT else b""
    header = Header(node, counter & 0xFFFF, PacketType.REPORT, flags, salt)
    return Seal(key, NODE, SALT, Direction.DOWNLINK).seal(header, counter, b"body")


def tells_salt(session: NodeSession, counter: int) -> bool:
    packet = session.seal(PacketType.DATA, counter, b"body", listens=False)
    return Header.unpack(packet).salt == SALT


def test_the_salt_is_told_until_the_host_knows_it(session):
    assert [tells_salt(session, counter) for counter in range(3)] == [True] * 3
    session.open(downlink(0))
    assert tells_salt(session, 3), "the host answered, and has not said that it knows the session"
    session.open(downlink(1, flags=Flag.SALT | Flag.KNOWN))
    assert not tells_salt(session, 4)
    session.use_long_tags(True)
    assert tells_salt(session, 5)
    session.use_long_tags(False)
    session.forget_host()
    assert tells_salt(session, 6)


def test_where_nobody_answers_the_salt_is_told_ever_more_rarely():
    session = NodeSession(IDENTITY, has_downlink=False, salt=SALT)
    told = [counter for counter in range(100) if tells_salt(session, counter)]
    assert told == [0, 1, 2, 4, 8, 16, 32, 64, 96]


@pytest.mark.parametrize(
    ("packet_type", "bundle_id"), [(PacketType.DATA, BUNDLE_ID), (PacketType.STATUS, b"")]
)
def test_only_bodies_that_hold_latents_are_bound_to_the_bundle(session, packet_type, bundle_id):
    packet = session.seal(packet_type, 9, b"body", listens=True)
    header = Header.unpack(packet)
    opener = Seal(uplink_key(KEY, SALT), NODE, SALT, Direction.UPLINK)
    assert opener.open(packet, header, 9, bundle_id) == b"body"
    assert opener.open(packet, header, 9, b"another.") is None
    assert header.flags & Flag.LISTEN


def test_a_packet_opens_once_and_a_damaged_one_never(session):
    packet = downlink(5)
    opened = session.open(packet)
    assert isinstance(opened, tuple)
    assert opened[1] == b"body"
    assert isinstance(session.open(packet), Rejected)
    assert isinstance(session.open(packet[:-1] + bytes([packet[-1] ^ 1])), Rejected)
    assert session.n_bad == 1, "what was heard before did open"


def test_what_is_for_another_node_or_goes_up_is_none_of_its_business(session):
    assert session.open(downlink(0, node=NODE + 1)) is None
    assert session.open(session.seal(PacketType.DATA, 0, b"body", listens=False)) is None
    assert session.n_bad == 0


def test_a_packet_of_another_wire_version_says_who_should_be_updated(session):
    packet = downlink(0)
    rejected = session.open(bytes([packet[0] & 0x3F | 2 << 6]) + packet[1:])
    assert rejected == Rejected("packet has wire version 2, this node speaks 3; update it")


def test_a_packet_without_salt_may_be_of_the_latest_starts_of_the_host_alone(session):
    for host in range(SALTLESS_HOSTS + 1):
        session.open(downlink(0, host))
    assert isinstance(session.open(downlink(1, 0, Flag(0))), Rejected)
    assert isinstance(session.open(downlink(1, 1, Flag(0))), tuple)


def test_after_many_starts_of_the_host_the_session_is_worn_out_and_forgets_none(session):
    for host in range(MAX_HOST_SALTS):
        assert not session.is_worn_out
        assert isinstance(session.open(downlink(0, host)), tuple)
    assert session.is_worn_out
    assert isinstance(session.open(downlink(0, 0)), Rejected), "it was heard before"
    session.renew()
    assert (session.is_worn_out, session.salt != SALT, session.knows_host) == (False, True, False)
