"""A team is one node: whichever of its cards speaks, an image is one image and is answered once."""

from dataclasses import replace

import pytest

from host_decoder.config import KnownNode
from host_decoder.events import Answer, Notice
from host_decoder.receive.host import Host
from host_decoder.store.history.redecode import redecode
from host_decoder.store.store import Store
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import Advance, Report
from link.wire.packet import Flag
from tests.worlds.small_host import KEY, NODE, SmallNode, right_label
from tests.worlds.small_team import make_team_bundle, team_symbols

TIMING = LinkTiming(get_profile("lora-sf7"))
ALL, TWO = (True, True, True), (True, False, True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "blobs")


@pytest.fixture
def host(bundle, store):
    return Host([KnownNode(NODE, KEY, bundle)], store, timing=TIMING)


def card(bundle, name: bytes, start: int = 0, chunk_bytes: int = 200) -> SmallNode:
    return SmallNode(bundle, salt=name, start=start, chunk_bytes=chunk_bytes)


def heard(host: Host, *packets: bytes) -> list:
    events = [event for packet in packets for event in host.receive(packet, 0.0)]
    return [event for event in events if not isinstance(event, Notice)]


def sent(node: SmallNode, image: int, alive=ALL, seed: int = 0, flags: int = 0) -> list[bytes]:
    chunks = node.chunks(team_symbols(seed, alive), image)
    return [node.seal_chunk(chunk, flags) for chunk in chunks]


def said(host: Host, node: SmallNode) -> list:
    found, now_s = [], 0.1
    while (downlink := host.next_packet(now_s)) is not None:
        found.append(node.hear(downlink.packet))
        now_s += downlink.airtime_s
        host.transmitted(now_s)
    return found


@pytest.mark.parametrize("alive", [ALL, TWO, (False, False, True)])
def test_an_answer_tells_who_was_alive(host, bundle, alive):
    [answer] = heard(host, *sent(card(bundle, b"one!", 10), 9, alive))
    assert isinstance(answer, Answer)
    assert (answer.alive, answer.is_complete) == (alive, True)
    assert answer.label == right_label(team_symbols(0, alive))
    assert answer.to_json()["alive"] == [int(one) for one in alive]


def test_cards_that_take_turns_lose_no_image_and_none_is_counted_twice(host, bundle, store):
    one, two = card(bundle, b"one!", 100), card(bundle, b"two!", 200)
    answers = []
    for image in range(10):
        first, second = (two, one) if image % 2 else (one, two)
        answers += heard(host, *sent(first, image, seed=image))
        late = heard(host, *sent(second, image, TWO, seed=image))
        assert [event.reason for event in late] == ["other version"]
    assert [answer.image for answer in answers] == list(range(10))
    figures = host.figures(NODE)
    assert (figures["images"], figures["stale"], figures["malformed"]) == (10, 0, 0)
    assert len(list(store.images(bundle.id.hex()))) == 10


def test_what_comes_by_another_card_is_acknowledged_to_that_card(host, bundle):
    one, two = card(bundle, b"one!", 100), card(bundle, b"two!", 200)
    heard(host, *sent(one, 9))
    [late] = heard(host, *sent(two, 9, TWO, flags=Flag.LISTEN))
    assert late.reason == "other version"
    [report] = said(host, two)
    assert isinstance(report, Report)
    assert report.received & 1, "it need not send it again"


def test_two_cards_that_ask_are_answered_each(host, bundle):
    one, two = card(bundle, b"one!", 100), card(bundle, b"two!", 200)
    heard(host, *sent(one, 9, flags=Flag.LISTEN), *sent(two, 10, flags=Flag.LISTEN))
    packets = []
    for now_s in (0.1, 0.3):
        downlink = host.next_packet(now_s)
        assert downlink is not None
        packets.append(downlink.packet)
        host.transmitted(now_s + 0.1)
    assert [type(node.hear(packet)) for node, packet in zip((one, two), packets, strict=True)] == [
        Report,
        Report,
    ]


def test_a_card_that_is_behind_is_told_to_go_on_above(host, bundle):
    one, two = card(bundle, b"one!", 100), card(bundle, b"two!", 50)
    heard(host, *sent(one, 9))
    [stale] = heard(host, *sent(two, 10, flags=Flag.LISTEN))
    assert stale.reason == "stale session"
    assert said(host, two) == [Advance(100)]


def test_an_image_that_its_card_left_unfinished_is_that_of_the_card_that_finished_it(
    host, bundle, store
):
    one, two = card(bundle, b"one!", 100, chunk_bytes=2), card(bundle, b"two!", 200, chunk_bytes=2)
    first, *_ = sent(one, 9)
    [partly] = heard(host, first)
    assert not partly.is_complete
    finished = heard(host, *sent(two, 9, TWO, seed=1))
    answer = finished[-1]
    assert isinstance(answer, Answer)
    assert (answer.is_complete, answer.alive) == (True, TWO)
    assert answer.label == right_label(team_symbols(1, TWO))
    [line] = redecode(store, bundle)
    assert (line["label"], line["alive"]) == (answer.label, [1, 0, 1])
    assert line["is_complete"]


def test_a_host_that_starts_anew_knows_which_images_are_whole(host, bundle, store, tmp_path):
    one, two = card(bundle, b"one!", 100), card(bundle, b"two!", 200)
    heard(host, *sent(one, 9))
    host.close()
    store.close()
    with Store(tmp_path / "store.sqlite") as again:
        anew = Host([KnownNode(NODE, KEY, bundle)], again, timing=TIMING)
        late = heard(anew, *sent(two, 9, TWO))
        assert [event.reason for event in late] == ["other version"]
        [image] = again.images(bundle.id.hex())
        assert image.counter == 100


def test_a_half_that_was_stored_before_the_host_started_anew_is_finished_by_its_own_card_only(
    host, bundle, store, tmp_path
):
    one, two = card(bundle, b"one!", 100, chunk_bytes=2), card(bundle, b"two!", 200, chunk_bytes=2)
    mine, others = sent(one, 9), sent(two, 9, TWO, seed=1)
    heard(host, mine[0])
    host.close()
    store.close()
    with Store(tmp_path / "store.sqlite") as again:
        anew = Host([KnownNode(NODE, KEY, bundle)], again, timing=TIMING)
        assert [event.reason for event in heard(anew, others[1])] == ["gap"]
        answers = heard(anew, *others[:1], *others[2:])
        assert answers[-1].label == right_label(team_symbols(1, TWO))
        assert answers[-1].is_complete


def test_a_single_node_s_answer_says_nothing_of_a_team(host, bundle):
    [answer] = heard(host, *sent(card(bundle, b"one!", 10), 9))
    assert "alive" not in replace(answer, alive=None).to_json()
