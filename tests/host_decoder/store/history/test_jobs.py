"""A later decoder sees all that ever came: killed at any moment it goes on, beside what was told
then, and is shown in one step, and not shown in another.
"""

import subprocess
import sys

import pytest

from host_decoder.config import KnownNode
from host_decoder.errors import HostError
from host_decoder.receive.host import Host
from host_decoder.store.history import jobs
from host_decoder.store.history.comparison import compare
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.images import image_pages
from host_decoder.store.history.reading import Filter, Reading
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from tests.scale import size
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle, right_label
from tests.worlds.stored import read

N_IMAGES = size(50, 480)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(jobs, "PAGE_IMAGES", 8)


@pytest.fixture
def symbols(bundle):
    return [random_symbols(bundle.tables, seed) for seed in range(N_IMAGES)]


@pytest.fixture
def place(tmp_path, bundle, symbols):
    """A store of fifty images, some of them refined."""
    path = tmp_path / "farm.sqlite"
    with Store(path, site="farm") as store:
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        node = SmallNode(bundle, chunk_bytes=3)
        for row in symbols:
            for packet in node.packets(row):
                host.receive(packet, 0.0)
        host.close()
    return path


@pytest.fixture
def new_bundle(bundle, tmp_path):
    return make_bundle(tmp_path / "new", bundle.tables, decoder_seed=1)


def redecoded(store: Store, bundle: Bundle) -> int:
    """The number of the bundle's decoder, which has seen all."""
    decoder = jobs.run(store.database, jobs.redecode_job(store.database, bundle))
    assert decoder is not None
    return decoder


def labels(reading: Reading, decoder_id: int | None = None) -> list[str]:
    found = list(reading.all_results(Filter(decoder_id=decoder_id)))
    return [row["label"] for row in sorted(found, key=lambda row: row["image"])]


def test_its_labels_lie_beside_those_of_then(place, new_bundle, symbols):
    said: list[tuple[int, int]] = []
    with Store(place, site="farm") as store, Reading(place) as reading:
        before = labels(reading)
        number = jobs.redecode_job(store.database, new_bundle)
        decoder = jobs.run(store.database, number, progress=lambda *done: said.append(done))
        assert labels(reading) == before
        assert labels(reading, decoder) == [right_label(row, seed=1) for row in symbols]
        assert said[-1] == (N_IMAGES, N_IMAGES)
        [job] = reading.jobs()
        assert (job["state"], job["n_done"], job["n_total"]) == ("done", N_IMAGES, N_IMAGES)
        assert sum(row["n"] for row in reading.label_counts(0)) == 2 * N_IMAGES


def test_it_is_shown_in_one_step_and_back_in_one(place, new_bundle):
    with Store(place, site="farm") as store, Reading(place) as reading:
        before = labels(reading)
        decoder = redecoded(store, new_bundle)
        desk = Desk(store.database)
        jobs.show(store.database, decoder)
        after = labels(reading)
        assert after == labels(reading, decoder)
        assert after != before
        assert [row["is_shown"] for row in reading.decoders()] == [False, True]
        desk.show_as_told(new_bundle.id.hex())
        assert labels(reading) == before


def test_what_came_later_is_shown_as_it_was_told(place, bundle, new_bundle):
    with Store(place, site="farm") as store, Reading(place) as reading:
        decoder = redecoded(store, new_bundle)
        jobs.show(store.database, decoder)
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        late = SmallNode(bundle, start=1000)
        host.receive(late.packets(random_symbols(bundle.tables, 99))[0], 0.0)
        host.close()
        assert len(labels(reading)) == N_IMAGES + 1


def test_what_came_before_it_was_shown_and_after_it_had_seen_all_is_not_hidden(
    place, bundle, new_bundle
):
    with Store(place, site="farm") as store, Reading(place) as reading:
        number = jobs.redecode_job(store.database, new_bundle)
        with pytest.raises(HostError, match="let its job come to an end first"):
            jobs.show(store.database, 1)
        decoder = jobs.run(store.database, number)
        assert decoder is not None
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        late = SmallNode(bundle, start=1000)
        host.receive(late.packets(random_symbols(bundle.tables, 99))[0], 0.0)
        host.close()
        jobs.show(store.database, decoder)
        assert len(labels(reading)) == N_IMAGES + 1


def test_it_ends_while_packets_come_faster_than_it_works(place, bundle, new_bundle):
    """Once it catches up; what comes then is told live."""
    with Store(place, site="farm") as store, Reading(place) as reading:
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        late = SmallNode(bundle, start=1000)
        n_late = 0

        def more(n_done: int, n_total: int) -> None:
            nonlocal n_late
            for _ in range(10):  # to each page of eight
                n_late += 1
                for packet in late.packets(random_symbols(bundle.tables, n_late)):
                    host.receive(packet, 0.0)

        number = jobs.redecode_job(store.database, new_bundle)
        decoder = jobs.run(store.database, number, progress=more)
        seen = len(labels(reading, decoder))
        [job] = reading.jobs()
        assert N_IMAGES < seen < N_IMAGES + n_late
        assert (job["n_done"], job["n_total"]) == (seen, seen)
        assert sum(row["n"] for row in reading.label_counts(0)) == N_IMAGES + n_late + seen


def test_an_image_that_grew_while_it_was_at_others_is_seen_whole(tmp_path, bundle, new_bundle):
    with Store(tmp_path / "store.sqlite") as store, Reading(store.place) as reading:
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        node = SmallNode(bundle, chunk_bytes=2)
        images = [node.packets(random_symbols(bundle.tables, seed)) for seed in range(20)]
        for first, *_ in images:
            host.receive(first, 0.0)
        rest = iter(images[0][1:])

        def grow(n_done: int, n_total: int) -> None:
            for packet in rest:
                host.receive(packet, 1.0)

        number = jobs.redecode_job(store.database, new_bundle)
        decoder = jobs.run(store.database, number, progress=grow)
        [grown] = [row for row in reading.all_results(Filter(decoder_id=decoder)) if row["rev"] > 1]
        assert grown["is_complete"]
        assert grown["label"] == right_label(random_symbols(bundle.tables, 0), seed=1)
        assert len(labels(reading, decoder)) == 20


def test_it_is_compared_with_what_was_told(place, new_bundle, symbols):
    with Store(place, site="farm") as store, Reading(place) as reading:
        told = labels(reading)
        decoder = redecoded(store, new_bundle)
        found = compare(store.database, None, decoder)
        pairs = [(was, right_label(row, seed=1)) for was, row in zip(told, symbols, strict=True)]
        assert {(a, b): n for a, b, n in found.confusion} == {
            pair: pairs.count(pair) for pair in pairs
        }
        assert found.n_images == N_IMAGES
        assert found.n_changed == len(found.examples) == sum(was != now for was, now in pairs) > 0


def test_stopped_it_goes_on_behind_the_last_page(place, new_bundle, symbols):
    with Store(place, site="farm") as store, Reading(place) as reading:
        number = jobs.redecode_job(store.database, new_bundle)
        asked = iter([False, False, True])
        assert jobs.run(store.database, number, lambda: next(asked)) is None
        assert reading.jobs()[0]["n_done"] == 16
        assert jobs.redecode_job(store.database, new_bundle) == number
        pages = [last for last, _ in image_pages(store.database, new_bundle.id.hex(), (0, -1), 8)]
        seen: list[tuple[int, int]] = []
        decoder = jobs.run(store.database, number, progress=lambda *done: seen.append(done))
        assert len(seen) == len(pages) - 2
        assert labels(reading, decoder) == [right_label(row, seed=1) for row in symbols]


KILLED = """
import os, sys
from host_decoder.store.history import jobs
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
jobs.PAGE_IMAGES = 8
with Store(sys.argv[1], site="farm") as store:
    bundle = Bundle.load(sys.argv[2], side="host")
    n = [0]
    def kill(done, total):
        n[0] += 1
        if n[0] == 3:
            os.kill(os.getpid(), 9)
    jobs.run(store.database, jobs.redecode_job(store.database, bundle), progress=kill)
"""


def test_killed_again_and_again_it_says_what_an_unbroken_run_says(place, new_bundle, symbols):
    command = [sys.executable, "-c", KILLED, str(place), str(new_bundle.path)]
    n_kills = size(2, 20)
    codes = [subprocess.run(command).returncode for _ in range(n_kills + 1)]
    assert codes == [-9] * n_kills + [0]
    with Reading(place) as reading:
        [job] = reading.jobs()
        assert (job["state"], job["n_done"]) == ("done", N_IMAGES)
        decoder = reading.decoders()[-1]["id"]
        assert labels(reading, decoder) == [right_label(row, seed=1) for row in symbols]


def test_images_that_grew_meanwhile_are_seen_anew_by_the_next_job(tmp_path, bundle, new_bundle):
    with Store(tmp_path / "store.sqlite") as store:
        host = Host([KnownNode(NODE, KEY, bundle)], store)
        first, *rest = SmallNode(bundle, chunk_bytes=2).packets(random_symbols(bundle.tables, 0))
        host.receive(first, 0.0)
        decoder = redecoded(store, new_bundle)
        for packet in rest:
            host.receive(packet, 1.0)
        assert redecoded(store, new_bundle) == decoder
        latest = f"SELECT rev FROM results WHERE decoder_id = {decoder} AND is_latest"
        assert read(store, latest) == [{"rev": 1 + len(rest)}]
        counted = f"SELECT sum(n) AS n FROM label_hour WHERE decoder_id = {decoder}"
        assert read(store, counted) == [{"n": 1}]


def test_a_decoder_that_told_them_live_says_nothing_twice(place, bundle):
    with Store(place, site="farm") as store, Reading(place) as reading:
        before = labels(reading)
        decoder = redecoded(store, bundle)
        assert labels(reading) == before == labels(reading, decoder)
        assert sum(row["n"] for row in reading.label_counts(0)) == N_IMAGES


def test_a_job_that_is_cancelled_ends_and_one_that_cannot_be_done_says_why(
    place, new_bundle, tmp_path
):
    with Store(place, site="farm") as store, Reading(place) as reading:
        desk = Desk(store.database)
        number = jobs.redecode_job(store.database, new_bundle)
        stopped = jobs.run(
            store.database, number, progress=lambda done, total: desk.cancel_job(number)
        )
        assert stopped is None
        desk.ask_job("redecode", {"bundle": str(tmp_path / "nowhere")})
        desk.ask_job("bake", {})
        assert jobs.run_waiting(store.database, lambda: False) == 2
        baked, missing, cancelled = reading.jobs()
        assert [job["state"] for job in (baked, missing, cancelled)] == [
            "failed",
            "failed",
            "cancelled",
        ]
        assert "there is no bundle at" in missing["error"]
        assert "this program knows: redecode" in baked["error"]
