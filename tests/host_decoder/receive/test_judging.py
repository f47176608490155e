"""Packets that come together lead to what each of them would lead to alone."""

from dataclasses import replace

import pytest

from host_decoder.config import KnownNode
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer, Notice
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from link.carriers.carrier import Received
from link.host.interface import Reason
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.packet import Chunk
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode

OTHER_KEY = bytes(range(1, 17))
TIMING = LinkTiming(get_profile("lora-sf7"))


@pytest.fixture
def known(calibrated_bundle, other_bundle) -> list[KnownNode]:
    return [KnownNode(NODE, KEY, calibrated_bundle), KnownNode(8, OTHER_KEY, other_bundle)]


def sent(known: list[KnownNode], n_images: int) -> list[bytes]:
    """Images of nodes with different bundles, in chunks; one of them is lost, others are late."""
    ends = [SmallNode(one.bundle, one.key, one.number, chunk_bytes=4) for one in known]
    packets = [
        packet
        for seed in range(n_images)
        for end in ends
        for packet in end.packets(random_symbols(end.bundle.tables, seed))
    ]
    del packets[3]
    return [*packets[::2], *packets[1::2], *packets[:2]]


def said(event) -> dict:
    """To the last bit."""
    if not isinstance(event, Answer):
        return {"reason": event.reason, "sentence": event.sentence}
    exact = {"probabilities": event.probabilities.tobytes(), "confidence": event.confidence}
    return {**event.to_json(), **exact, "received_s": None}


def test_a_batch_is_answered_as_its_packets_would_be_one_by_one(known, tmp_path):
    packets = [(0, Received(packet)) for packet in sent(known, 12)]
    events = []
    for name, step in (("alone", 1), ("together", len(packets))):
        with Store(tmp_path / name) as store:
            host = Host(known, store, timing=TIMING, verdict=VerdictConfig(confidence=0.9))
            events.append(
                [
                    said(event)
                    for start in range(0, len(packets), step)
                    for event in host.receive_all(packets[start : start + step], 0.0)
                    if not isinstance(event, Notice)
                ]
            )
    alone, together = events
    assert sum("label" in one for one in alone) > 20
    assert {one.get("reason") for one in alone} == {None, Reason.GAP, Reason.DUPLICATE}
    assert together == alone


def test_a_bitstream_that_is_none_is_refused_and_counted_once(known, bundle, store):
    host = Host([KnownNode(NODE, KEY, bundle)], store, timing=TIMING)
    node = SmallNode(bundle)
    good = node.packets(random_symbols(bundle.tables, 0))
    bad = node.seal_chunk(Chunk(next(node._counters), 0, True, b"\xff" * 40, 0.0))
    aside = store.place.with_name("aside")
    store.place.rename(aside)
    [trouble] = host.receive_all([(0, Received(packet)) for packet in (bad, *good)], 0.0)
    assert "was moved" in str(trouble)
    aside.rename(store.place)
    events = [event for second in range(1, 9) for event in host.count_in_time(float(second))]
    [refused] = [event for event in events if getattr(event, "reason", None) == Reason.MALFORMED]
    assert "cannot have been written with these tables" in str(refused)
    assert [type(event) for event in events].count(Answer) == 1
    assert host.figures(NODE)["malformed"] == 1
    assert store.statistics()["nodes"][0]["images"] == 1


def test_a_task_of_one_node_is_answered_for_that_node_alone(node_entry, bundle, store):
    asked = replace(node_entry, tasks=("label",))
    host = Host([asked, KnownNode(8, OTHER_KEY, bundle)], store, timing=TIMING)
    ends = [SmallNode(bundle), SmallNode(bundle, OTHER_KEY, 8)]
    came = [
        (0, Received(packet))
        for seed in range(3)
        for end in ends
        for packet in end.packets(random_symbols(bundle.tables, seed))
    ]
    answers = [event for event in host.receive_all(came, 0.0) if isinstance(event, Answer)]
    assert [answer.node for answer in answers] == [NODE, 8] * 3
    for answer in answers:
        assert list(answer.tasks) == (["label"] if answer.node == NODE else [])
        assert all(one["label"] == answer.label for one in answer.tasks.values())
