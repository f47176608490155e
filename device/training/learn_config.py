"""[learn] of node.toml: the run that a node is part of, its images, and what it may spend on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from device.capture.schedule import DAY_S, Hours
from device.computers import COMPUTERS
from device.link_config import LinkConfig, read_link
from device.training.limits import Limits
from link.security import MAX_NODE
from link.settings import read_toml, setting

MAX_DEVICE = (1 << 24) - 1
"A message has three bytes for it."


class LearnConfigError(ValueError):
    """[learn] cannot be used; the message names the file, the key and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """One device of a run."""

    run: Path = setting.key(
        setting.PATH.explained("the folder that the run's host gives to all its devices")
    )
    device: int = setting.key(
        setting.whole(0, MAX_DEVICE).explained("this device's number, as the run's host knows it")
    )
    key: Path = setting.key(
        setting.PATH.explained(
            "this device's own, made at the first start; the public half beside it is for the host"
        )
    )
    shard: Path = setting.key(
        setting.PATH.explained("its images and labels, as `latentlink learn shard` writes them")
    )
    state_dir: Path = setting.key(setting.PATH.explained("folder in which it keeps how far it is"))
    socket: Path | None = setting.key(
        setting.PATH.explained(
            "the Unix socket at which messages of the run's server come in, and updates go out",
            usual="none: there is a link",
        ),
        None,
    )
    link: LinkConfig | None = setting.key(
        setting.SECTION.explained(
            "in the place of the socket: a port with a gateway behind it, with the keys of [link]",
            usual="none",
        ),
        None,
    )
    node: int | None = setting.key(
        setting.whole(1, MAX_NODE).explained("with a link: its number, as the gateway knows it"),
        None,
    )
    key_dir: Path | None = setting.key(
        setting.PATH.explained("with a link: folder of node.key, which the gateway has too"), None
    )
    hours: Hours | None = setting.key(
        setting.text().explained(
            'learn only then, in UTC and by the machine\'s clock: `"22:00-06:00"`', usual="all day"
        ),
        None,
    )
    round_s: float | None = setting.key(
        setting.number(0.1, DAY_S).explained("end a round after so long, with fewer steps"), None
    )
    max_celsius: float | None = setting.key(
        setting.number(20, 120).explained(
            "rest while the machine is hotter, until it is 5 degrees cooler"
        ),
        None,
    )
    day_wh: float | None = setting.key(
        setting.number(0.001, 10_000).explained(
            "energy for learning from midnight to midnight, UTC"
        ),
        None,
    )
    computer: str = setting.key(
        setting.text(tuple(COMPUTERS)).explained(
            "by whose extra power energy is estimated; no node has a meter"
        ),
        "zero2w",
    )

    @property
    def far(self) -> "FarConfig | None":
        """The link to a gateway, if there is one."""
        if self.link is None:
            return None
        assert self.node is not None
        assert self.key_dir is not None
        return FarConfig(self.link, self.node, self.key_dir, self.state_dir)

    @property
    def limits(self) -> Limits:
        computer = COMPUTERS[self.computer]
        return Limits(
            round_s=self.round_s,
            hours=self.hours,
            max_celsius=self.max_celsius,
            day_wh=self.day_wh,
            extra_w=computer.busy_w - computer.idle_w,
        )


@dataclass(frozen=True)
class FarConfig:
    """A device's link to its gateway."""

    link: LinkConfig
    node: int
    key_dir: Path
    state_dir: Path


def read_learn(table: Mapping[str, Any], folder: Path) -> LearnConfig:
    """ValueError with a sentence when it says something that cannot be. Paths are relative to
    `folder`.
    """
    link = partial(read_link, folder=folder)
    config = setting.read(LearnConfig, table, "[learn] ", folder, hours=_hours, link=link)
    if (config.socket is None) == (config.link is None):
        raise ValueError(
            "[learn] needs either socket, where messages come in, or link, behind which a gateway "
            "is; write one of them"
        )
    if config.link is not None:
        if config.node is None or config.key_dir is None:
            raise ValueError("[learn] link needs node and key_dir, as the gateway has them")
        if config.link.lorawan or not config.link.has_downlink:
            raise ValueError(
                "[learn] link needs a gateway of ours that answers: without lorawan, and with "
                "downlink = true"
            )
    return config


def load_learn(path: Path) -> LearnConfig:
    """[learn] of a node.toml, which may have other sections, or none; raises LearnConfigError."""
    table = read_toml(path, LearnConfigError)
    if not isinstance(section := table.get("learn"), dict):
        raise LearnConfigError(f"{path} has no section [learn]; docs/learn.md shows one")
    try:
        return read_learn(section, path.parent)
    except ValueError as error:
        raise LearnConfigError(f"{path}: {error}") from None


def _hours(given: str) -> Hours:
    try:
        return Hours.parse(given)
    except ValueError as error:
        raise ValueError(f"[learn] hours: {error}") from None
