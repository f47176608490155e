"""Folders as people and their systems leave them: hidden copies, thumbnails, links that lead
back.
"""

from link.picture.folders import files_below, pictures_below


def test_what_systems_put_beside_the_pictures_is_passed_over(tmp_path):
    kept = ["a.png", "dog/b.jpg", "dog/old/c.tif", "notes.txt", "крыша/д.png"]
    private = [
        ".hidden.png",
        "dog/.ipynb_checkpoints/b.jpg",
        "dog/.thumbnails/deep/b.png",
        "dog/@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg",
        "__MACOSX/dog/b.jpg",
        "dog/Thumbs.db",
        "dog/desktop.ini",
        "$RECYCLE.BIN/x.png",
        "#recycle/x.png",
    ]
    for name in kept + private:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == kept
    assert [path.name for path in pictures_below(tmp_path)] == ["a.png", "b.jpg", "c.tif", "д.png"]


def test_a_hidden_place_above_the_folder_hides_nothing(tmp_path):
    folder = tmp_path / ".cache" / "photos"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"")
    assert files_below(folder) == [folder / "a.png"]


def test_links_are_followed_and_a_loop_ends(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "back").symlink_to(photos)
    (photos / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert files_below(photos) == [photos / "gone.png", photos / "linked" / "a.png"]
