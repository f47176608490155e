"""Record: a JSON object as a frozen dataclass, checked key by key. What else stands in it is kept
and written again, so that a bundle of another version keeps its id.

    @dataclass(frozen=True, kw_only=True)
    class Wheels(Record):
        READERS: ClassVar = {"front": Wheel.read}
        count: int = key(whole(1, 4))
        front: Wheel | None = key(SECTION, None)
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from link.bundle.image_spec import ImageSpec
from link.settings.setting import REQUIRED_SECTION, read, read_section, settings_of

T = TypeVar("T")
Reader = Callable[[Any, str], T]
"A section, and where it stands, as what is made of it."


@dataclass(frozen=True, kw_only=True)
class Record:
    """An object with known keys."""

    READERS: ClassVar[Mapping[str, Reader[Any]]] = {}
    "What is made of a section, by its key; of any other: what stands there."
    others: Mapping[str, object] = field(default_factory=dict, repr=False)
    "What else stands in the object."

    @classmethod
    def read(cls, table: Mapping[str, Any], where: str) -> Self:
        """The object that stands at `where`; ValueError with what is lacking or cannot be."""
        keys = settings_of(cls)
        known = {name: value for name, value in table.items() if name in keys}
        readers = {
            name: partial(_placed, reader, f"{where}{name}.")
            for name, reader in cls.READERS.items()
        }
        record = read(cls, known, where, Path(), **readers)
        return replace(record, others={name: table[name] for name in table.keys() - known.keys()})

    @classmethod
    def read_leniently(cls, table: Mapping[str, Any], where: str) -> Self:
        """The same of an object that only informs, and need say nothing: what cannot be is left
        among the others.
        """
        keys = settings_of(cls)
        fitting = {
            name: value
            for name, value in table.items()
            if name in keys and keys[name].fault(value) is None
        }
        others = {name: table[name] for name in table.keys() - fitting.keys()}
        return replace(cls.read(fitting, where), others=others)

    def to_json(self) -> dict[str, object]:
        """As it was read; a key that nobody said is left out."""
        said = {
            one.metadata["name"] or one.name: to_json(getattr(self, one.name))
            for one in fields(self)
            if one.metadata and getattr(self, one.name) != one.default
        }
        return {**self.others, **said}


def each(reader: Reader[T]) -> Reader[dict[str, T]]:
    """For a section whose keys are names: every one is a section that is read like that."""

    def read_each(table: Mapping[str, Any], where: str) -> dict[str, T]:
        read_section(table, dict.fromkeys(table, REQUIRED_SECTION), where)
        return {name: reader(section, f"{where}{name}.") for name, section in table.items()}

    return read_each


def to_json(value: object) -> object:
    """What a record holds, as JSON has it."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, ImageSpec):
        return asdict(value)
    if isinstance(value, Mapping):
        return {name: to_json(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _placed(reader: Reader[T], where: str, section: Any) -> T:
    return reader(section, where)
