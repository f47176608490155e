"""TOML text: settings that a program writes for another, or sets in what a person wrote. What is
written is read again before it counts.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

HEADING = re.compile(r"\s*\[\s*([^\]]*?)\s*\]")


def value(item: Any) -> str:
    """A text, a number, true, false or a list of them, as TOML writes it."""
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")


def lines(table: Mapping[str, Any], error: type[Exception] = ValueError) -> str:
    """The keys of a table without tables in it, each on a line, but of those that are None; raises
    `error` when they cannot be written.
    """
    said = {name: item for name, item in table.items() if item is not None}
    text = "".join(f"{name} = {value(item)}\n" for name, item in said.items())
    if not _says(text, said):
        raise error(f"these settings cannot be written as TOML: {said}; give them plainer names")
    return text


def rewrite(text: str, values: Mapping[str, int | str], section: str = "") -> str:
    """TOML with keys of one section set; every other line stays. ValueError where a line does not
    hold one key.
    """
    table = tomllib.loads(text)
    missing = dict(values)
    written, current, place = [], "", 0
    for line in text.splitlines():
        if heading := HEADING.match(line):
            current = heading[1]
        key = re.match(r"\s*([\w-]+)\s*=", line)
        is_set = current == section and key and key[1] in missing
        written.append(f"{key[1]} = {value(missing.pop(key[1]))}" if key and is_set else line)
        if current == section and (heading or is_set):
            place = len(written)
    written[place:place] = [f"{key} = {value(item)}" for key, item in missing.items()]
    whole = "\n".join(written) + "\n"
    if not _says(whole, _with(table, section.split(".") if section else [], values)):
        where = f"under [{section}]" if section else "at the top"
        raise ValueError(
            f"a key lies over several lines or not {where}; write each key on one line there"
        )
    return whole


def without(text: str, section: str) -> str:
    """TOML without that section and those in it; every other line stays. ValueError where it does
    not begin with a line of its own.
    """
    table = tomllib.loads(text)
    written, is_left_out = [], False
    for line in text.splitlines():
        if heading := HEADING.match(line):
            is_left_out = f"{heading[1]}.".startswith(f"{section}.")
        if not is_left_out:
            written.append(line)
    whole = "\n".join(written) + "\n"
    if not _says(whole, {name: item for name, item in table.items() if name != section}):
        raise ValueError(f"{section} is no section of its own; write [{section}] above its keys")
    return whole


def _says(text: str, table: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text.encode().decode()) == table
    except (tomllib.TOMLDecodeError, UnicodeEncodeError):
        return False


def _with(
    table: Mapping[str, Any], sections: list[str], values: Mapping[str, int | str]
) -> dict[str, Any]:
    if not sections:
        return {**table, **values}
    return {**table, sections[0]: _with(table[sections[0]], sections[1:], values)}
