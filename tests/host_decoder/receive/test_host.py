"""The host answers what is sealed for it and explains everything else; nothing that arrives ends
it.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer, Notice
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from link.coder import latent_coder
from link.host.interface import Rejected
from link.lorawan.wire import Greeting, pack_chunk, uplink_packet
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import Advance, Quality, Report, Slot, Status, Time
from link.wire.packet import Chunk, Flag, PacketType, pack_batch
from tests.worlds.small_bundle import random_symbols, random_tables
from tests.worlds.small_host import CLASSES, KEY, NODE, SmallNode, make_bundle, right_label
from tests.worlds.stored import read

TIMING = LinkTiming(get_profile("lora-sf7"))


@pytest.fixture
def host(node_entry, store, other_bundle):
    return Host([node_entry], store, [other_bundle], TIMING)


@pytest.fixture
def node(bundle):
    return SmallNode(bundle)


def symbols(bundle, seed: int = 0) -> np.ndarray:
    return random_symbols(bundle.tables, seed)


def receive(host: Host, *packets: bytes, now_s: float = 0.0) -> list:
    """Answers and refusals."""
    events = [event for packet in packets for event in host.receive(packet, now_s)]
    return [event for event in events if not isinstance(event, Notice)]


def only(host: Host, *packets: bytes, kind=Answer, now_s: float = 0.0):
    [event] = receive(host, *packets, now_s=now_s)
    assert isinstance(event, kind)
    return event


def rejected(host: Host, *packets: bytes) -> Rejected:
    return only(host, *packets, kind=Rejected)


def counted(host: Host, store: Store) -> dict[str, int]:
    host.close()
    return {row["reason"]: row["n"] for row in store.statistics()["refusals"]}


def said(host: Host, node: SmallNode, now_s: float) -> list:
    """All that the host sends by then, read by the node."""
    heard = []
    while (downlink := host.next_packet(now_s)) is not None:
        heard.append(node.hear(downlink.packet))
        host.transmitted(now_s + downlink.airtime_s)
        now_s += downlink.airtime_s
    return heard


def report(host: Host, node: SmallNode, now_s: float = 0.2) -> Report:
    [heard] = said(host, node, now_s)
    assert isinstance(heard, Report)
    return heard


def test_a_sealed_image_is_answered_with_its_class(host, node, bundle):
    for seed in range(20):
        sent = symbols(bundle, seed)
        answer = only(host, *node.packets(sent))
        assert answer.label == right_label(sent)
        assert (answer.image, answer.counter, answer.node) == (2 * seed, 2 * seed + 1, NODE)
        assert (answer.n_known, answer.is_complete) == (12, True)


def test_a_session_that_begins_is_told(host, node, bundle):
    [notice, _] = host.receive(node.packets(symbols(bundle))[0], 0.0)
    assert isinstance(notice, Notice)
    assert f"node {NODE} is heard for the first time" in notice.sentence


def test_answer_bytes_are_those_of_bitstream_and_packet(host, node, bundle):
    sent = symbols(bundle)
    answer = only(host, *node.packets(sent))
    assert answer.bitstream_bytes == len(latent_coder.encode(sent, bundle.tables))
    assert answer.packet_bytes == answer.bitstream_bytes + 11 + 12


def test_every_chunk_refines_the_answer(host, bundle):
    sent = symbols(bundle)
    packets = SmallNode(bundle, chunk_bytes=2).packets(sent)
    answers = receive(host, *packets)
    assert len(answers) > 1
    assert [answer.n_chunks for answer in answers] == list(range(1, len(packets) + 1))
    assert [answer.n_known for answer in answers] == sorted(answer.n_known for answer in answers)
    assert [answer.is_complete for answer in answers] == [False] * (len(packets) - 1) + [True]
    assert {answer.image for answer in answers} == {0}
    assert answers[-1].label == right_label(sent)


def test_a_packet_may_carry_several_images(host, node, bundle, store):
    sent = [symbols(bundle, seed) for seed in range(3)]
    chunks = [chunk for image, row in enumerate(sent) for chunk in node.chunks(row, image)]
    node.packets(sent[0])  # counters that go by
    answers = receive(
        host, node.seal(PacketType.BATCH, pack_batch(chunks, counter=2), bundle_id=bundle.id)
    )
    assert [(answer.image, answer.label) for answer in answers] == [
        (i, right_label(row)) for i, row in enumerate(sent)
    ]
    assert len(list(store.images(bundle.id.hex()))) == 3


def test_top_classes_are_in_order_and_json_ready(host, node, bundle):
    answer = only(host, *node.packets(symbols(bundle)))
    top = answer.top(4)
    assert {label for label, _ in top} == set(CLASSES)
    assert [probability for _, probability in top] == sorted((p for _, p in top), reverse=True)
    assert answer.to_json()["top"][0][0] == answer.to_json()["label"] == answer.label


def test_a_wrong_key_is_refused_with_what_to_compare(host, bundle, store):
    stranger = SmallNode(bundle, key=bytes(16))
    said = rejected(host, *stranger.packets(symbols(bundle)))
    assert said.reason == "not opened"
    assert "compare node.key and the bundle's id" in said.sentence
    assert counted(host, store) == {"not opened": 1}
    assert store.bundles() == {}


def test_a_packet_of_another_bundle_is_named(host, other_bundle, bundle, store):
    said = rejected(host, *SmallNode(other_bundle).packets(symbols(other_bundle)))
    assert said.reason == "other bundle"
    assert other_bundle.id.hex() in said.sentence
    assert bundle.id.hex() in said.sentence
    assert counted(host, store) == {"other bundle": 1}


def test_images_of_a_bundle_that_this_host_lacks_are_named_and_stored_and_newer_ones_go_on(
    node_entry, store, bundle, other_bundle
):
    host = Host([node_entry], store, timing=TIMING)
    old = SmallNode(other_bundle, salt=b"old!")
    _, named = host.receive(old.hello(), 0.0)
    assert isinstance(named, Notice)
    assert f"made with bundle {other_bundle.id.hex()}, which this host lacks" in named.sentence
    refused = rejected(host, *old.packets(symbols(other_bundle), flags=Flag.LISTEN))
    assert (refused.reason, "add that bundle to `bundles`" in refused.sentence) == (
        "other bundle",
        True,
    )
    downlink = host.next_packet(1.0)
    assert downlink is not None
    report = old.hear(downlink.packet)
    assert isinstance(report, Report)
    assert report.received & 1, "it is acknowledged"
    [image] = store.images(other_bundle.id.hex())
    assert image.bitstream == latent_coder.encode(symbols(other_bundle), other_bundle.tables)
    assert (
        only(
            host, *SmallNode(bundle, start=100, salt=b"new!").packets(symbols(bundle)), now_s=3.0
        ).image
        == 100
    )


def test_a_packet_of_another_bundle_is_kept_for_a_host_that_has_it(host, other_bundle, store):
    sent = symbols(other_bundle)
    receive(host, *SmallNode(other_bundle).packets(sent))
    [image] = store.images(other_bundle.id.hex())
    assert image.bitstream == latent_coder.encode(sent, other_bundle.tables)


def test_packets_of_two_bundles_of_one_node_are_each_read_by_their_own_decoder(
    node_entry, store, bundle, tmp_path
):
    new = make_bundle(tmp_path / "new", random_tables(seed=3), decoder_seed=1)
    host = Host([replace(node_entry, bundle=new, earlier_bundles=(bundle,))], store, [], TIMING)
    before, after = SmallNode(bundle), SmallNode(new, start=400, salt=b"new!")
    labels = []
    for seed in range(10):
        answers = receive(host, *before.packets(symbols(bundle, seed)))
        labels += [
            (answers[0].bundle, answers[0].label, right_label(symbols(bundle, seed), seed=0))
        ]
    for seed in range(10):
        answers = receive(host, *after.packets(symbols(new, seed)))
        labels += [(answers[0].bundle, answers[0].label, right_label(symbols(new, seed), seed=1))]
    assert [said for said, _, _ in labels] == [bundle.id.hex()] * 10 + [new.id.hex()] * 10
    assert [label for _, label, _ in labels] == [right for _, _, right in labels]
    assert store.bundles() == {bundle.id.hex(): 10, new.id.hex(): 10}


def test_the_same_packet_by_a_second_gateway_is_dropped_and_counted(host, node, bundle, store):
    [packet] = node.packets(symbols(bundle))
    only(host, packet)
    [event] = host.receive(packet, 0.01, gateway=0)
    assert event.reason == "duplicate"
    assert counted(host, store) == {"duplicate": 1}
    assert host.figures(NODE)["duplicate"] == 1
    assert store.statistics()["nodes"][0]["packets"] == 1


def test_a_chunk_sent_again_is_counted_and_acknowledged_again(host, node, bundle, store):
    sent = symbols(bundle)
    [chunk] = node.chunks(sent, image=0)
    node.packets(sent)
    only(host, node.seal_chunk(chunk))
    assert rejected(host, node.seal_chunk(chunk, Flag.LISTEN)).reason == "repeated"
    assert report(host, node).received & 0b11 == 0b11
    assert store.bundles() == {bundle.id.hex(): 1}


def test_a_replay_is_refused_after_a_restart(node_entry, node, bundle, tmp_path):
    recorded = [node.packets(symbols(bundle, seed)) for seed in range(3)]
    with Store(tmp_path / "restart.sqlite") as store:
        for packets in recorded:
            only(Host([node_entry], store), *packets)
    with Store(tmp_path / "restart.sqlite") as store:
        host = Host([node_entry], store)
        assert [rejected(host, *packets).reason for packets in recorded] == ["replay"] * 3
        only(host, *node.packets(symbols(bundle, 3)))


def test_counters_of_refused_packets_are_used_up_too(node_entry, other_bundle, tmp_path):
    packets = SmallNode(other_bundle, start=40).packets(symbols(other_bundle))
    with Store(tmp_path / "restart.sqlite") as store:
        rejected(Host([node_entry], store, [other_bundle]), *packets)
        state = store.state(NODE, KEY)
        assert state
        assert state.highest == 41
        assert rejected(Host([node_entry], store, [other_bundle]), *packets).reason == "replay"


def test_an_image_goes_on_where_an_earlier_start_of_the_host_left_it(node_entry, bundle, tmp_path):
    sent = symbols(bundle)
    packets = SmallNode(bundle, chunk_bytes=2).packets(sent)
    answers = []
    for packet in packets:
        with Store(tmp_path / "restart.sqlite") as store:
            answers.append(only(Host([node_entry], store), packet))
    assert [answer.n_chunks for answer in answers] == list(range(1, len(packets) + 1))
    assert answers[-1].is_complete
    assert answers[-1].label == right_label(sent)


def test_a_base_chunk_sent_again_to_a_new_start_takes_nothing_back(node_entry, bundle, tmp_path):
    sent, node = symbols(bundle), SmallNode(bundle, chunk_bytes=2)
    chunks = node.chunks(sent, image=0)
    node.packets(sent)
    with Store(tmp_path / "restart.sqlite") as store:
        receive(Host([node_entry], store), *map(node.seal_chunk, chunks[:2]))
        assert only(Host([node_entry], store), node.seal_chunk(chunks[0])).n_chunks == 2


def test_only_what_is_stored_is_acknowledged(host, node, bundle, store):
    first = only(host, *node.packets(symbols(bundle), flags=Flag.LISTEN))
    assert report(host, node).received & 1
    assert store.state(NODE, KEY).highest == first.counter
    store.close()
    [notice] = host.receive(*node.packets(symbols(bundle, 1), flags=Flag.LISTEN), 0.3)
    assert "is closed" in notice.sentence
    assert said(host, node, 0.6) == []


def test_a_node_is_told_when_an_image_needs_no_more(node_entry, calibrated_bundle, store):
    host = Host(
        [replace(node_entry, bundle=calibrated_bundle)],
        store,
        (),
        TIMING,
        VerdictConfig(confidence=0.01),
    )
    node = SmallNode(calibrated_bundle, chunk_bytes=2)
    first, *_ = node.packets(symbols(calibrated_bundle), flags=Flag.LISTEN)
    answer = only(host, first)
    assert (answer.is_enough, answer.is_complete, answer.is_settled) == (True, False, True)
    assert answer.confidence is not None
    assert report(host, node).enough == 1


def test_without_verdicts_an_image_is_awaited_whole(host, bundle):
    node = SmallNode(bundle, chunk_bytes=2)
    first, *_ = node.packets(symbols(bundle), flags=Flag.LISTEN)
    assert not only(host, first).is_enough
    assert report(host, node).enough == 0


def test_a_bundle_without_calibration_is_said_where_verdicts_are_wanted(node_entry, store):
    [sentence] = Host([node_entry], store, verdict=VerdictConfig()).notices
    assert "not calibrated" in sentence
    assert Host([node_entry], store).notices == []


def test_a_node_that_wants_the_time_is_told(host, node):
    receive(host, node.hello(wants_time=True))
    [told] = [heard for heard in said(host, node, 0.2) if isinstance(heard, Time)]
    assert told.unix_s > 1.7e9


def test_a_node_that_wants_a_slot_is_given_one(host, node):
    receive(host, node.hello(wants_slot=True))
    [slot] = [heard for heard in said(host, node, 0.2) if isinstance(heard, Slot)]
    assert 0 < slot.width_s <= slot.period_s


def test_what_a_node_says_of_itself_is_in_its_figures(host, node, store):
    status = Status(queue_images=3, oldest_age_s=60.0, budget_s=None, n_evicted=1)
    assert receive(host, node.seal(PacketType.STATUS, status.pack())) == []
    assert (host.figures(NODE)["queue_images"], host.figures(NODE)["evicted"]) == (3, 1)
    host.close()
    [link] = store.statistics()["link"]
    assert (link["node"], link["queue_images"]) == (NODE, 3)


def test_the_person_is_told_what_keeps_a_node_from_its_work(host, node):
    status = Status(0, None, None, fault='node.toml: key "x" is unknown')
    notices = host.receive(node.seal(PacketType.STATUS, status.pack()), 0.0)
    assert notices[-1] == Notice(f"node {NODE} captures nothing: {status.fault}", is_problem=True)


def test_how_well_a_packet_was_heard_and_where_is_stored(node_entry, store, node, bundle):
    host = Host([node_entry], store, gateways=[GatewayEntry("cellar"), GatewayEntry("roof")])
    [packet] = node.packets(symbols(bundle))
    host.receive(packet, 0.0, Quality(7.0, -80.0), gateway=1)
    assert read(store, "SELECT gateway, snr_db, rssi_dbm FROM receptions") == [
        {"gateway": "roof", "snr_db": 7.0, "rssi_dbm": -80.0}
    ]


@pytest.fixture
def network_host(node_entry, store):
    """A radio gateway and a network's, and a node behind the latter."""
    member = replace(node_entry, key=b"", device="70b3d57ed005b89a")
    return Host(
        [member], store, gateways=[GatewayEntry("roof"), GatewayEntry("network", is_network=True)]
    )


def network_packets(bundle, row: np.ndarray) -> list[bytes]:
    """HELLO and one image, as a LoRaWAN network hands them over."""
    greeting = Greeting(bundle.id, image=5).pack()
    [chunk] = SmallNode(bundle).chunks(row, image=5, age_s=1.0)
    bodies = ((PacketType.HELLO, greeting), (PacketType.DATA, pack_chunk(chunk)))
    return [
        uplink_packet(NODE, b"addr", frame_counter, *body)
        for frame_counter, body in enumerate(bodies)
    ]


def test_a_node_behind_a_lorawan_network_is_answered(network_host, bundle, store):
    sent = symbols(bundle)
    events = [
        event
        for packet in network_packets(bundle, sent)
        for event in network_host.receive(packet, 0.0, gateway=1)
    ]
    [answer] = [event for event in events if isinstance(event, Answer)]
    assert (answer.image, answer.label) == (5, right_label(sent))
    assert store.newest_image(NODE, b"", bundle.id.hex()) == 5


def test_a_packet_in_clear_is_believed_only_from_the_network(network_host, host, bundle, store):
    for packet in network_packets(bundle, symbols(bundle)):
        for one in (network_host, host):
            assert {event.reason for event in one.receive(packet, 0.0, gateway=0)} == {
                "wire version"
            }
    assert store.bundles() == {}


def test_noise_is_counted(host, store):
    [event] = host.noise(3)
    assert event.reason == "noise"
    assert host.noise(0) == []
    assert counted(host, store) == {"noise": 3}


def test_counts_are_stored_once_in_a_while(host, store):
    for now_s, n_stored in ((0.0, 1), (0.5, 1), (2.0, 3)):
        host.noise(1)
        host.count_in_time(now_s)
        assert store.statistics()["refusals"][0]["n"] == n_stored


def test_a_packet_cut_off_is_malformed(host, node, bundle):
    assert rejected(host, node.packets(symbols(bundle))[0][:3]).reason == "malformed"


def test_an_unknown_node_is_named_with_the_known(host, bundle):
    said = rejected(host, *SmallNode(bundle, node=9).packets(symbols(bundle)))
    assert said.reason == "unknown node"
    assert "node 9" in said.sentence
    assert f"[{NODE}]" in said.sentence


def test_a_chunk_without_its_predecessor_waits_for_it(host, bundle, store):
    first, *later = SmallNode(bundle, chunk_bytes=2).packets(symbols(bundle))
    assert rejected(host, later[0]).reason == "gap"
    answer = only(host, first)
    assert (answer.n_chunks, answer.counter) == (2, 1)
    [image] = store.images(bundle.id.hex())
    assert len(image.bitstream) == answer.bitstream_bytes


def test_a_chunk_that_another_host_holds_back_is_no_chunk_of_this_image(host, node, bundle):
    """Ids tell images apart: a later chunk of one never lands in another."""
    sent = symbols(bundle)
    only(host, *SmallNode(bundle, chunk_bytes=200).packets(sent))
    node.packets(sent)
    assert rejected(host, node.seal_chunk(Chunk(1, 1, True, b"\x01"))).reason == "gap"


def test_the_host_goes_on_after_all_of_it(host, node, bundle, other_bundle):
    for packet in (b"", bytes(255), *SmallNode(other_bundle).packets(symbols(other_bundle))):
        receive(host, packet)
    node.packets(symbols(bundle))  # the same counter as the other bundle's
    answer = only(host, *node.packets(symbols(bundle, 5)))
    assert answer.label == right_label(symbols(bundle, 5))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_no_bytes_are_answered_and_none_are_fatal(host, packets):
    for packet in packets:
        assert all(isinstance(event, Rejected) for event in receive(host, packet))


def test_an_image_under_another_s_id_is_neither_stored_nor_acknowledged_and_the_node_is_told(
    node_entry, store, bundle
):
    """A node that lost its counters gives an id twice; the host has started anew since the first
    image came.
    """
    node = SmallNode(bundle)
    [first] = node.packets(symbols(bundle), flags=Flag.LISTEN)
    assert isinstance(only(Host([node_entry], store, (), TIMING), first), Answer)
    host = Host([node_entry], store, (), TIMING)
    [chunk] = node.chunks(symbols(bundle, 5), image=0)
    refused = rejected(host, node.seal_chunk(chunk, Flag.LISTEN))
    assert (refused.reason, "came before with another content" in refused.sentence) == (
        "collision",
        True,
    )
    [image] = store.images(bundle.id.hex())
    assert image.bitstream == latent_coder.encode(symbols(bundle), bundle.tables)
    heard = said(host, node, now_s=0.5)
    assert Advance(2) in heard
    assert not any(one.received & 1 for one in heard if isinstance(one, Report))


def test_an_onlooker_learns_of_each_packet_what_came_of_it(node_entry, store, bundle, node):
    seen: list = []
    host = Host([node_entry], store, gateways=[GatewayEntry("roof")], onlooker=seen.append)
    [packet] = node.packets(symbols(bundle))
    told = Status(queue_images=3, oldest_age_s=60.0, budget_s=1.5, fault="no camera")
    status = node.seal(PacketType.STATUS, told.pack())
    for each in (packet, packet, b"garbage", status):
        host.receive(each, 0.0, Quality(7.5, -97))
    good, again, nobodys, said = seen
    assert [one.outcome for one in seen[:2]] == ["stored", "duplicate"]
    assert (good.gateway, good.node, good.packet_bytes) == ("roof", NODE, len(packet))
    assert (good.quality.snr_db, good.figures["received"]) == (7.5, 1)
    assert good.commit_s > 0
    assert (again.figures, again.commit_s, nobodys.node) == ({}, None, None)
    assert said.told.status.queue_images == 3
    assert (said.figures["received"], said.is_stored) == (2, True)
