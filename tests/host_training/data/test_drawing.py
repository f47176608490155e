"""Splits that a folder does not bring are drawn of whole series, or as its file names begin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from host_training.data.catalogue import load
from host_training.data.drawing import draw
from host_training.data.photo_choices import PhotoChoices
from host_training.data.photo_layout import SIBLINGS, TEST, TRAIN, VALIDATION
from host_training.data.photos import Photos
from host_training.data.series import to_draw
from tests.worlds.photo_folders import counts, read, write_photos


def write_tracks(folder, n_tracks: int, n_photos: int) -> None:
    """Tracks as of traffic signs: 00003_00012.png."""
    folder.mkdir(parents=True)
    for track in range(n_tracks):
        for number in range(n_photos):
            pixels = np.full((8, 8, 3), (track, number, len(folder.name)), np.uint8)
            Image.fromarray(pixels).save(folder / f"{track:05}_{number:05}.png")


def tracks(split) -> set[tuple[str, str]]:
    return {(name.split("/")[0], name.split("/")[1].split("_")[0]) for name in split.names}


@pytest.fixture
def signs(tmp_path):
    for label in ("stop", "yield"):
        write_tracks(tmp_path / label, 10, 6)
    return tmp_path


def test_no_series_is_tested_that_was_trained_on(signs, said):
    data = read(signs, said)
    assert counts(data) == [[38, 38], [6, 6], [12, 12]]
    train, validation, test = map(tracks, (data.train, data.validation, data.test))
    assert len(train | validation | test) == len(train) + len(validation) + len(test) == 20
    assert "drawn by series, 20 of 120 photos, none of them in two splits; 8 photos of" in said[0]


def test_photos_kept_aside_are_of_series_that_are_trained_on(signs, said):
    data = read(signs, said)
    assert data.siblings is not None
    assert len(data.siblings) == 8
    assert tracks(data.siblings) <= tracks(data.train)
    assert not set(data.siblings.names) & set(data.train.names)


def test_whoever_wants_a_random_split_gets_one(signs, said):
    data = load(str(signs), image_size=16, choices=PhotoChoices("random"))
    assert data.siblings is None
    assert tracks(data.test) & tracks(data.train)
    assert data.sha256 != read(signs, said).sha256


def test_the_same_photos_are_drawn_each_time(signs, said):
    assert read(signs, said).sha256 == read(signs, said).sha256


def test_a_class_without_series_is_drawn_photo_by_photo_and_named(signs, said):
    write_photos(signs / "none", 10)
    data = read(signs, said)
    assert counts(data) == [[7, 38, 38], [1, 6, 6], [2, 12, 12]]
    assert "photo by photo for want of series: none; 8 photos" in said[0]


def test_where_all_file_names_begin_with_splits_these_are_taken(tmp_path, said):
    for label in ("cat", "dog"):
        for split, n_photos in (("train", 5), ("test", 4), ("val", 2)):
            for path in write_photos(tmp_path / "away", n_photos).iterdir():
                (tmp_path / label).mkdir(exist_ok=True)
                path.rename(tmp_path / label / f"{split}_{label}_{path.name}")
    (tmp_path / "away").rmdir()
    assert counts(read(tmp_path, said)) == [[5, 5], [2, 2], [4, 4]]
    assert "(train, validation, test as the file names begin)" in said[0]
    (tmp_path / "cat" / "test_cat_0.png").rename(tmp_path / "cat" / "best_cat_0.png")
    assert "as the file names begin" not in (read(tmp_path, said), said[-2])[1]


@given(
    st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=9), min_size=2, max_size=4).filter(
        lambda classes: all(sum(each) >= 3 for each in classes)
    ),
    st.sampled_from([(), (TEST,), (VALIDATION,)]),
)
def test_each_photo_is_in_exactly_one_split_and_no_series_in_two(classes, brought):
    lengths = [length for each in classes for length in each]
    labels = [label for label, each in enumerate(classes) for n in each for _ in range(n)]
    names = np.array([f"{i}.jpg" for i in range(len(labels))], object)
    series = np.repeat(np.arange(len(lengths)), lengths)
    images = np.zeros((len(labels), 1, 1, 3), np.uint8)
    own = Photos(images, np.array(labels), names, series)
    other = Photos(images[:2], np.array([0, 1]), np.array(["a", "b"], object), np.array([98, 99]))
    photos, how = draw({TRAIN: own} | dict.fromkeys(brought, other), ["a", "b", "c", "d"], "series")
    drawn = [part for split, part in photos.items() if split not in brought]
    assert sorted(name for part in drawn for name in part.names) == sorted(names)
    assert all(len(part) for part in drawn)
    if "drawn by series" not in how:
        assert SIBLINGS not in photos
        return
    _, with_series = to_draw(own.labels, own.series, 3 - len(brought))
    tested = [photos[split] for split in (TRAIN, VALIDATION, TEST) if split not in brought]
    for number in np.unique(series[np.isin(labels, with_series)]):
        assert sum(number in part.series for part in tested) == 1
    if SIBLINGS in photos:
        assert set(photos[SIBLINGS].series) <= set(photos[TRAIN].series)
