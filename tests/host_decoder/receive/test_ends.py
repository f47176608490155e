"""Each packet goes to the end that it is for, and each answer leaves where its node hears it."""

from dataclasses import replace

import pytest

from host_decoder.receive.ends import Ends, GatewayEntry, slot_period_s
from host_decoder.store.shelf import Reception
from link.host.interface import NotUsed, Reason
from link.medium.governor import Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import NO_QUALITY
from link.wire.packet import Flag
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import NODE, SmallNode
from tests.worlds.team_bundle import make_team_bundle

TIMING = LinkTiming(get_profile("lora-sf7"))
DEAF = Governor(silent_because="it only listens")


def make_ends(node, store, *gateways: GatewayEntry, timing: LinkTiming | None = TIMING) -> Ends:
    return Ends([node], store, (), timing, gateways)


def packet(bundle) -> bytes:
    [packet] = SmallNode(bundle).packets(random_symbols(bundle.tables, 0), flags=Flag.LISTEN)
    return packet


def heard(packet: bytes, gateway: int = 0, origin: object = None) -> Reception:
    return Reception(packet, 1000.0, gateway, NO_QUALITY, origin)


def test_a_gateway_that_only_listens_is_answered_for_by_one_that_speaks(node_entry, store, bundle):
    ends = make_ends(node_entry, store, GatewayEntry("deaf", DEAF), GatewayEntry("roof"))
    ends.open(heard(packet(bundle)), 0.0, None)
    downlink = ends.next_packet(1.0)
    assert downlink is not None
    assert downlink.gateway == 1


def test_an_answer_goes_to_where_the_node_s_own_packet_came_from(node_entry, store, bundle):
    ends = make_ends(node_entry, store, GatewayEntry())
    ends.open(heard(b"noise", origin="stranger"), 0.0, None)
    own = packet(bundle)
    ends.open(heard(own, origin="node"), 0.0, None)
    [again] = ends.open(heard(own, origin="stranger"), 9.0, None)
    assert isinstance(again, NotUsed)
    assert again.reason == Reason.DUPLICATE
    downlink = ends.next_packet(10.0)
    assert downlink is not None
    assert ends.origin_of(downlink) == "node"


@pytest.mark.parametrize(("is_team", "expected"), [(True, "behind"), (False, "ahead")])
def test_of_a_team_the_card_whose_session_is_behind_is_told_so_where_it_is(
    node_entry, store, bundle, tmp_path, is_team, expected
):
    """A lone node's may be a recording, and nothing goes to who plays it."""
    if is_team:
        bundle = make_team_bundle(tmp_path / "team")
    ends = make_ends(replace(node_entry, bundle=bundle), store, GatewayEntry())
    cards = {"ahead": (b"aaaa", 1000), "behind": (b"bbbb", 10)}
    symbols = random_symbols(bundle.tables, 0)
    for where, (salt, start) in cards.items():
        card = SmallNode(bundle, start=start, salt=salt)
        for packet in card.packets(symbols, flags=Flag.LISTEN * (where == "behind")):
            ends.open(heard(packet, origin=where), 0.0, None)
    told = [ends.next_packet(0.05 * turn) for turn in range(40)]
    [answer] = [downlink for downlink in told if downlink and downlink.salt == b"bbbb"]
    assert ends.origin_of(answer) == expected


def test_without_timing_nothing_is_ever_said(node_entry, store, bundle):
    ends = make_ends(node_entry, store, GatewayEntry(), timing=None)
    ends.open(heard(packet(bundle)), 0.0, None)
    assert (ends.next_packet(1.0), ends.next_due_s(1.0), ends.takes_advice(NODE)) == (
        None,
        None,
        False,
    )


@pytest.mark.parametrize("is_network", [False, True])
def test_a_packet_in_clear_is_believed_only_where_a_network_opened_it(
    node_entry, store, is_network
):
    member = replace(node_entry, key=b"", device="70b3d57ed005b89a")
    ends = make_ends(member, store, GatewayEntry(is_network=is_network))
    assert (ends.at(0) is ends.of(NODE)) == is_network


def test_slots_grow_with_their_nodes():
    assert slot_period_s(TIMING, 6) == pytest.approx(3 * slot_period_s(TIMING, 2))
