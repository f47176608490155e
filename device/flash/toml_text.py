"""TOML text of a table, for the few kinds of value that settings have; it is parsed again before it
counts.
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from device.flash.tools import FlashError


def value(item: Any) -> str:
    """A text, a number, true, false or a list of them, as TOML writes it."""
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")


def lines(table: Mapping[str, Any]) -> str:
    """The keys of a table without tables in it, each on a line; FlashError when they cannot be
    written.
    """
    text = "".join(f"{name} = {value(item)}\n" for name, item in table.items())
    try:
        is_whole = tomllib.loads(text.encode().decode()) == table
    except (tomllib.TOMLDecodeError, UnicodeEncodeError):
        is_whole = False
    if not is_whole:
        raise FlashError(
            f"these settings cannot be written as TOML: {dict(table)}; give them plainer names"
        )
    return text
