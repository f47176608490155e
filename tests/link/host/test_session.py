"""A session is believed under counters above all before it, and nothing else is."""

import pytest

from link.host.interface import NotUsed, Reason
from link.host.session import MAX_CARDS, HostSession, SessionNews
from link.security.seal import Direction, Seal, uplink_key
from link.wire.packet import Flag, Header, PacketType
from tests.worlds.ends import KEY, NODE
from tests.worlds.small_bundle import make_bundle, random_tables


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("session") / "bundle", random_tables(seed=1))


@pytest.fixture
def session(bundle):
    return HostSession(NODE, KEY, [bundle], b"hostsalt")


def seal(bundle, counter: int, salt: bytes = b"salt", flags: Flag = Flag.SALT) -> bytes:
    header = Header(
        NODE, counter & 0xFFFF, PacketType.DATA, flags, salt if flags & Flag.SALT else b""
    )
    sealer = Seal(uplink_key(KEY, salt), NODE, salt, Direction.UPLINK)
    return sealer.seal(header, counter, b"body", bundle.id)


def brought(session: HostSession, packet: bytes) -> SessionNews | NotUsed:
    return session.open(packet, Header.unpack(packet), now_s=0.0)


def counters(session: HostSession, packet: bytes) -> list[int]:
    news = brought(session, packet)
    assert isinstance(news, SessionNews)
    return [opened.counter for opened in news.opened]


def refused(session: HostSession, packet: bytes) -> NotUsed:
    news = brought(session, packet)
    assert isinstance(news, NotUsed)
    return news


def test_before_its_first_packet_a_node_has_no_state(session, bundle):
    assert (session.state, session.highest, session.owes_salt(b"salt")) == (None, -1, True)
    assert counters(session, seal(bundle, 5)) == [5]
    state = session.state
    assert state is not None
    assert (state.salt, state.highest, state.bundle_id) == (b"salt", 5, bundle.id)


def test_a_host_that_starts_anew_goes_on_where_it_stood(session, bundle):
    packets = [seal(bundle, counter) for counter in (5, 7)]
    counters(session, packets[0])
    again = HostSession(NODE, KEY, [bundle], b"new host", session.state)
    assert refused(again, packets[0]).reason == Reason.REPLAY
    assert counters(again, packets[1]) == [7]


def test_what_came_before_its_salt_is_opened_with_it_in_order(session, bundle):
    waited = [seal(bundle, counter, flags=Flag(0)) for counter in (7, 6)]
    assert {refused(session, packet).reason for packet in waited} == {Reason.UNKNOWN_SESSION}
    assert counters(session, seal(bundle, 8)) == [6, 7, 8]


def test_a_copy_tells_which_packet_it_is_of(session, bundle):
    packet = seal(bundle, 5)
    counters(session, packet)
    again = refused(session, packet)
    assert (again.reason, again.claimed, again.node) == (Reason.DUPLICATE, 5, NODE)


@pytest.mark.parametrize(
    ("has_downlink", "remedy"), [(True, "told to go on above"), (False, "provisioned anew")]
)
def test_a_new_salt_is_not_believed_under_a_counter_that_was_used(bundle, has_downlink, remedy):
    session = HostSession(NODE, KEY, [bundle], b"hostsalt", has_downlink=has_downlink)
    counters(session, seal(bundle, 64))
    stale = refused(session, seal(bundle, 64, salt=b"anew"))
    assert (stale.reason, stale.claimed) == (Reason.STALE_SESSION, 64)
    assert remedy in stale.sentence
    assert counters(session, seal(bundle, 65, salt=b"anew")) == [65]


def test_a_packet_that_parity_brought_back_is_new_once(session, bundle):
    counters(session, seal(bundle, 9))
    assert [session.recovered(b"salt", counter) for counter in (8, 8, 9)] == [
        True,
        False,
        False,
    ]
    assert refused(session, seal(bundle, 8)).reason == Reason.REPLAY


# A team: several cards in one name


@pytest.fixture
def team(bundle):
    return HostSession(NODE, KEY, [bundle], b"hostsalt", is_team=True)


def card(bundle, counter: int, name: bytes, tells_salt: bool = True) -> bytes:
    return seal(bundle, counter, name, Flag.SALT if tells_salt else Flag(0))


def test_cards_of_a_team_speak_by_turns_each_under_its_own_counters(team, bundle):
    assert counters(team, card(bundle, 10, b"one!")) == [10]
    assert counters(team, card(bundle, 200, b"two!")) == [200]
    for counter in (11, 12):
        assert counters(team, card(bundle, counter, b"one!", tells_salt=False)) == [counter]
        assert counters(team, card(bundle, 190 + counter, b"two!", tells_salt=False)) == [
            190 + counter
        ]
    assert team.highest == 202


def test_a_card_that_begins_below_what_the_team_has_said_is_told_to_go_on_above(team, bundle):
    counters(team, card(bundle, 200, b"two!"))
    counters(team, card(bundle, 300, b"one!"))
    counters(team, card(bundle, 201, b"two!"))
    assert refused(team, card(bundle, 300, b"new!")).reason == Reason.STALE_SESSION
    assert counters(team, card(bundle, 301, b"new!")) == [301]


def test_what_a_team_s_card_said_is_taken_once(team, bundle):
    said = [card(bundle, 10, b"one!"), card(bundle, 11, b"one!")]
    assert counters(team, said[1]) == [11]
    counters(team, card(bundle, 200, b"two!"))
    assert counters(team, said[0]) == [10], "late"
    for packet in said:
        assert refused(team, packet).reason == Reason.DUPLICATE
    other = seal(bundle, 10, b"one!", Flag.SALT | Flag.LISTEN)
    assert refused(team, other).reason == Reason.REPLAY


def test_a_host_that_starts_anew_believes_a_team_only_above_all_it_had_said(team, bundle):
    counters(team, card(bundle, 200, b"two!"))
    counters(team, card(bundle, 300, b"one!"))
    counters(team, card(bundle, 201, b"two!"))
    state = team.state
    assert state is not None
    assert (state.salt, state.highest) == (b"one!", 300)
    again = HostSession(NODE, KEY, [bundle], b"new host", state, is_team=True)
    assert refused(again, card(bundle, 202, b"two!")).reason == Reason.STALE_SESSION
    assert counters(again, card(bundle, 301, b"one!", tells_salt=False)) == [301]


def test_as_many_cards_are_held_as_a_short_tag_is_tried_with(team, bundle):
    names = [b"%04d" % number for number in range(MAX_CARDS + 1)]
    for number, name in enumerate(names):
        counters(team, card(bundle, 100 * number, name))
    assert refused(team, card(bundle, 1, names[0], tells_salt=False)).reason == Reason.NOT_OPENED
    assert counters(team, card(bundle, 101, names[1], tells_salt=False)) == [101]
