"""Registry: the host learns of a new node; host.toml gets an entry, and the key a file beside it."""

import json
import os
import re
import tomllib
from pathlib import Path

from device.flash.tools import FlashError

NEW_HOST = """# What listens: python -m host_decoder listen {name}
store = "host.sqlite"

[link]
port = "{port}"
profile = "{profile}"
"""
HOST_PORT = "/dev/ttyUSB0"
KEPT_BUNDLES = 4
"Of one node: the one it has, the one it is given, and what may still be under way."


def check_free(host: Path, node: int, replaces: bool) -> None:
    """Raise FlashError when the host knows that node and it is not to be replaced."""
    if node in _nodes(host) and not replaces:
        raise FlashError(
            f"node {node} is in {host} already, with the key of another card; "
            "give this one another number (NODE=), or replace that one for good (REPLACE=yes)"
        )


def next_free(host: Path) -> int:
    return max(_nodes(host), default=0) + 1


def register(host: Path, node: int, key_text: str, bundle: Path, profile: str) -> Path:
    """Store the key (readable by its owner only) and name the node in host.toml; returns the key's file."""
    host.parent.mkdir(parents=True, exist_ok=True)
    key_path = host.parent / "keys" / f"node-{node}.key"
    key_path.parent.mkdir(exist_ok=True)
    _replace(key_path, key_text, 0o600)
    text = host.read_text() if host.exists() else NEW_HOST.format(name=host.name, port=HOST_PORT, profile=profile)
    entry = {"id": node, "key": f"keys/{key_path.name}", "bundle": relative(bundle, host.parent)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    text = _without(text, node).rstrip("\n") + "\n\n" + "\n".join(["[[node]]", *lines]) + "\n"
    _replace(host, text, 0o644)
    return key_path


def bundles_of(host: Path, node: int) -> list[str]:
    """What the host decodes of that node, the newest first, as host.toml names it."""
    if node not in _nodes(host):
        raise FlashError(f"{host} has no node {node}; name the host.toml of the host that hears it (HOST_TOML=)")
    [entry] = [one for one in tomllib.loads(host.read_text())["node"] if one["id"] == node]
    return [entry["bundle"]] if isinstance(entry["bundle"], str) else entry["bundle"]


def set_bundles(host: Path, node: int, bundles: list[str]) -> None:
    """The host decodes the first few of these from its next start on."""
    text = json.dumps(list(dict.fromkeys(bundles))[:KEPT_BUNDLES])
    parts = re.split(r"(?m)^(?=\s*\[\[?\w)", host.read_text())
    changed = "".join(
        re.sub(r"(?m)^(\s*bundle\s*=\s*).*$", lambda found: found[1] + text, part) if _is_node(part, node) else part
        for part in parts
    )
    try:
        is_right = any(
            one["id"] == node and one["bundle"] == json.loads(text) for one in tomllib.loads(changed)["node"]
        )
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise FlashError(f"{host} has a bundle over several lines; write bundle = {text} for node {node}")
    _replace(host, changed, 0o644)


def _nodes(host: Path) -> list[int]:
    if not host.exists():
        return []
    try:
        return [entry["id"] for entry in tomllib.loads(host.read_text()).get("node", [])]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise FlashError(f"{host} cannot be read: {error}") from None


def _without(text: str, node: int) -> str:
    """host.toml without that node's section."""
    parts = re.split(r"(?m)^(?=\s*\[)", text)
    return "".join(part for part in parts if not _is_node(part, node))


def _is_node(part: str, node: int) -> bool:
    return part.lstrip().startswith("[[node]]") and tomllib.loads(part)["node"][0].get("id") == node


def relative(bundle: Path, folder: Path) -> str:
    return Path(os.path.relpath(bundle.resolve(), folder.resolve())).as_posix()


def _replace(path: Path, text: str, mode: int) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
