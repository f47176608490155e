"""What pages ask of a store: the wall, results by pages, links by hour, what is shown."""

from dataclasses import replace
from typing import Any

import pytest

from host_decoder.events import Answer
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.reading import Filter, Reading, key_of
from host_decoder.store.keeping import HOUR_S
from host_decoder.store.receipt import HeardAgain, Receipt, ReceivedPacket, RejectedCount, Totals
from host_decoder.store.store import Store
from link.host.interface import NodeState, NotUsed, Reason, StatusHeard
from link.wire.control import Quality, Status
from link.wire.packet import Chunk
from tests.worlds.small_host import BUNDLE, KEY, answer

NOON_S = 500_000 * HOUR_S * 1.0
ROOF = Quality(7.0, -80.0)


def said(image: int, label: int = 1, n_chunks: int = 1, **about: Any) -> Answer:
    told = answer(image, label=label, n_chunks=n_chunks)
    return replace(told, received_s=NOON_S + image, counter=image + n_chunks, **about)


def receipt(told: Answer, node: int = 7) -> Receipt:
    chunk = Chunk(told.image, told.n_chunks - 1, True, b"\x05", 2.0)
    packet = ReceivedPacket(told.counter, BUNDLE, (chunk,), b"sealed", "roof", ROOF)
    state = NodeState(b"salt", told.counter, 1)
    answers = (replace(told, node=node),)
    return Receipt(node, KEY, state, told.received_s, (packet,), answers)


@pytest.fixture
def farm(tmp_path):
    with Store(tmp_path / "farm.sqlite", site="farm") as store:
        yield store


@pytest.fixture
def reading(farm):
    with Reading(farm.place) as reading:
        yield reading


def test_the_wall_has_a_row_for_each_node_with_its_latest_answer(farm, reading):
    farm.add_all([receipt(said(1, label=0)), receipt(said(2, label=3)), receipt(said(1), node=8)])
    seven, eight = reading.wall("farm")
    assert (seven["site"], seven["node"], seven["label"], seven["image"]) == ("farm", 7, "dog", 2)
    assert (seven["n_packets"], seven["n_results"], seven["gateway"]) == (2, 2, "roof")
    assert seven["top"][0] == ["dog", 1.0]
    assert (eight["node"], eight["label"], eight["snr_db"]) == (8, "bee", 7.0)
    assert reading.wall("elsewhere") == []
    assert reading.node("farm", 7) == seven
    assert reading.node("farm", 9) is None
    assert reading.sites() == [{"site": "farm", "nodes": 2}]


def test_a_status_is_on_the_wall_and_in_the_history(farm, reading):
    status = Status(12, 600.0, 20.0, n_evicted=3, fault="no camera")
    heard = replace(receipt(said(1)), answers=(), heard=StatusHeard(7, 2, status))
    farm.add_all([receipt(said(1)), heard])
    node = reading.node("farm", 7)
    assert (node["label"], node["queue_images"], node["fault"]) == ("bee", 12, "no camera")
    [told] = reading.link_hours("farm", 7, 0)["statuses"]
    assert (told["budget_s"], told["n_evicted"], told["oldest_age_s"]) == (20.0, 3, 600.0)


def test_a_page_begins_behind_the_key_of_the_one_before(farm, reading):
    farm.add_all([receipt(said(image), node=node) for image in range(10) for node in (7, 8)])
    newest = reading.results(limit=3)
    assert [(row["image"], row["node"]) for row in newest] == [(9, 8), (9, 7), (8, 8)]
    older = reading.results(before=key_of(newest[-1]), limit=2)
    assert [(row["image"], row["node"]) for row in older] == [(8, 7), (7, 8)]
    newer = reading.results(after=key_of(older[0]), limit=1)
    assert [(row["image"], row["node"]) for row in newer] == [(8, 8)]
    assert [row["image"] for row in reading.all_results(Filter(site="farm", node=7))] == [
        *range(10)
    ]
    assert newest[0]["probabilities"] == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("which", "images"),
    [
        (Filter(label="bee"), [3, 1]),
        (Filter(label="unheard of"), []),
        (Filter(since_s=NOON_S + 2, until_s=NOON_S + 3), [2]),
        (Filter(min_confidence=0.5), [3]),
        (Filter(site="farm", node=7), [3, 2, 1]),
        (Filter(site="farm", node=9), []),
        (Filter(site="elsewhere"), []),
    ],
)
def test_results_are_found_by_what_is_asked(farm, reading, which, images):
    farm.add_all(
        [
            receipt(said(1, confidence=0.25)),
            receipt(said(2, label=0)),
            receipt(said(3, confidence=0.75)),
        ]
    )
    assert [row["image"] for row in reading.results(which)] == images


def test_an_image_is_one_result_and_one_count_however_often_it_was_refined(farm, reading):
    first = said(1, label=0, age_s=5.0)
    later = replace(said(1, label=2, n_chunks=2, age_s=9.0), received_s=NOON_S + 60)
    farm.add(receipt(first))
    farm.add(receipt(later))
    [row] = reading.results()
    assert (row["label"], row["rev"], row["captured_s"]) == ("cat", 2, NOON_S + 1 - 5)
    assert [one["rev"] for one in reading.revisions("farm", 7, 1)] == [1, 2]
    [counted] = reading.label_counts(0, "farm", 7)
    assert (counted["label"], counted["n"]) == ("cat", 1)


def test_refined_in_one_transaction_or_after_a_start_it_is_the_same(tmp_path):
    """What the host remembers of images is a help alone."""
    first, later = receipt(said(1, label=0)), receipt(said(1, label=2, n_chunks=2))
    path = tmp_path / "farm.sqlite"
    for batches in ([[first, later]], [[first], [later]]):
        path.unlink(missing_ok=True)
        for batch in batches:
            with Store(path) as store:
                store.add_all(batch)
        with Reading(path) as reading:
            assert [row["label"] for row in reading.results()] == ["cat"]
            assert [(row["label"], row["n"]) for row in reading.label_counts(0)] == [("cat", 1)]


def test_every_gateway_that_heard_a_packet_is_known(farm, reading):
    farm.add(receipt(said(1)))
    again = HeardAgain(7, 2, "barn", NOON_S + 1, 6, Quality(-3.0, -110.0))
    farm.count(Totals(0.0, heard_again=(again,)))
    barn, roof = reading.link_health(0, "farm")
    assert (barn["gateway"], barn["n_packets"], barn["share"], barn["snr_db"]) == (
        "barn",
        1,
        1.0,
        -3.0,
    )
    assert (roof["gateway"], roof["n_bytes"], roof["rssi_dbm"]) == ("roof", 6, -80.0)
    [row] = reading.results()
    assert {one["gateway"] for one in reading.receptions(row["sender"], 2)} == {"roof", "barn"}


def test_losses_are_counted_by_hour(farm, reading):
    for image, lost in ((1, 2), (2, 5), (3, 4)):
        farm.add(receipt(said(image)), Totals(1.0, figures={7: {"lost": lost, "loss_ratio": 0.1}}))
    [hour] = reading.link_hours("farm", 7, 0)["hours"]
    assert (hour["n_packets"], hour["n_lost"], hour["n_images"]) == (3, 4, 3)
    assert reading.node("farm", 7)["loss_ratio"] == 0.1


def test_refusals_are_counted_by_hour_and_ever(farm, reading):
    for hour in (0, 5):
        count = RejectedCount(2, NotUsed(Reason.REPLAY, "seen"), NOON_S + hour * HOUR_S)
        farm.count(Totals(1.0, (count,)))
    [refusal] = reading.refusals("farm", since_hour=500_003)
    assert (refusal["n"], refusal["n_ever"], refusal["last_sentence"]) == (2, 4, "seen")


def test_a_site_is_called_as_its_host_says_now(tmp_path):
    with Store(tmp_path / "host.sqlite") as store:
        store.add(receipt(said(1)))
    with Store(tmp_path / "host.sqlite", site="farm") as store:
        assert store.state(7, KEY) is not None
    with Reading(tmp_path / "host.sqlite") as reading:
        assert [row["site"] for row in reading.wall()] == ["farm"]


def test_pages_are_asked_for_while_the_host_writes(farm, reading):
    farm.add(receipt(said(1)))
    with farm.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE results SET image = 77")
        assert [row["image"] for row in reading.results()] == [1]


def test_a_person_describes_nodes_and_labels_images(farm, reading):
    farm.add(receipt(said(1)))
    desk = Desk(farm.database)
    desk.describe_node("farm", 7, name="Gate", latitude=52.5, longitude=13.4)
    assert reading.node("farm", 7)["name"] == "Gate"
    [row] = reading.results()
    desk.label_image(row["sender"], 1, "dog")
    assert reading.hand_labels() == {(row["sender"], 1): "dog"}
    desk.label_image(row["sender"], 1, None)
    assert reading.hand_labels() == {}
