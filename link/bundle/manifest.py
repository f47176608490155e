"""Manifest: what manifest.json of a bundle says of itself, checked by type and range before
anything is made of it.
"""

from collections.abc import Mapping
from typing import Any

from link.settings.setting import (
    MANY,
    REQUIRED_SECTION,
    SECTION,
    TEXTS,
    Setting,
    number,
    read_section,
    text,
    whole,
)

MAX_SIDE, MAX_CHANNELS, MAX_LATENTS = 8192, 4, 1 << 16

MANIFEST = dict.fromkeys(("node", "host", "provenance", "measured"), REQUIRED_SECTION)
NODE = {
    "image": REQUIRED_SECTION,
    "latents": whole(1, MAX_LATENTS, is_required=True),
    "files": REQUIRED_SECTION,
}
IMAGE = {
    "height": whole(1, MAX_SIDE, is_required=True),
    "width": whole(1, MAX_SIDE, is_required=True),
    "channels": whole(1, MAX_CHANNELS, is_required=True),
    "pixel_pad": whole(0, MAX_SIDE),
}
HOST = {"tasks": REQUIRED_SECTION, "files": REQUIRED_SECTION}
FILE = {"sha256": text(is_required=True), "bytes": whole(0, MANY, is_required=True)}
TASK = {
    "file": text(is_required=True),
    "classes": TEXTS,
    "output": text(),
    "threshold": number(-MANY, MANY),
    "calibration": SECTION,
}


def check_manifest(
    manifest: Mapping[str, Any], node_files: tuple[str, ...], label_task: str
) -> None:
    """ValueError with what is lacking or cannot be. Further tasks: `check_task`, when they are
    asked for.
    """
    _check(manifest, MANIFEST, "")
    node, host = manifest["node"], manifest["host"]
    _check(node, NODE, "node.")
    read_section(node["image"], IMAGE, "node.image.")
    for name in node_files:
        _check_file(node["files"], name, "node.files.")
    _check(host, HOST, "host.")
    _check(host["tasks"], {label_task: REQUIRED_SECTION}, "host.tasks.")
    check_task(host, label_task)
    if "classes" not in host["tasks"][label_task]:
        raise ValueError(f"host.tasks.{label_task}.classes is missing")
    for name, task in host["tasks"].items():
        if not isinstance(task, Mapping) or not isinstance(task.get("file"), str):
            raise ValueError(f"host.tasks.{name} names no file")
        _check_file(host["files"], task["file"], "host.files.")


def check_task(host: Mapping[str, Any], name: str) -> None:
    _check(host["tasks"][name], TASK, f"host.tasks.{name}.")


def _check_file(files: Mapping[str, Any], name: str, where: str) -> None:
    _check(files, {name: REQUIRED_SECTION}, where)
    _check(files[name], FILE, f"{where}{name}.")


def _check(table: Mapping[str, Any], settings: Mapping[str, Setting], where: str) -> None:
    """Check these keys; others may stand beside them."""
    read_section({key: value for key, value in table.items() if key in settings}, settings, where)
