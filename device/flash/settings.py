"""Settings: the person's node.toml made the node's: its number, and paths as they are on the node."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from device.config import ConfigError, load_config
from device.flash.tools import FlashError
from link.signature import SIGNER

ON_NODE = {
    "bundle": "/opt/latentlink/bundle",
    "key_dir": "/var/lib/latentlink/keys",
    "state_dir": "/var/lib/latentlink",
    "bundle_signer": f"/etc/latentlink/{SIGNER}",
}
SOURCE_ON_NODE = "/opt/latentlink/source"
PI5_DEBUG_PORT = "/dev/serial0"


@dataclass(frozen=True)
class Settings:
    """node.toml for the node, and what it names."""

    text: str
    node: int
    port: str
    profile: str
    source_kind: str
    bundle: Path
    source_files: dict[str, bytes]
    "Of a replayed or read source, by their path in its folder."


def read_settings(path: Path, node: int | None = None, bundle: Path | None = None) -> Settings:
    """Check node.toml and rewrite it for the node; FlashError with the sentence that says what is wrong."""
    try:
        config = load_config(path)
    except ConfigError as error:
        raise FlashError(str(error)) from None
    if config.link.port == PI5_DEBUG_PORT:
        raise FlashError(f"{path}: {PI5_DEBUG_PORT} is another connector on a Pi 5; write /dev/ttyAMA0")
    source, files = config.source.path, {}
    text = path.read_text()
    top_level: dict[str, int | str] = {"node": node or config.node, **ON_NODE}
    if source is not None:
        if not source.exists():
            raise FlashError(f"{path}: the source {source} does not exist")
        entries = [source] if source.is_file() else sorted(entry for entry in source.rglob("*") if entry.is_file())
        files = {(entry.relative_to(source.parent)).as_posix(): entry.read_bytes() for entry in entries}
        text = rewrite(text, {"path": f"{SOURCE_ON_NODE}/{source.name}"}, section="source")
    return Settings(
        text=rewrite(text, top_level),
        node=node or config.node,
        port=config.link.port,
        profile=config.link.profile.name,
        source_kind=config.source.kind,
        bundle=bundle or config.bundle,
        source_files=files,
    )


def rewrite(text: str, values: dict[str, int | str], section: str = "") -> str:
    """TOML with keys of one section set; every other line stays."""
    table = tomllib.loads(text)
    missing = dict(values)
    lines, current, place = [], "", 0
    for line in text.splitlines():
        if heading := re.match(r"\s*\[\s*([^\]]*?)\s*\]", line):
            current = heading[1]
        key = re.match(r"\s*([\w-]+)\s*=", line)
        is_set = current == section and key and key[1] in missing
        lines.append(f"{key[1]} = {json.dumps(missing.pop(key[1]))}" if key and is_set else line)
        if current == section and (heading or is_set):
            place = len(lines)
    lines[place:place] = [f"{key} = {json.dumps(value)}" for key, value in missing.items()]
    written = "\n".join(lines) + "\n"
    expected = table | values if not section else table | {section: table[section] | values}
    if tomllib.loads(written) != expected:
        raise FlashError("node.toml has a key over several lines; write each key on one line")
    return written
