"""What became of somebody's pictures, by the files alone."""

import os
from pathlib import Path

import pytest

from host_training.data.listing import Listing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat/a.jpg", "cat/b.jpg", "dog/c.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def test_new_missing_and_changed_pictures_are_told_apart(photos):
    before = Listing.of(photos)
    (photos / "cat" / "z.jpg").write_bytes(b"new")
    (photos / "dog" / "c.jpg").write_bytes(b"dog/d.jpg")  # as long as it was
    (photos / "cat" / "a.jpg").unlink()
    now = Listing.of(photos, before)
    said = before.changes_to(now)
    assert (
        said
        == "1 new (such as cat/z.jpg), 1 gone (such as cat/a.jpg), 1 changed (such as dog/c.jpg)"
    )


def test_pictures_without_a_label_are_no_change(photos):
    before = Listing.of(photos)
    for name in ("cluster-01/a.jpg", "maybe-cat-2/b.jpg"):
        (photos / name).parent.mkdir()
        (photos / name).write_bytes(b"new")
    assert before.changes_to(Listing.of(photos, before)) == ""


def test_a_copy_and_a_touched_file_are_no_change(photos):
    before = Listing.of(photos)
    os.utime(photos / "cat" / "a.jpg", (1, 1))
    assert before.changes_to(Listing.of(photos, before)) == ""
    photos.rename(photos.with_name("moved"))
    assert before.changes_to(Listing.of(photos.with_name("moved"))) == ""


def test_a_picture_that_nobody_touched_is_not_read_again(photos):
    before = Listing.of(photos)
    (photos / "cat" / "a.jpg").chmod(0)
    unread = before.pictures["dog/c.jpg"]._replace(sha256="as it was said")
    known = Listing({**before.pictures, "dog/c.jpg": unread})
    (photos / "cat" / "a.jpg").chmod(0o644)
    assert Listing.of(photos, known).pictures["dog/c.jpg"].sha256 == "as it was said"


@pytest.mark.parametrize(
    "name", [".thumbs/a.jpg", "cat/.a.jpg", "cat/@eaDir/a.jpg", "__MACOSX/cat/a.jpg", "notes.txt"]
)
def test_what_is_hidden_or_beside_the_classes_is_no_picture(photos, name):
    before = Listing.of(photos)
    (photos / name).parent.mkdir(parents=True, exist_ok=True)
    (photos / name).write_bytes(b"x")
    assert before.changes_to(Listing.of(photos)) == ""


def test_what_is_no_file_is_left_out_and_not_waited_for(photos):
    before = Listing.of(photos)
    (photos / "cat" / "gone.jpg").symlink_to("nowhere")
    (photos / "cat" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "cat" / "endless.jpg").symlink_to("/dev/zero")
    os.mkfifo(photos / "dog" / "pipe.jpg")
    assert before.changes_to(Listing.of(photos)) == ""


def test_a_listing_comes_back_from_its_file(photos, tmp_path):
    listing = Listing.of(photos)
    listing.write(tmp_path / "pictures.json")
    assert Listing.read(tmp_path / "pictures.json") == listing
    (tmp_path / "pictures.json").write_text("[1]")
    with pytest.raises(ValueError, match="unexpected content"):
        Listing.read(tmp_path / "pictures.json")
