"""TOML files that a person wrote: read once, here, and a sentence for each file that is not one.

    table = read_toml(path, ConfigError)

Editors add a byte order mark or save UTF-16, and TOML allows what no setting can be: a NUL, "not a
number", an integer of a thousand digits. All that is found here, so whoever takes a value out can
use it.
"""

import codecs
import math
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 8
"Tables and lists inside each other; settings need three."
MAX_DOTS = 100
"In front of a line's equals sign; Python takes hours over a key of many thousand parts."
MAX_SHOWN = 60
"Characters of a value that a sentence repeats."
INT64 = 1 << 63
OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"The longer ones first: the mark of UTF-32 begins as that of UTF-16."


def read_toml(path: Path, error: type[Exception]) -> dict[str, Any]:
    """All of a TOML file; raises `error` with a sentence that names it, the line or the key, and
    what to do.
    """
    text = read_text(path, error)
    for number, line in enumerate(text.splitlines(), 1):
        if line.partition("=")[0].count(".") > MAX_DOTS:
            raise error(
                f"{path} is not valid TOML: line {number} has a key of more than {MAX_DOTS} parts"
            )
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{path} is not valid TOML: {reason}") from None
    except RecursionError:
        raise error(f"{path} is not valid TOML: its lists lie too deep inside each other") from None
    except ValueError as reason:  # a number with more digits than Python reads
        raise error(f"{path} is not valid TOML: {reason}") from None
    for fault in _faults(table):
        raise error(f"{path}: {fault}")
    return table


def has_mark(path: Path) -> bool:
    """Whether an editor put a byte order mark in front: worth a word where something else is wrong
    too.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return False


def read_text(path: Path, error: type[Exception]) -> str:
    """A small UTF-8 text file without its byte order mark; raises `error` as read_toml does."""
    content = _content(path, error)
    for mark, name in OTHER_MARKS.items():
        if content.startswith(mark):
            raise error(f"{path} is written in {name}; save it as UTF-8")
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:
        raise error(
            f"{path} holds NUL bytes: it is no text, or UTF-16 without a mark; save it as UTF-8"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        raise error(
            f"{path} is not UTF-8: line {line} has the byte 0x{content[reason.start]:02x}; "
            "save it as UTF-8"
        ) from None


def shown(value: Any) -> str:
    """A value as a sentence repeats it."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _content(path: Path, error: type[Exception]) -> bytes:
    content = b""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):  # a pipe might never end, or never begin
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise error(
            f"there is no {path}; write one as docs/node.md and docs/host.md show, or give the "
            "path of yours"
        ) from None
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the path
        why = reason.strerror if isinstance(reason, OSError) else reason
        raise error(
            f"{path} cannot be read ({why}); see to its owner and mode, or give another path"
        ) from None
    if not stat.S_ISREG(mode):
        raise error(
            f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'no file'}; give the path of a file"
        )
    if len(content) > MAX_FILE_BYTES:
        raise error(
            f"{path} is larger than {MAX_FILE_BYTES} bytes, so it holds no settings; give another "
            "path"
        )
    return content


def _faults(value: Any, key: str = "", depth: int = 0) -> Iterator[str]:
    """A sentence on everything in it that is TOML and yet no setting."""
    if depth > MAX_DEPTH:
        yield f"{key} has tables or lists too deep inside each other"
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if not name.isprintable():
                yield f"the key {shown(name)} has a character that cannot be seen; take it out"
            yield from _faults(part, f"{key}.{name}" if key else name, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _faults(part, key, depth + 1)
    # as no name, path, port or password has
    elif isinstance(value, str) and not value.isprintable():
        yield f"{key} = {shown(value)} has a character that cannot be seen; take it out"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key} = {value} is no number; write one"
    elif isinstance(value, int) and not -INT64 <= value < INT64:
        yield f"{key} is an integer of more than 64 bits; write a smaller one"
