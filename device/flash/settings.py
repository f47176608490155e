"""Settings: the person's node.toml made the node's: its number, and paths as they are on the node.

All that can be known of it without the node is checked here, before a card is touched: node.toml as
`device.config` checks it, the region's rules, port, bundle and source. What depends on the card's
system is checked with that.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from device.capture.source_config import SourceConfig
from device.config import ConfigError, load_config
from device.flash.ports import check_port
from device.flash.tools import FlashError
from device.link_config import LinkConfig
from link.bundle import Bundle, BundleError
from link.medium import never_speaks, rules_for
from link.security import MAX_NODE, signature
from link.settings import read_text, toml_text

ON_NODE = {
    "bundle": "/opt/latentlink/bundle",
    "key_dir": "/var/lib/latentlink/keys",
    "state_dir": "/var/lib/latentlink",
    "bundle_signer": f"/etc/latentlink/{signature.SIGNER}",
}
APP_KEY = "app.key"
APP_KEY_ON_NODE = f"{ON_NODE['key_dir']}/{APP_KEY}"
"The second key of a LoRaWAN node, beside its other key."
SOURCE_ON_NODE = "/opt/latentlink/source"
MAX_SOURCE_BYTES = 256 << 20
"The most of images that go along: a boot partition has twice that, in all."
NO_FAT_NAME = re.compile(r'["*:<>?\\|\x00-\x1f\x7f]|[. ](/|$)')


@dataclass(frozen=True)
class Settings:
    """node.toml for the node, and what it names."""

    text: str
    node: int
    link: LinkConfig
    source_kind: str
    bundle: Path
    source_files: dict[str, bytes]
    "Files of a replayed or read source, by their path in its folder."
    app_key: str | None = field(default=None, repr=False)
    notices: tuple[str, ...] = ()
    "What the person should know."

    @property
    def port(self) -> str:
        return self.link.port

    @property
    def profile(self) -> str:
        return self.link.profile.name


def read_settings(path: Path, node: int | None = None, bundle: Path | None = None) -> Settings:
    """node.toml, checked and rewritten for the node; FlashError says what is wrong."""
    try:
        config = load_config(path)
        number = config.node if node is None else node
        notices = config.notices + _check(config.link, number)
        chosen = bundle or config.bundle
        Bundle.load(chosen, side="node")
        Bundle.load(chosen, side="host")
        files = _source_files(config.source)
        app_key = config.link.lorawan.app_key if config.link.lorawan else None
        text = read_text(path, ConfigError)
        if config.source.path is not None:
            on_node = {"path": f"{SOURCE_ON_NODE}/{config.source.path.name}"}
            text = toml_text.rewrite(text, on_node, "source")
        if app_key is not None:
            text = toml_text.rewrite(text, {"app_key": APP_KEY_ON_NODE}, "link.lorawan")
        text = toml_text.rewrite(text, {"node": number, **ON_NODE})
    except (ConfigError, BundleError) as error:
        raise FlashError(str(error)) from None
    except (FlashError, ValueError) as error:
        raise FlashError(f"{path}: {error}") from None
    return Settings(text, number, config.link, config.source.kind, chosen, files, app_key, notices)


def _check(link: LinkConfig, number: int) -> tuple[str, ...]:
    """Raise FlashError for what cannot work; a sentence on what will hardly do."""
    if not 1 <= number <= MAX_NODE:
        raise FlashError(f"node is {number}, a node has a number from 1 to {MAX_NODE}")
    check_port(link, is_our_image=True)
    if link.lorawan and link.lorawan.dev_eui is None:
        raise FlashError(
            "[link.lorawan] has no dev_eui, by which the host knows the node: write the module's "
            "there (its label has it, or its command sys get hweui)"
        )
    if reason := never_speaks(link.region, link.frequency_hz, link.profile):
        raise FlashError(f"[link]: this node would never speak: {reason}")
    notices = []
    if silent := rules_for(link.region, link.frequency_hz, link.profile).silent_because:
        notices.append(
            f"this node will stay silent, as far as its modem's bandwidth is known: {silent}"
        )
    if number == 1 and link.profile.is_radio:
        notices.append(
            "a neighbour in range that has number 1 too disturbs this node; NODE= gives it a "
            "rarer one"
        )
    return tuple(notices)


def _source_files(source: SourceConfig) -> dict[str, bytes]:
    """What is replayed or read, for the boot partition."""
    if source.path is None:
        return {}
    if not source.path.exists():
        raise FlashError(f"the source {source.path} does not exist")
    is_file = source.path.is_file()
    entries = (
        [source.path]
        if is_file
        else sorted(entry for entry in source.path.rglob("*") if entry.is_file())
    )
    names = [entry.relative_to(source.path.parent).as_posix() for entry in entries]
    n_bytes = sum(entry.stat().st_size for entry in entries)
    if not entries or n_bytes > MAX_SOURCE_BYTES:
        held = (
            f"holds {n_bytes / 1e6:.0f} MB, and {MAX_SOURCE_BYTES / 1e6:.0f} fit"
            if entries
            else "is an empty folder"
        )
        raise FlashError(f"the source {source.path} {held}; choose another")
    n_alike = Counter(name.lower() for name in names)
    for name in names:
        if NO_FAT_NAME.search(name) or n_alike[name.lower()] > 1:
            raise FlashError(
                f"the source has {name}, a name that a card's boot partition cannot hold; rename it"
            )
    return {name: entry.read_bytes() for name, entry in zip(names, entries, strict=True)}
