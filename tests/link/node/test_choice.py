"""What a node sends first, of all that it could say."""

import pytest

from link.wire.control import AskStatus, pack_command
from link.wire.packet import PacketType
from tests.link.node.test_sender import SALT, FakeHost, send
from tests.worlds.ends import OutboxNode
from tests.worlds.small_bundle import make_bundle


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "bundle")


def test_news_of_a_fault_goes_before_a_status_that_is_owed_and_both_before_any_image(
    tmp_path, bundle
):
    node, host = OutboxNode(tmp_path, bundle, salt=SALT), FakeHost(bundle)
    image = node.put(b"base", b"more")
    node.sender.tell_fault("no camera")
    ask = pack_command(AskStatus())
    kinds: list[PacketType] = []
    chunks: list[tuple[int, int]] = []
    for second in range(1, 5):
        outgoing = send(node, 10.0 * second)
        kinds.append(outgoing.packet_type)
        chunks += outgoing.chunks
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), 10.0 * second + 0.5)
        if second == 1:
            node.sender.receive(host.say(PacketType.COMMAND, ask), 11.0)
    assert kinds == [PacketType.STATUS, PacketType.STATUS, PacketType.DATA, PacketType.DATA]
    assert chunks == [(image, 0), (image, 1)]


def test_a_base_chunk_of_an_old_image_goes_before_the_refinements_of_a_new_one(tmp_path, bundle):
    node, host = OutboxNode(tmp_path, bundle, salt=SALT), FakeHost(bundle)
    first, second = node.put(b"base", b"more"), node.put(b"base", b"more")
    sent = []
    for moment in range(4):
        outgoing = send(node, float(moment))
        sent += outgoing.chunks
        node.sender.receive(host.report(outgoing.counter, 0xFFFF), moment + 0.5)
    assert sent == [(first, 0), (second, 0), (second, 1), (first, 1)]


def test_to_a_silent_host_goes_nothing_but_probes(tmp_path, bundle):
    node, now_s = OutboxNode(tmp_path, bundle, salt=SALT), 0.0
    first = node.put(b"base")
    while node.sender.n_missed < 6:
        send(node, now_s)
        now_s = node.sender.next_due_s(now_s) or now_s
    node.put(b"base")
    n_before = node.sender.statistics.n_probes
    sent: list[tuple[tuple[int, int], ...]] = []
    while len(sent) < 3:
        if (outgoing := send(node, now_s)) is not None:
            sent.append(outgoing.chunks)
        now_s = node.sender.next_due_s(now_s) or now_s
    assert sent == 3 * [((first, 0),)]
    assert node.sender.statistics.n_probes == n_before + 3
