"""Registry: the host learns of a node. Each node has a file of its own in the host folder, written
whole; host.toml is a person's: it is made where there is none, and never changed.

    nodes/N.toml     node, key, bundle: as a [[node]] of host.toml, in whose place it counts
    keys/node-N.key  readable by its owner only

All of it is written, on the disk and read back before a card is touched, and takes its place when
the card is right.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device.flash.host_link import check_hears, link_for
from device.flash.tools import FlashError
from device.link_config import LinkConfig
from link.base import FolderLock, HeldError, durable
from link.bundle.manifest import MANIFEST
from link.security import MAX_NODE
from link.settings import host_folder, toml_text

HOST_PORT = "/dev/ttyUSB0"
NODE_HEAD = (
    "# Node {node}, written whole when it is flashed or given a bundle; `tasks` stay. Paths as in "
    "host.toml.\n"
)
PATIENCE_S = 10.0
SECRET, PRIVATE = 0o600, 0o700


class Registration:
    """A node's files, all written beside their places; at `commit` the host knows the node."""

    def __init__(
        self,
        host: Path,
        node: int,
        key_text: str,
        bundle: Path,
        link: LinkConfig | None = None,
        port: str = HOST_PORT,
        profile: str = "",
        records: Mapping[Path, str] | None = None,
    ) -> None:
        """`link` is the node's; without it, `profile` is all that a new host.toml says. `port`: of
        the host's modem. `records`: files that are there before the node is.
        """
        _make_folders(host)
        own = node_keys(host, link) if link else {}
        self.key_path = key_path(host, node)
        before = _entry(host, node) or {}
        bundles, self.notices = _with_earlier(host, relative(bundle, host.parent), before)
        if stands_in_host_toml(host, node):
            self.notices.append(
                f"node {node} stands in {host} too: {host_folder.node_file(host, node)} counts, "
                "so take it out there"
            )
        if host.parent.stat().st_mode & 0o077:
            self.notices.append(
                f"others on this computer may look into {host.parent}: chmod 700 {host.parent}"
            )
        has_key = "device" not in own
        if not has_key:
            self.notices.append(
                f"see that the network server calls this node {own['device']}, as {host.parent} "
                "does"
            )
        entry = (
            {"node": node}
            | ({"key": f"{host_folder.KEYS}/{self.key_path.name}"} if has_key else {})
            | dict(own)
        )
        entry |= {"bundle": bundles} | ({"tasks": before["tasks"]} if "tasks" in before else {})
        texts = {**(records or {})} | ({self.key_path: key_text} if has_key else {})
        texts[host_folder.node_file(host, node)] = _node_text(entry)
        if not host.exists():
            keys = link_for(link, port) if link else {"port": port, "profile": profile}
            texts[host] = host_folder.new_text(host.parent, keys)
            self.notices.append(
                f"{host} is new: see that its port, {keys['port']}, is the one of the host's modem"
            )
        self._files: list[durable.StagedFile] = []
        try:
            for path, text in texts.items():
                self._files.append(durable.StagedFile(path, text, SECRET))
        except BaseException:
            self.drop()
            raise

    def commit(self) -> None:
        for file in self._files:
            file.commit()

    def drop(self) -> None:
        """The host knows what it knew before."""
        for file in self._files:
            file.drop()


def key_path(host: Path, node: int) -> Path:
    """Where the host has the key of that node, or would have it."""
    return host.parent / host_folder.KEYS / f"node-{node}.key"


@contextmanager
def locked(host: Path) -> Iterator[None]:
    """One flashing at a time writes into a host folder; another waits, then FlashError."""
    _make_folders(host)
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            lock = FolderLock(host.parent / host_folder.NODES)
            break
        except HeldError:
            if time.monotonic() > until_s:
                raise FlashError(
                    f"another flashing writes into {host.parent}; wait until it has ended"
                ) from None
            time.sleep(0.1)
    with lock:
        yield


def check_free(host: Path, node: int, replaces: bool) -> None:
    """Raise FlashError when the host knows that node and it is not to be replaced."""
    if node in _nodes(host) and not replaces:
        raise FlashError(
            f"node {node} is in {host.parent} already, with the key of another card; give this one "
            f"another number, NODE={next_free(host)} say, or replace that one for good "
            "(REPLACE=yes)"
        )


def next_free(host: Path) -> int:
    """A number that no node of this host has."""
    taken = _nodes(host)
    above = range(max(taken, default=0) + 1, MAX_NODE + 1)
    return next(
        (number for number in (*above, *range(1, MAX_NODE + 1)) if number not in taken), MAX_NODE
    )


def check_link(host: Path, link: LinkConfig, port: str = HOST_PORT) -> list[str]:
    """Raise FlashError when the host could not hear the node; what else the person should know."""
    if not host.exists():
        link_for(link, port)
        return []
    return check_hears(host, _links(host), link)


def register(
    host: Path, node: int, key_text: str, bundle: Path, profile: str, link: LinkConfig | None = None
) -> Path:
    """Key and nodes/N.toml at once, and a host.toml where there is none; returns the key's file."""
    registration = Registration(host, node, key_text, bundle, link, profile=profile)
    registration.commit()
    return registration.key_path


def node_keys(host: Path, link: LinkConfig) -> dict[str, Any]:
    """What the host must know of how a node speaks."""
    if link.lorawan is None:
        return {} if link.has_downlink else {"downlink": False}
    kinds = [entry.get("kind") for entry in _links(host) if isinstance(entry, Mapping)]
    eui = str(link.lorawan.dev_eui).lower()
    # as The Things Stack itself proposes it
    return {"device": eui if "chirpstack" in kinds else f"eui-{eui}"}


def bundles_of(host: Path, node: int) -> list[str]:
    """What the host decodes of that node, the newest first, as its file or host.toml names it."""
    entry = _entry(host, node)
    if entry is None:
        raise FlashError(
            f"{host.parent} has no node {node}; name the folder of the host that hears it "
            "(HOST_DIR=)"
        )
    return _bundle_list(entry)


def set_bundles(host: Path, node: int, bundles: Sequence[str]) -> None:
    """The host decodes these from its next start on: all of them, since a node's queue may hold
    images of each.
    """
    entry = _entry(host, node)
    if entry is None:
        raise FlashError(
            f"{host.parent} has no node {node}; name the folder of the host that hears it "
            "(HOST_DIR=)"
        )
    durable.make_folder(host.parent / host_folder.NODES, PRIVATE)
    path = host_folder.node_file(host, node)
    text = _node_text(dict(entry) | {"bundle": list(dict.fromkeys(bundles))})
    durable.write(path, text, None if path.exists() else SECRET)


def stands_in_host_toml(host: Path, node: int) -> bool:
    """Whether a person named the node there as well."""
    return any(_is_node(entry, node) for entry in _own_entries(host))


def relative(bundle: Path, folder: Path) -> str:
    """As nodes/N.toml names a bundle: by its whole path, unless it lies in the host folder."""
    bundle, folder = bundle.resolve(), folder.resolve()
    return (bundle.relative_to(folder) if bundle.is_relative_to(folder) else bundle).as_posix()


def _with_earlier(host: Path, new: str, before: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The new bundle, then those of which a card flashed before may hold images; a sentence on each
    lost one.
    """
    earlier = [name for name in _bundle_list(before) if name != new]
    gone = [name for name in earlier if not (host.parent / name / MANIFEST).is_file()]
    notices = [
        f"bundle {name} is no longer there, so images made with it cannot be read" for name in gone
    ]
    return [new, *(name for name in earlier if name not in gone)], notices


def _make_folders(host: Path) -> None:
    for folder in (host.parent, host.parent / host_folder.KEYS, host.parent / host_folder.NODES):
        durable.make_folder(folder, PRIVATE)


def _node_text(entry: Mapping[str, Any]) -> str:
    return NODE_HEAD.format(node=entry["node"]) + toml_text.lines(entry, FlashError)


def _bundle_list(entry: Mapping[str, Any]) -> list[str]:
    bundles = entry.get("bundle", [])
    return (
        [bundles]
        if isinstance(bundles, str)
        else [name for name in bundles if isinstance(name, str)]
    )


def _read(host: Path) -> dict[str, Any]:
    return host_folder.read_host_toml(host, FlashError, {}) if host.exists() else {}


def _links(host: Path) -> list[Any]:
    """Each [link] of host.toml."""
    return _read(host).get("link", [])


def _own_entries(host: Path) -> list[Any]:
    entries = _read(host).get("node", [])
    if not isinstance(entries, list):
        raise FlashError(f"{host}: node is no section; write [[node]] above each")
    return entries


def _nodes(host: Path) -> dict[int, Mapping[str, Any]]:
    """Every node that the host knows, by its number."""
    tables, _ = host_folder.all_nodes(host, _own_entries(host), FlashError)
    return {
        table["node"]: table
        for _, table in tables
        if isinstance(table, Mapping) and type(table.get("node")) is int
    }


def _entry(host: Path, node: int) -> Mapping[str, Any] | None:
    return _nodes(host).get(node)


def _is_node(entry: Any, node: int) -> bool:
    return isinstance(entry, Mapping) and entry.get("node") == node
