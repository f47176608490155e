"""What the pages ask: nodes by their names, results page by page, an image chunk by chunk."""

import pytest

from host_decoder.web.archive import Archive, Wish
from link.coder import decode_bulk
from tests.worlds.small_fleet import N_IMAGES, NODES, SITE
from tests.worlds.small_host import CLASSES


def test_each_node_is_on_the_wall_by_its_name_also_one_that_was_never_heard(fleet):
    seven, eight, nine = fleet.archive.nodes()
    assert [(one["number"], one["name"]) for one in (seven, eight, nine)] == [
        (7, "Gate"), (8, None), (9, "New"),
    ]  # fmt: skip
    assert (seven["period_s"], seven["is_period_said"]) == (60.0, True)
    assert seven["label"] in CLASSES
    assert seven["snr_db"] == 7.5
    assert eight["period_s"] > 0
    assert not eight["is_period_said"]
    assert (nine["heard_s"], nine["key"], nine.get("label")) == (None, None, None)


def test_results_come_page_by_page_each_once_the_newest_first(fleet):
    pages, after = [], ""
    while page := fleet.archive.results(Wish(), after, 5):
        pages += page
        after = page[-1]["after"]
    keys = [one["key"] for one in pages]
    assert len(keys) == len(set(keys)) == N_IMAGES * len(NODES)
    times = [one["received_s"] for one in pages]
    assert times == sorted(times, reverse=True)
    assert all(one["top"][0][0] == one["label"] for one in pages)


def test_results_are_sifted_by_node_label_time_and_confidence(fleet):
    everything = fleet.archive.results(Wish(), "", 100)
    label, middle_s = everything[0]["label"], everything[5]["received_s"]
    for wish, fits in (
        (Wish(site=SITE, node=8), lambda one: one["node"] == 8),
        (Wish(label=label), lambda one: one["label"] == label),
        (Wish(since_s=middle_s), lambda one: one["received_s"] >= middle_s),
        (Wish(until_s=middle_s), lambda one: one["received_s"] < middle_s),
        (Wish(site="elsewhere"), lambda one: False),
    ):
        found = fleet.archive.results(wish, "", 100)
        assert [one["key"] for one in found] == [one["key"] for one in everything if fits(one)]


def test_a_page_behind_nonsense_is_the_first(fleet):
    assert fleet.archive.results(Wish(), "no_such_place", 2) == fleet.archive.results(Wish(), "", 2)


def test_an_image_has_its_revisions_and_its_chunks_and_who_heard_them(fleet):
    keys = [one["key"] for one in fleet.archive.results(Wish(), "", 100)]
    images = [fleet.archive.image(key) for key in keys]
    image = max(images, key=lambda one: len(one["chunks"]))
    assert len(image["chunks"]) == len(image["revisions"]) > 1
    assert {chunk["gateway"] for chunk in image["chunks"]} == {"roof"}
    last = image["revisions"][-1]
    assert last["classes"] == list(CLASSES)
    assert last["label"] == CLASSES[last["probabilities"].index(max(last["probabilities"]))]
    short = image["key"].rsplit(":", 1)[0]
    assert fleet.archive.image(short) == image


@pytest.mark.parametrize(
    "key",
    ["", "farm", "farm:7", "farm:7:x", "farm:7:999999", "elsewhere:7:0", "farm:7:0:99", "🦉:1:²"],
)
def test_a_key_of_nothing_is_nothing(fleet, key):
    assert fleet.archive.image(key) is None
    assert fleet.archive.bitstreams([key]) == []


def test_bitstreams_are_what_the_nodes_coded(fleet, bundle):
    keys = [one["key"] for one in fleet.archive.results(Wish(), "", 100)]
    streams = fleet.archive.bitstreams([*keys, "farm:7:999999"])
    assert {stream.key for stream in streams} == set(keys)
    assert all(stream.is_complete and stream.bundle == bundle.id.hex() for stream in streams)
    assert decode_bulk([stream.bitstream for stream in streams], bundle.tables).is_valid.all()


def test_links_tell_who_hears_whom_and_what_each_counted(fleet):
    links = fleet.archive.links(0.0)
    assert [(one["node"], one["gateway"], one["share"]) for one in links["links"]] == [
        (7, "roof", 1.0), (8, "roof", 1.0),
    ]  # fmt: skip
    assert [(one["site"], one["node"]) for one in links["nodes"]] == [(SITE, 7), (SITE, 8)]
    assert links["refusals"] == []


def test_a_nodes_page_has_its_history(fleet):
    found = fleet.archive.node(SITE, 7, 0.0)
    assert sum(hour["n_images"] for hour in found["hours"]) == N_IMAGES
    assert sum(one["n"] for one in found["labels"]) == N_IMAGES
    assert fleet.archive.node(SITE, 9, 0.0)["node"]["name"] == "New"
    assert fleet.archive.node(SITE, 10, 0.0) is None


def test_a_label_by_hand_stands_beside_the_answer(fleet):
    [newest] = fleet.archive.results(Wish(), "", 1)
    fleet.desk.label_image(*fleet.archive.whereabouts(newest["key"]), "owl")
    assert fleet.archive.results(Wish(), "", 1)[0]["hand_label"] == "owl"
    assert fleet.archive.image(newest["key"])["hand_label"] == "owl"
    assert [one["label"] for one in fleet.archive.hand_labels()] == ["owl"]


def test_an_archive_without_a_host_toml_knows_what_the_store_knows(fleet):
    assert [one["number"] for one in Archive(fleet.reading).nodes()] == list(NODES)
