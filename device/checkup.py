"""Checkup of a node's settings: what keeps it from capturing, encoding or speaking here.

Libraries may be missing, so what needs them is imported when they were found.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from link.base import FolderLock, HeldError
from link.checkup import (
    Finding,
    check_disk,
    check_libraries,
    check_port,
    check_private,
    check_python,
    check_udp,
    prevents,
)

if TYPE_CHECKING:
    from device.capture.source_config import SourceConfig
    from device.config import NodeConfig
    from device.link_config import LinkConfig

SOURCE_LIBRARIES = {
    "folder": ("PIL", "pictures"),
    "v4l2": ("cv2", "v4l2"),
}
"By kind of source: its library, and the extra that brings it."
CAMERAS = Path("/dev")


def check_node(path: Path) -> Iterator[Finding]:
    """`path`: node.toml."""
    found = [*check_python(), *check_libraries(("cryptography", "numpy", "reedsolo", "serial"))]
    yield from found
    if not prevents(found):
        yield from _runtime()
        yield from _settings(path)


def _runtime() -> Iterator[Finding]:
    from device.encoder.interpreter import RuntimeMissingError, working_runtime

    try:
        working_runtime()
    except RuntimeMissingError as error:
        yield Finding(str(error))


def _settings(path: Path) -> Iterator[Finding]:
    from device.config import ConfigError, load_config
    from link.bundle import Bundle, BundleError

    try:
        config = load_config(path)
    except (ConfigError, OSError) as error:
        yield Finding(str(error))
        return
    yield from (Finding(notice, is_hint=True) for notice in config.notices)
    try:
        Bundle.load(config.bundle, side="node")
    except BundleError as error:
        yield Finding(str(error))
    yield from _keys(config)
    is_running = _is_held(config.key_dir)
    if is_running:
        yield Finding("a node runs with these settings", is_hint=True)
    yield from _state(config)
    yield from _pictures(config)
    if config.link is not None and not is_running:
        yield from _link(config.link)
    if config.source is not None:
        yield from _source(config.source)


def _keys(config: "NodeConfig") -> Iterator[Finding]:
    from link.security import KEY_FILE, KeyStateError, read_key, read_master_key

    for path in (config.key_dir, config.key_dir / KEY_FILE):
        yield from check_private(path)
    try:
        read_master_key(config.key_dir)
    except KeyStateError as error:
        yield Finding(str(error))
        return
    try:
        if (node := read_key(config.key_dir).node) != config.node:
            yield Finding(
                f"the key in {config.key_dir} was made for node {node}, and node.toml says "
                f"{config.node}; put right which of the two is wrong"
            )
    except KeyStateError as error:  # of the counter alone: the node begins it anew
        yield Finding(str(error), is_hint=True)


def _is_held(folder: Path) -> bool:
    try:
        FolderLock(folder).close()
    except HeldError:
        return True
    except OSError:
        return False
    return False


def _state(config: "NodeConfig") -> Iterator[Finding]:
    folder = config.state_dir
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            f"this account may not write into {there}, where what waits to be sent is kept; give "
            "it to the account, or write another state_dir"
        )
    else:
        yield from check_disk(there)


def _pictures(config: "NodeConfig") -> Iterator[Finding]:
    """What others who use the place should be told, as well."""
    from link.album import FOLDER

    folder = config.state_dir / FOLDER
    if config.collect is not None:
        at_most = f"{config.collect.max_bytes / 1e6:.0f} MB at most"
        yield Finding(
            f"pictures of what the node sees are kept in {folder}, {at_most}; without [collect] "
            "none are",
            is_hint=True,
        )
    elif folder.exists():
        yield Finding(
            f"pictures that were kept earlier lie in {folder}; fetch them with latentlink "
            f"collect, or delete them: rm -r {folder}",
            is_hint=True,
        )


def _link(link: "LinkConfig") -> Iterator[Finding]:
    from link.medium import rules_for

    yield from (check_udp if link.profile.carrier == "udp" else check_port)(link.port)
    rules = rules_for(link.region, link.frequency_hz, link.profile)
    if link.lorawan is None and rules.silent_because:
        yield Finding(f"the node stays silent: {rules.silent_because}")


def _source(source: "SourceConfig") -> Iterator[Finding]:
    library, extra = SOURCE_LIBRARIES.get(source.kind, ("", ""))
    if library:
        yield from check_libraries((library,), extra)
    if source.kind == "picamera2":
        yield from (
            Finding(f"{found.sentence.partition(':')[0]}: apt install python3-picamera2")
            for found in check_libraries(("picamera2",))
        )
    if source.path is not None and not source.path.exists():
        yield Finding(f"[source] path: there is no {source.path}")
    if source.kind == "v4l2":
        number = source.device
        camera = CAMERAS / f"video{number}" if isinstance(number, int) else Path(number)
        if not camera.exists():
            there = ", ".join(map(str, sorted(CAMERAS.glob("video*")))) or "none"
            yield Finding(f"there is no camera {camera}; there are: {there}")
        elif not os.access(camera, os.R_OK | os.W_OK):
            yield Finding(
                f"this account may not use {camera}: add it to the group {camera.group()}, and "
                "log in again"
            )
