"""Safe mode: what a node does whose node.toml cannot be used.

It says why on its console, and tells the host with the settings that worked last: those are kept once the host has
answered under them (where nobody answers: once a packet has left). Nothing is captured; what waits is sent. It ends
when node.toml is another file, and the next start reads that.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from device.config import ConfigError, NodeConfig, load_config
from link.durable import write_durably


@dataclass(frozen=True)
class SafeMode:
    """Why nothing is captured, and until when."""

    fault: str
    "As the host is told it, the most useful words first: a short packet takes only those."
    settings: Path
    mark: tuple[int, ...]
    "Of the file that cannot be used."

    @property
    def is_over(self) -> bool:
        return _mark(self.settings) != self.mark


def fall_back(settings: Path, last_good: Path, error: ConfigError) -> tuple[NodeConfig, SafeMode]:
    """The settings that worked last; ConfigError when there are none."""
    try:
        config = load_config(last_good, folder=settings.parent)
    except ConfigError:
        raise ConfigError(f"{error}. No settings have worked on this node before, so the host is not told") from None
    fault = str(error).replace(str(settings), settings.name)
    return config, SafeMode(fault, settings, _mark(settings))


def keep_good(settings: Path, last_good: Path, config: NodeConfig) -> None:
    """Keep node.toml as settings that work, unless it says something else than it did; OSError when it cannot be."""
    with suppress(ConfigError, UnicodeDecodeError):
        text = settings.read_text(encoding="utf-8")
        is_kept = last_good.exists() and last_good.read_bytes() == text.encode()
        if not is_kept and load_config(settings) == config:
            write_durably(last_good, text)


def _mark(path: Path) -> tuple[int, ...]:
    """Another one for another file, and for the same one written anew."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_ino, state.st_size, state.st_mtime_ns
