"""Retirement: a node is taken out, and its key is never believed again; its number is free for
another card.

What it sent stays in the store. In host.toml, which is a person's, nothing is changed: a [[node]]
there is refused by its key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host_decoder.config import read_key_file
from host_decoder.errors import ConfigError, HostError
from host_decoder.revocation import revoke
from host_decoder.store.database.file import Lock, StoreError, StoreHeldError
from link.security import KeyStateError
from link.settings import host_folder


def retire(host: Path, node: int, day: str) -> list[str]:
    """Revoke the key of a node, then take its files out of the host folder; what is left to do, a
    sentence each. HostError when the host has no such node.
    """
    folder = host.parent
    toml = host_folder.read_host_toml(host, ConfigError, {})
    entries = [one for one in toml.get("node", []) if isinstance(one, Mapping)]
    own = [one for one in entries if one.get("node") == node]
    files = host_folder.read_node_files(host, ConfigError, faults=[])
    if not own and node not in files:
        known = sorted({*files, *(one["node"] for one in entries if type(one.get("node")) is int)})
        raise HostError(
            f"{folder} has no node {node}; it has {', '.join(map(str, known)) or 'none'}"
        )
    tables = [*own, *([files[node]] if node in files else [])]
    notices, keys = [], []
    for table in tables:
        try:
            keys += [(path, read_key_file(path)) for path in _key_paths(folder, table)]
        except (ConfigError, KeyStateError) as error:
            notices.append(f"a key could not be revoked: {error}")
    for _, key in keys:
        revoke(folder, key, node, day)
    host_folder.node_file(host, node).unlink(missing_ok=True)
    (folder / host_folder.TEAMS / f"{node}.toml").unlink(missing_ok=True)
    for path, _ in keys:
        _erase(path, folder)
    if own:
        notices.append(f"take the [[node]] of node {node} out of {host}; it is refused until then")
    if any("device" in table for table in tables):
        notices.append(
            f"node {node} speaks through a LoRaWAN network: delete the device there too, which is "
            "what makes its key worthless"
        )
    return notices + _running(folder / str(toml.get("store", "host.sqlite")), node)


def _key_paths(folder: Path, table: Mapping[str, Any]) -> list[Path]:
    return [folder / table["key"]] if isinstance(table.get("key"), str) else []


def _erase(path: Path, folder: Path) -> None:
    """A key in the host folder; one elsewhere is a person's own."""
    if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
        path.write_bytes(bytes(path.stat().st_size))
        path.unlink()


def _running(store: Path, node: int) -> list[str]:
    """A host that has begun before goes on with the nodes that it began with."""
    if not store.exists():
        return []
    try:
        Lock(store).close()
    except StoreHeldError:
        return [
            f"a host is running and hears node {node} until it is started again: systemctl "
            "restart latentlink-host, or Ctrl-C and the same command"
        ]
    except StoreError:
        pass  # nobody writes into it
    return []
