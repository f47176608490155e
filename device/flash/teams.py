"""Teams: which members of a team are made, so that what was interrupted is gone on with, and one
that broke is made again with the key of the others.

    teams/N.toml    the members of node N that are made, and what all of them were told

A team is one node of the host: one nodes/N.toml, one keys/node-N.key. The record counts for the
team's key alone: once another card or team has the number, nothing of it is made.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.flash import registry
from device.flash.member import MAX_MEMBERS
from device.flash.tools import FlashError
from link.base import durable
from link.security import KeyStateError, parse_key
from link.settings import host_folder, read_toml, shown, toml_text

HEAD = (
    "# The team of node {node}, written by flashing: which members are made, and what all were "
    "told.\n"
)
MADE, KEY = "made", "key_sha256"


@dataclass(frozen=True)
class Begun:
    """What there is of a team."""

    made: tuple[int, ...] = ()
    key: bytes | None = field(default=None, repr=False)
    "None: one is to be made."


def begun(
    host: Path, node: int, shared: Mapping[str, Any], member: int | None, replaces: bool
) -> Begun:
    """How far a team was made that is told this; FlashError where another node has its number, or
    nothing is left to make. `replaces` gives a team that is whole, or is told something else, a new
    key.
    """
    record, key = _read(host, node), _key(host, node)
    if not record or key is None or record.get(KEY) != _digest(key):
        registry.check_free(host, node, replaces)
        return Begun()
    there = {name: item for name, item in shared.items() if item is not None}
    before = {name: item for name, item in record.items() if name not in ("node", MADE, KEY)}
    if replaces and (before != there or (member is None and _is_whole(record))):
        return Begun()
    for name in sorted(before.keys() | there.keys()):
        if before.get(name) != there.get(name):
            raise FlashError(
                f"the members of node {node} that are made were told {name} = "
                f"{shown(before.get(name))}, and now it is {shown(there.get(name))}: say the same, "
                "or make all of them anew, with another key (REPLACE=yes)"
            )
    if member is None and _is_whole(record):
        raise FlashError(
            f"all {record['members']} members of node {node} are made; MEMBER=0 makes that one "
            "again, with the same key, REPLACE=yes all of them, with another one"
        )
    return Begun(tuple(record[MADE]), key)


def record(
    host: Path, node: int, shared: Mapping[str, Any], made: tuple[int, ...], key: bytes
) -> dict[Path, str]:
    """What is to be in teams/N.toml when these members are made, by its path."""
    durable.make_folder(host.parent / host_folder.TEAMS, registry.PRIVATE)
    table = {"node": node, MADE: sorted(set(made)), KEY: _digest(key), **shared}
    return {_path(host, node): HEAD.format(node=node) + toml_text.lines(table, FlashError)}


def _is_whole(record: Mapping[str, Any]) -> bool:
    return record[MADE] == list(range(record["members"]))


def _path(host: Path, node: int) -> Path:
    return host.parent / host_folder.TEAMS / f"{node}.toml"


def _read(host: Path, node: int) -> dict[str, Any]:
    """The record; empty where there is none, or nothing can be made of it."""
    path = _path(host, node)
    table = read_toml(path, FlashError) if path.exists() else {}
    made, members = table.get(MADE), table.get("members")
    is_right = isinstance(made, list) and all(
        type(member) is int and 0 <= member <= MAX_MEMBERS for member in [members, *made]
    )
    return table if is_right else {}


def _key(host: Path, node: int) -> bytes | None:
    path = registry.key_path(host, node)
    try:
        return parse_key(durable.read_small(path).decode("ascii", "replace"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, KeyStateError) as error:
        raise FlashError(f"{path} cannot be read ({error}); put a copy of it back") from None


def _digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
