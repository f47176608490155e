"""Safe mode: what a node does that cannot work, since node.toml, bundle, source, state_dir or key
cannot be used.

It says why on its console, and tells the host: with the settings that worked last, which are kept
once the host has answered under them (where nobody answers: once a packet has left), else with its
own, as far as they go. Nothing is captured; what waits is sent. It ends when what cannot be used is
another file, and after RETRY_S in any case; the next start tries anew.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from device.config import ConfigError, NodeConfig, load_config
from device.state_dir import is_usable
from link.base import boot_s, durable
from link.bundle import manifest
from link.security import KEY_FILE
from link.settings import read_text

RETRY_S = 3600.0

Mark = tuple[object, ...]


@dataclass(frozen=True)
class SafeMode:
    """Why nothing is captured, and until when."""

    fault: str
    "As the host is told it, the most useful words first: a short packet takes only those."
    settings: Path
    config: NodeConfig | None
    "What they say, where they can be read."
    mark: Mark
    "The mark of all that may be to blame."
    until_s: float

    @classmethod
    def because(
        cls, error: Exception, settings: Path, config: NodeConfig | None = None
    ) -> "SafeMode":
        fault = str(error)
        for path in sorted((settings, *_named(config)), key=lambda path: -len(str(path))):
            # the host needs no path, and its words have little room
            fault = fault.replace(str(path), path.name)
        return cls(fault, settings, config, _mark(settings, config), boot_s() + RETRY_S)

    @property
    def notice(self) -> str:
        until = "that is mended" if self.config else f"{self.settings} is changed"
        return f"safe mode: nothing is captured until {until}; the host is told"

    @property
    def is_over(self) -> bool:
        return boot_s() >= self.until_s or _mark(self.settings, self.config) != self.mark


def voices(settings: Path, last_good: Path, config: NodeConfig | None) -> list[NodeConfig]:
    """Settings under which the host may hear of it, the best first; with those that worked last it
    always has.

    Each is tried as it is, and with its folder of keys in the place of a state_dir that cannot be
    used. A member of a team has no voice of its own: the team speaks as one node, and goes on.
    """
    found = []
    with suppress(ConfigError):
        found.append(load_config(last_good, folder=settings.parent))
    if config is not None:
        found.append(config)
    alone = [one for one in found if one.team is None]
    return [voice for one in alone for voice in (one, replace(one, state_dir=one.key_dir))]


def keep_good(settings: Path, last_good: Path, config: NodeConfig) -> None:
    """Keep node.toml as settings that work, unless it says something else than it did; OSError when
    it cannot be.
    """
    with suppress(ConfigError):
        text = read_text(settings, ConfigError)
        is_kept = last_good.exists() and last_good.read_bytes() == text.encode()
        if not is_kept and load_config(settings) == config:
            durable.write(last_good, text)


def _named(config: NodeConfig | None) -> list[Path]:
    """What settings name of a node's files."""
    if config is None:
        return []
    paths = (
        config.bundle,
        config.key_dir,
        config.state_dir,
        _source_path(config),
        config.bundle_signer,
    )
    return [path for path in paths if path is not None]


def _source_path(config: NodeConfig) -> Path | None:
    return config.source.path if config.source else None


def _mark(settings: Path, config: NodeConfig | None) -> Mark:
    """Another one when something that may be to blame is another file, or is there again."""
    if config is None:
        return (_file_mark(settings),)
    bundle, source = config.bundle, _source_path(config)
    files = [
        settings,
        config.key_dir / KEY_FILE,
        bundle,
        *_content(bundle),
    ]
    placement = config.team.placement if config.team else None
    files += [path for path in (source, config.bundle_signer, placement) if path is not None]
    state = config.state_dir  # of which the times say nothing: a node writes there
    return (
        *map(_file_mark, files),
        is_usable(state),
        os.path.lexists(state),
        is_usable(state.parent),
    )


def _content(bundle: Path) -> list[Path]:
    """The files of a bundle, those that should be there also where they are not."""
    try:
        return sorted(bundle.iterdir())
    except OSError:
        return [bundle / manifest.MANIFEST]


def _file_mark(path: Path) -> tuple[int, ...]:
    """Another one for another file, and for the same one written anew."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return ()
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
