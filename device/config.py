"""node.toml: everything one node is told, checked once, here.

    node = 1
    bundle = "bundle"          # paths are relative to this file
    key_dir = "keys"
    [source]
    kind = "v4l2"
    [link]
    port = "/dev/ttyUSB0"
    profile = "rn2483-sf9"
    region = "eu868"
    frequency_hz = 869525000

docs/node.md lists every key; what it says of one stands beside it here.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from device.capture.source_config import SourceConfig, read_source
from device.collect.collect_config import MEGABYTE, CollectConfig, read_collect
from device.fog.team_config import TeamConfig, read_team
from device.link_config import LinkConfig, read_link
from device.training.learn_config import LearnConfig, read_learn
from link.security import MAX_NODE
from link.settings import read_toml, rename_keys, setting

DEFAULT_QUEUE_MB = 16


class ConfigError(ValueError):
    """node.toml cannot be used; the message names the file, the key and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """One node."""

    node: int = setting.key(
        setting.whole(1, MAX_NODE).explained("this node's number, as its host knows it")
    )
    bundle: Path = setting.key(
        setting.PATH.explained("folder of the bundle, of which a node needs its own half")
    )
    key_dir: Path = setting.key(
        setting.PATH.explained(
            "folder of `node.key` and its counter, made by flashing or `latentlink link "
            "provision`; of this node alone"
        )
    )
    state_dir: Path = setting.key(
        setting.PATH.explained(
            "folder of what waits to be sent and of the airtime spent; of this node alone",
            usual="`key_dir`",
        ),
        None,
    )
    max_queue_bytes: int = setting.key(
        setting.whole(1, 100_000).explained(
            "what may wait to be sent; beyond it old refinements go first, then the oldest images",
            usual=str(DEFAULT_QUEUE_MB),
        ),
        DEFAULT_QUEUE_MB * MEGABYTE,
        name="max_queue_mb",
    )
    bundle_signer: Path | None = setting.key(
        setting.PATH.explained(
            "public key of whoever may give this node bundles; without it bundles need no signature"
        ),
        None,
    )
    edgetpu: bool = setting.key(
        setting.YES_OR_NO.explained("a Coral computes the encoder, where there is one"), False
    )
    source: SourceConfig = setting.key(
        setting.SECTION.explained(
            "where images come from; a member of a team does without, where it has no camera",
            usual="**must be said**",
        ),
        None,
    )
    link: LinkConfig = setting.key(
        setting.SECTION.explained(
            "how packets leave; a member of a team does without, where it has no modem",
            usual="**must be said**",
        ),
        None,
    )
    team: TeamConfig | None = setting.key(
        setting.SECTION.explained(
            "the encoder is cut over several nodes, which are one to their host: all have its "
            "number and its key ([teams.md](teams.md))",
            usual="this node is alone",
        ),
        None,
    )
    collect: CollectConfig | None = setting.key(
        setting.SECTION.explained(
            "this node keeps pictures of what it saw, for `latentlink collect` "
            "([own-photos.md](own-photos.md#collecting-with-a-node))",
            usual="no picture is kept",
        ),
        None,
    )
    learn: LearnConfig | None = setting.key(
        setting.SECTION.explained(
            "for `latentlink learn`: this node learns from its own images ([learn.md](learn.md))"
        ),
        None,
    )
    notices: tuple[str, ...] = field(default=(), compare=False)
    "What the person should change in node.toml."


def load_config(path: Path | str, folder: Path | None = None) -> NodeConfig:
    """Read node.toml; ConfigError when it is missing, no TOML, or says something that cannot be.

    `folder`: what its paths are relative to, of a copy that lies elsewhere.
    """
    path = Path(path)
    folder = folder or path.parent
    table = read_toml(path, ConfigError)
    renamed: dict[str, str] = {}
    rename_keys("link", table.get("link"), f"[link] of {path}", renamed)
    try:
        config = setting.read(
            NodeConfig,
            table,
            folder=folder,
            source=partial(read_source, folder=folder),
            link=partial(read_link, folder=folder),
            team=partial(read_team, folder=folder),
            collect=read_collect,
            learn=partial(read_learn, folder=folder),
            max_queue_mb=MEGABYTE.__mul__,
        )
        _check_sections(config)
        wants_time = config.link and config.link.wants_time
        if config.source and config.source.hours and not wants_time:
            raise ValueError(
                "[source] hours needs [link] wants_time = true: the node has no clock of its own"
            )
        state_dir = config.state_dir or config.key_dir
        return replace(config, state_dir=state_dir, notices=tuple(renamed.values()))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _check_sections(config: NodeConfig) -> None:
    """That a node has all that it needs; a member of a team may leave something to others."""
    if config.collect is not None and config.team is not None:
        raise ValueError(
            "[collect] is for a node that is alone, since no member of a team has all symbols of "
            "an image; leave it out"
        )
    if config.team is None:
        for key, section in (("source", config.source), ("link", config.link)):
            if section is None:
                raise ValueError(f'key "{key}" is missing')
    elif config.team.camera == "each" and config.source is None:
        raise ValueError(
            '[source] is missing: with [team] camera = "each" every member needs one; with '
            '"shared" those need one that have a camera'
        )
