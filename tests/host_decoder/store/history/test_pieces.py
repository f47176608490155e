"""Chunks of single images, by sender and image."""

from host_decoder.store.history.pieces import newest_senders, pieces_of
from host_decoder.store.history.reading import Reading
from host_decoder.store.store import Store
from tests.worlds.small_fleet import fill


def test_the_chunks_of_an_image_come_in_order_and_of_no_other(tmp_path, bundle):
    with Store(tmp_path / "farm.sqlite", site="farm") as store:
        fill(store, bundle)
        sender = newest_senders(store.database)["farm", 7]
        with Reading(store.place) as reading:
            images = [row["image"] for row in reading.results() if row["node"] == 7]
            found = pieces_of(reading.database, [(sender, images[0]), (sender, 10**9)])
            every = pieces_of(reading.database, [(sender, image) for image in images])
        assert {(piece.sender, piece.image) for piece in found} == {(sender, images[0])}
        assert [piece.chunk for piece in found] == list(range(len(found)))
        assert {piece.bundle for piece in every} == {bundle.id.hex()}
        assert {piece.image for piece in every} == set(images)
        assert pieces_of(store.database, []) == []
        assert set(newest_senders(store.database)) == {("farm", 7), ("farm", 8)}
