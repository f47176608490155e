"""Setting: what a key of node.toml or host.toml may say, and the sentence for everything else.

    @dataclass(frozen=True)
    class SourceConfig:
        kind: str = key(text(KINDS).explained("where images come from"))
        limit: int = key(whole(1, 1000).explained("images after which the node ends"), 100)

    read(SourceConfig, table, "[source] ")

A field without a default is a key that must be there. What is no dataclass has a table:

    read_section(table, {"kind": text(is_required=True), "limit": whole(1, 1000)}, "[source] ")
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from link.settings.toml_file import shown

T = TypeVar("T")
MANY = 1_000_000_000
"Where more would be as good as no bound."
MAX_LETTERS = 1000
"No path and no name is longer."
TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    bool: "true or false",
    dict: "a section",
}
LIST_NAMES = {str: "a list of texts", int: "a list of whole numbers", dict: "sections in [[ ]]"}


@dataclass(frozen=True)
class Setting:
    """A key: the types of its value, the bounds of a number, the words there are of a text."""

    types: tuple[type, ...]
    lowest: float = 0
    highest: float = 0
    one_of: tuple[str, ...] = ()
    is_required: bool = False
    is_path: bool = False
    "Relative to the folder of the file."
    items: type = str
    "What a list holds: texts, or sections (written [[name]], one for each)."
    means: str = ""
    "What it is for, as docs/node.md and docs/host.md list it."
    usual: str = ""
    "The default in words, where it is no value of its own."

    def explained(self, means: str, usual: str = "") -> "Setting":
        return replace(self, means=means, usual=usual)

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, to follow the key's name; None: nothing."""
        if type(value) not in self.types and not (type(value) is int and float in self.types):
            return f"is {shown(value)}, it must be {self._type_names}"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not (isfinite(value) and self.lowest <= value <= self.highest):
            limits = (
                f"{self.lowest} or more"
                if self.highest == MANY > value
                else f"from {self.lowest} to {self.highest}"
            )
            return f"is {shown(value)}; it must be {limits}"
        if isinstance(value, str) and self.one_of and value not in self.one_of:
            return f'is "{shown(value)[1:-1]}"; it must be one of {", ".join(self.one_of)}'
        texts = value if isinstance(value, list) else [value]
        if any(text == "" for text in texts):
            return "is empty; write something, or leave the key out"
        if isinstance(value, list) and not all(type(item) is self.items for item in value):
            return f"is {shown(value)}, it must be {self._type_names}"
        if any(isinstance(text, str) and len(text) > MAX_LETTERS for text in texts):
            return f"is {shown(value)}, of more than {MAX_LETTERS} letters; write something shorter"
        return None

    @property
    def _type_names(self) -> str:
        names = TYPE_NAMES | {list: LIST_NAMES[self.items]}
        return " or ".join(names[kind] for kind in self.types)


def whole(lowest: int, highest: int, is_required: bool = False, or_text: bool = False) -> Setting:
    return Setting((int, str) if or_text else (int,), lowest, highest, is_required=is_required)


def number(lowest: float, highest: float) -> Setting:
    return Setting((float,), lowest, highest)


def text(one_of: tuple[str, ...] = (), is_required: bool = False) -> Setting:
    return Setting((str,), one_of=one_of, is_required=is_required)


PATH = Setting((str,), is_path=True)
YES_OR_NO = Setting((bool,))
TEXTS = Setting((list,))
WHOLES = Setting((list,), items=int)
SECTION = Setting((dict,))
SECTIONS = Setting((list,), items=dict)
REQUIRED_SECTION = Setting((dict,), is_required=True)


def read_section(
    table: Mapping[str, Any], settings: Mapping[str, Setting], section: str = ""
) -> Mapping[str, Any]:
    """The table, when it holds all that is required and nothing else than may be; ValueError with a
    sentence.
    """
    for key, value in table.items():
        if key not in settings:
            raise ValueError(
                f'{section}key "{shown(key)[1:-1]}" is unknown; the keys are {", ".join(settings)}'
            )
        if fault := settings[key].fault(value):
            raise ValueError(f"{section}{key} {fault}")
    for key, setting in settings.items():
        if setting.is_required and key not in table:
            raise ValueError(f'{section}key "{key}" is missing')
    return table


def key(setting: Setting, *default: Any, name: str = "", **options: Any) -> Any:
    """A dataclass's field that a key fills, of the field's name unless it has another."""
    metadata = {"setting": setting, "name": name}
    return field(default=default[0] if default else MISSING, metadata=metadata, **options)


def settings_of(kind: type) -> dict[str, Setting]:
    """Every key of a section that a dataclass describes, with what it may say."""
    return {
        name: replace(one.metadata["setting"], is_required=one.default is MISSING)
        for name, one in _keys(kind).items()
    }


def read(
    kind: type[T],
    table: Mapping[str, Any],
    section: str = "",
    folder: Path = Path(),
    **readers: Callable[[Any], Any],
) -> T:
    """The dataclass that a table describes; ValueError with a sentence for what it may not say.

    Paths are relative to `folder`; `readers` make more of the value of the key of that name.
    """
    read_section(table, settings_of(kind), section)
    values = {}
    for name, one in _keys(kind).items():
        if name in table:
            value = table[name]
            if one.metadata["setting"].is_path:
                value = folder / value
            if isinstance(value, list):
                value = tuple(value)
            values[one.name] = readers[name](value) if name in readers else value
    return kind(**values)


def defaults_of(kind: type) -> dict[str, Any]:
    """What each key of a dataclass is where nothing is said, unless it must be said."""
    return {name: one.default for name, one in _keys(kind).items() if one.default is not MISSING}


def _keys(kind: Any) -> dict[str, Any]:
    return {one.metadata["name"] or one.name: one for one in fields(kind) if one.metadata}
