"""What a person may choose of photos, and which classes a mirror would change."""

from dataclasses import replace

import pytest

from host_training.data.catalogue import load
from host_training.data.dataset import Augmentation, DataSetError
from host_training.data.photo_choices import USUAL, PhotoChoices, not_to_be_mirrored
from host_training.training.recipe import Recipe
from link.bundle import Bundle
from link.bundle.manifest import Provenance
from tests.worlds.photo_folders import write_photos
from tests.worlds.small_bundle import make_bundle


def test_classes_that_speak_of_sides_or_of_what_is_read_are_known_by_their_names():
    told = ("turn-left", "LinksRechts", "Stop_Sign", "7", "B", "Zähler", "arrow up")
    assert not_to_be_mirrored(told) == list(told)
    assert not_to_be_mirrored(("cat", "leftover", "design", "Yoghurt", "type 12")) == []


def test_a_folder_is_mirrored_unless_its_classes_or_a_person_say_otherwise(tmp_path):
    for folder, labels in (("pets", ("cat", "dog")), ("doors", ("left", "right"))):
        for label in labels:
            write_photos(tmp_path / folder / label, 4)

    def flip(folder: str, choices: PhotoChoices = USUAL) -> bool:
        return load(str(tmp_path / folder), image_size=16, choices=choices).augmentation.flip

    assert flip("pets")
    assert not flip("doors")
    assert not flip("pets", PhotoChoices(flip=False))
    assert flip("doors", PhotoChoices(flip=True))


def test_what_is_said_takes_the_place_of_what_is_usual_and_a_crop_that_of_shifts():
    usual = Augmentation(crop_pad=8, flip=True, rotation_degrees=5)
    assert USUAL.augmentation(usual) == usual
    said = PhotoChoices(flip=False, rotation_degrees=0, crop=0.5)
    assert said.augmentation(usual) == Augmentation(crop=0.5)
    assert load("digits", choices=PhotoChoices(flip=True)).augmentation.flip


@pytest.mark.parametrize(
    "wrong", [{"split_by": "luck"}, {"rotation_degrees": 200}, {"crop": 0}, {"crop": 2}]
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Recipe(**wrong)


def test_a_bundle_says_what_was_chosen_and_an_older_one_that_it_was_random(tmp_path):
    chosen = PhotoChoices("series", flip=False)
    photos = chosen.to_dict()
    assert photos == {"split_by": "series", "flip": False}
    old = make_bundle(tmp_path / "bundle")
    assert PhotoChoices.of_bundle(old) == PhotoChoices("random")
    assert PhotoChoices("random").to_dict() is None
    assert PhotoChoices.of_bundle(saying(old, photos)) == chosen
    with pytest.raises(DataSetError, match="says of its photos what cannot be"):
        PhotoChoices.of_bundle(saying(old, {"crop": "wide"}))


def saying(bundle: Bundle, photos: dict | None) -> Bundle:
    manifest = replace(bundle.manifest, provenance=Provenance(photos=photos))
    return Bundle.load(Bundle.write(bundle.path, manifest).path, "host")
