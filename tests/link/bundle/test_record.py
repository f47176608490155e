"""A record is written as it was read, and says what cannot be in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

from link.bundle.record import Record, each
from link.settings.setting import SECTION, TEXTS, key, text, whole


@dataclass(frozen=True, kw_only=True)
class Wheel(Record):
    inches: int = key(whole(1, 40))


@dataclass(frozen=True, kw_only=True)
class Bicycle(Record):
    READERS: ClassVar = {"wheels": each(Wheel.read)}
    name: str = key(text())
    riders: tuple[str, ...] | None = key(TEXTS, None)
    lamp: str | None = key(text(), "")
    wheels: Mapping[str, Wheel] = key(SECTION)


SAID = {
    "name": "postman's",
    "riders": ["Ada", "Max"],
    "wheels": {"front": {"inches": 28, "spokes": 36}, "rear": {"inches": 26}},
    "basket": {"colour": None},
}


def test_what_is_read_is_written_and_what_is_not_known_too():
    bicycle = Bicycle.read(SAID, "")
    assert bicycle.riders == ("Ada", "Max")
    assert bicycle.wheels["front"].inches == 28
    assert bicycle.to_json() == SAID


def test_nothing_is_another_thing_than_not_said():
    assert "lamp" not in Bicycle(name="x", wheels={}).to_json()
    assert Bicycle(name="x", wheels={}, lamp=None).to_json()["lamp"] is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": 3}, r"^shed\.name is 3, it must be a text"),
        ({"riders": "Ada"}, r"^shed\.riders is 'Ada', it must be a list of texts"),
        ({"wheels": {"rear": None}}, r"^shed\.wheels\.rear is None, it must be a section"),
        ({"wheels": {"rear": {"inches": 99}}}, r"^shed\.wheels\.rear\.inches is 99; it must be"),
        ({"wheels": {"rear": {}}}, r'^shed\.wheels\.rear\.key "inches" is missing'),
    ],
)
def test_what_cannot_be_is_told_with_its_place(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        Bicycle.read(SAID | changed, "shed.")


@dataclass(frozen=True, kw_only=True)
class Label(Record):
    price: int | None = key(whole(0, 999), None)
    maker: str | None = key(text(), None)
    wheels: Mapping[str, int] | None = key(SECTION, None)


def test_what_only_informs_is_not_refused_and_still_written():
    said = {"price": "much", "maker": "Ada", "wheels": 2, "colour": None}
    label = Label.read_leniently(said, "")
    assert label == Label(maker="Ada", others=label.others)
    assert label.to_json() == said
