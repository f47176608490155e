"""The host folder: everything that one host keeps, in one place that only its owner reads.

    host.toml                     written by a person: where it listens, what it stores into
    nodes/N.toml                  node N: one [[node]] table in a file of its own, written whole by
                                  flashing
    teams/N.toml                  of a team, by flashing: which of its members are made
    keys/                         node-N.key of each node; bundle-signing.key
    host.sqlite, airtime-*.json   written by the host that listens

Paths in nodes/N.toml are relative to the host folder, as those of host.toml are. A node that stands
in host.toml too is what its own file says.
"""

import pwd
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from link.base import durable
from link.settings.renamed import rename_keys
from link.settings.toml_file import read_toml
from link.settings.toml_text import value

HOST_TOML = "host.toml"
NODES, KEYS, TEAMS = "nodes", "keys", "teams"
NAME = "latentlink"
"The folder's name in its owner's home."
TEMPLATE = Path(__file__).with_name("host_template.toml")
"A host.toml with every key in it, all but the store's behind a sign of comment."


def default_folder() -> Path:
    """Outside any checkout; under sudo in the home of the account that called it."""
    caller = durable.sudo_caller()
    with suppress(KeyError):  # an account that has gone
        return Path(pwd.getpwuid(caller[0]).pw_dir if caller else Path.home()) / NAME
    return Path.home() / NAME


def host_toml(path: Path) -> Path:
    """host.toml where a person names it, or the folder that it is in or will be."""
    is_file = path.is_file() or (path.suffix == ".toml" and not path.is_dir())
    return path if is_file else path / HOST_TOML


def new_text(folder: Path, link: Mapping[str, Any]) -> str:
    """A new host.toml for that folder, whose one [[link]] has those keys; all others stand there as
    comments.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    head, heading, rest = text.partition("[[link]]")
    section, blank, others = rest.partition("\n\n")
    lines = []
    for line in section.splitlines():
        key = line.lstrip("#").partition(" = ")[0]
        _, sign, reason = line.partition("  #")
        said = f"{key} = {value(link[key])}" if key in link else ""
        lines.append(f"{said:<32}{sign}{reason}".rstrip() if said else line)
    return head.format(folder=folder) + heading + "\n".join(lines) + blank + others


def node_file(host: Path, node: int) -> Path:
    """Where the file of that node is, or would be."""
    return host.parent / NODES / f"{node}.toml"


def read_host_toml(host: Path, error: type[Exception], renamed: dict[str, str]) -> dict[str, Any]:
    """host.toml with its links and nodes in lists, however many there are; raises `error` with a
    sentence. One on each old name of a key goes to `renamed`.
    """
    table = read_toml(host, error)
    for section in ("link", "node"):
        if isinstance(table.get(section), Mapping):
            table[section] = [table[section]]
        rename_keys(section, table.get(section), f"[{section}] of {host}", renamed)
    return table


def read_node_files(
    host: Path,
    error: type[Exception],
    faults: list[str] | None = None,
    renamed: dict[str, str] | None = None,
) -> dict[int, dict[str, Any]]:
    """The table of every nodes/N.toml beside that host.toml, by N; raises `error` with a sentence.

    With `faults` a file that cannot be read is left out, and its sentence goes there; one on each
    old name of a key to `renamed`.
    """
    files = sorted(
        path for path in (host.parent / NODES).glob("*.toml") if not path.name.startswith(".")
    )
    tables: dict[int, dict[str, Any]] = {}
    for path in files:
        try:
            table = _read_node_file(path, error, {} if renamed is None else renamed)
        except error as fault:
            if faults is None:
                raise
            faults.append(str(fault))
        else:
            tables[table["node"]] = table
    return tables


def _read_node_file(path: Path, error: type[Exception], renamed: dict[str, str]) -> dict[str, Any]:
    table = read_toml(path, error)
    rename_keys("node", table, str(path), renamed)
    number = table.get("node")
    if type(number) is not int or path.name != f"{number}.toml":
        raise error(
            f"{path} has node = {number!r}; a node's file is named by its number, so write node = "
            f"{path.stem}"
        )
    return table


def all_nodes(
    host: Path,
    entries: Sequence[Any],
    error: type[Exception],
    faults: list[str] | None = None,
    renamed: dict[str, str] | None = None,
) -> tuple[list[tuple[str, Any]], tuple[str, ...]]:
    """Every node's table with where it stands, those of host.toml (`entries`) first, and a sentence
    on each that stands twice; `error` where a file cannot be read, or a sentence among the
    `faults`.
    """
    files = read_node_files(host, error, faults, renamed)
    tables, notices = [], []
    for entry in entries:
        number = entry.get("node") if isinstance(entry, Mapping) else None
        if type(number) is int and number in files:
            file = node_file(host, number)
            notices.append(
                f"node {number} stands in {host} and in {file}: the latter counts; take the "
                "former out"
            )
        else:
            tables.append((f"[[node]] of {host}", entry))
    return [
        *tables,
        *((str(node_file(host, number)), table) for number, table in files.items()),
    ], tuple(notices)
