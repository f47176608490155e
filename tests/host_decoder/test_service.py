"""The host answers what is sealed for it and explains everything else; nothing that arrives ends it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_decoder.events import Answer, Explainer, Refusal
from host_decoder.service import Host
from host_decoder.store import Store
from link import latent_coder
from link.framing import frame
from tests.host_decoder.small import CLASSES, KEY, NODE, SmallNode, right_label
from tests.link.small import random_symbols


@pytest.fixture
def host(node_entry, store, other_bundle):
    return Host([node_entry], store, [other_bundle])


@pytest.fixture
def node(bundle):
    return SmallNode(bundle)


def symbols(bundle, seed: int = 0) -> np.ndarray:
    return random_symbols(bundle.tables, seed)


def refusal(events) -> Refusal:
    [event] = events
    assert isinstance(event, Refusal)
    return event


def counted(store: Store) -> dict[str, int]:
    return {row["reason"]: row["n"] for row in store.statistics()["refusals"]}


def test_a_sealed_image_is_answered_with_its_class(host, node, bundle):
    for seed in range(20):
        sent = symbols(bundle, seed)
        [answer] = host.receive(node.frames(sent), now_s=100.0)
        assert isinstance(answer, Answer)
        assert answer.label == right_label(sent)
        assert (answer.image, answer.counter, answer.node) == (seed, seed, NODE)
        assert (answer.n_known, answer.is_complete, answer.received_s) == (12, True, 100.0)


def test_answer_bytes_are_those_of_bitstream_and_packet(host, node, bundle):
    sent = symbols(bundle)
    [answer] = host.receive(node.frames(sent), now_s=0.0)
    assert answer.bitstream_bytes == len(latent_coder.encode(sent, bundle.tables))
    assert answer.packet_bytes == answer.bitstream_bytes + 11


def test_every_chunk_refines_the_answer(host, bundle):
    sent = symbols(bundle)
    packets = SmallNode(bundle, max_packet_bytes=13).packets(sent)
    answers = [host.receive_packet(packet, now_s=0.0) for packet in packets]
    assert len(answers) > 1
    assert [answer.n_chunks for answer in answers] == list(range(1, len(packets) + 1))
    assert [answer.n_known for answer in answers] == sorted(answer.n_known for answer in answers)
    assert [answer.is_complete for answer in answers] == [False] * (len(packets) - 1) + [True]
    assert {answer.first_counter for answer in answers} == {0}
    assert answers[-1].label == right_label(sent)


def test_the_stream_may_be_cut_anywhere(host, node, bundle):
    stream = b"".join(node.frames(symbols(bundle, seed)) for seed in range(5))
    events = [event for byte in stream for event in host.receive(bytes([byte]), now_s=0.0)]
    assert [event.image for event in events] == [0, 1, 2, 3, 4]


def test_top_classes_are_in_order_and_json_ready(host, node, bundle):
    [answer] = host.receive(node.frames(symbols(bundle)), now_s=0.0)
    top = answer.top(4)
    assert {label for label, _ in top} == set(CLASSES)
    assert [probability for _, probability in top] == sorted((p for _, p in top), reverse=True)
    assert answer.to_json()["top"][0][0] == answer.to_json()["label"] == answer.label


def test_a_wrong_key_is_refused_with_what_to_compare(host, bundle, store):
    stranger = SmallNode(bundle, key=bytes(16))
    said = refusal(host.receive(stranger.frames(symbols(bundle)), now_s=0.0))
    assert said.reason == "not opened"
    assert "compare node.key and the bundle's id" in said.sentence
    assert counted(store) == {"not opened": 1}
    assert store.bundles() == {}


def test_a_packet_of_another_bundle_is_named(host, other_bundle, bundle, store):
    said = refusal(host.receive(SmallNode(other_bundle).frames(symbols(other_bundle)), now_s=0.0))
    assert said.reason == "other bundle"
    assert other_bundle.id.hex() in said.sentence
    assert bundle.id.hex() in said.sentence
    assert counted(store) == {"other bundle": 1}


def test_a_packet_of_another_bundle_is_kept_for_a_host_that_has_it(host, other_bundle, store):
    sent = symbols(other_bundle)
    host.receive(SmallNode(other_bundle).frames(sent), now_s=0.0)
    [image] = store.images(other_bundle.id.hex())
    assert image.bitstream == latent_coder.encode(sent, other_bundle.tables)


def test_a_replay_is_refused(host, node, bundle, store):
    frames = node.frames(symbols(bundle))
    host.receive(frames, now_s=0.0)
    said = refusal(host.receive(frames, now_s=1.0))
    assert (said.reason, counted(store)) == ("replay", {"replay": 1})
    assert "was received before" in said.sentence


def test_a_replay_is_refused_after_a_restart(node_entry, node, bundle, tmp_path):
    recorded = [node.frames(symbols(bundle, seed)) for seed in range(3)]
    with Store(tmp_path / "restart.sqlite") as store:
        for frames in recorded:
            [event] = Host([node_entry], store).receive(frames, now_s=0.0)
            assert isinstance(event, Answer)
    with Store(tmp_path / "restart.sqlite") as store:
        host = Host([node_entry], store)
        assert [refusal(host.receive(frames, now_s=0.0)).reason for frames in recorded] == ["replay"] * 3
        [event] = host.receive(node.frames(symbols(bundle, 3)), now_s=0.0)
        assert isinstance(event, Answer)


def test_counters_of_refused_packets_are_used_up_too(node_entry, other_bundle, tmp_path):
    frames = SmallNode(other_bundle, start=41).frames(symbols(other_bundle))
    with Store(tmp_path / "restart.sqlite") as store:
        refusal(Host([node_entry], store, [other_bundle]).receive(frames, now_s=0.0))
        assert store.highest_counter(NODE, KEY) == 41
        assert refusal(Host([node_entry], store, [other_bundle]).receive(frames, now_s=0.0)).reason == "replay"


def test_noise_is_told_from_attack(host, node, bundle, store):
    frames = bytearray(node.frames(symbols(bundle)))
    frames[3] ^= 0x40
    assert refusal(host.receive(bytes(frames), now_s=0.0)).reason == "noise"
    forged = bytearray(node.packets(symbols(bundle))[0])
    forged[6] ^= 0x40
    assert refusal(host.receive(frame(bytes(forged)), now_s=0.0)).reason == "not opened"
    assert counted(store) == {"noise": 1, "not opened": 1}


def test_a_packet_cut_off_is_malformed(host, node, bundle):
    assert refusal(host.receive(frame(node.packets(symbols(bundle))[0][:7]), now_s=0.0)).reason == "malformed"


def test_an_unknown_node_is_named_with_the_known(host, bundle):
    said = refusal(host.receive(SmallNode(bundle, node=9).frames(symbols(bundle)), now_s=0.0))
    assert said.reason == "unknown node"
    assert "node 9" in said.sentence
    assert f"[{NODE}]" in said.sentence


def test_a_chunk_without_its_predecessor_waits_for_it(host, bundle, store):
    first, *later = SmallNode(bundle, max_packet_bytes=13).packets(symbols(bundle))
    assert host.receive_packet(later[0], now_s=0.0).reason == "gap"
    answer = host.receive_packet(first, now_s=0.0)
    assert (answer.n_chunks, answer.counter) == (2, 0)
    [image] = store.images(bundle.id.hex())
    assert len(image.bitstream) == answer.bitstream_bytes


def test_the_host_goes_on_after_all_of_it(host, node, bundle, other_bundle):
    for data in (b"\0", bytes(600), b"\xff" * 600 + b"\0", SmallNode(other_bundle).frames(symbols(other_bundle))):
        host.receive(data, now_s=0.0)
    node.packets(symbols(bundle))  # the same counter as the other bundle's
    [answer] = host.receive(node.frames(symbols(bundle, 5)), now_s=0.0)
    assert answer.label == right_label(symbols(bundle, 5))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_no_bytes_are_answered_and_none_are_fatal(host, pieces):
    for piece in pieces:
        assert not any(isinstance(event, Answer) for event in host.receive(piece, now_s=0.0))
        assert isinstance(host.receive_packet(piece, now_s=0.0), Refusal)


def test_a_log_hears_of_each_reason_once_in_a_while():
    explainer = Explainer(period_s=10.0)
    replay, noise = Refusal("replay", "seen before."), Refusal("noise", "damaged.")
    assert explainer.explain(replay, now_s=0.0) == "seen before."
    assert explainer.explain(noise, now_s=1.0) == "damaged."
    assert [explainer.explain(replay, now_s) for now_s in (2.0, 9.9)] == [None, None]
    assert explainer.explain(replay, now_s=10.0) == "seen before. (2 more of this kind since the last message)"
