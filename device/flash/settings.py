"""Settings: the person's node.toml made the node's: its number, and paths as they are on the node.

All that can be known of it without the node is checked here, before a card is touched: node.toml as
`device.config` checks it, the region's rules, port, bundle and source. What depends on the card's
system is checked with that.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from device.capture.source_config import SourceConfig
from device.config import ConfigError, NodeConfig, load_config
from device.flash.member import Team
from device.flash.ports import check_port, check_serial
from device.flash.tools import FlashError
from device.fog.loading import plan_of
from device.fog.team_config import TeamConfig
from device.link_config import LinkConfig
from link.bundle import Bundle, BundleError
from link.fog import Plan
from link.medium import never_speaks, rules_for
from link.security import MAX_NODE, signature
from link.settings import read_text, toml_text

ON_NODE = {
    "bundle": "/opt/latentlink/bundle",
    "key_dir": "/var/lib/latentlink/keys",
    "state_dir": "/var/lib/latentlink",
    "bundle_signer": f"/etc/latentlink/{signature.SIGNER}",
}
KEEPS_PICTURES = (
    "this node keeps pictures of what it sees on its card, where whoever has the card can see them "
    "([collect]); tell those whom it looks at"
)
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
    link: LinkConfig | None
    "None: a team's member without a modem."
    source_kind: str
    "Empty: a member without a camera."
    bundle: Path
    source_files: dict[str, bytes]
    "Files of a replayed or read source, by their path in its folder."
    app_key: str | None = field(default=None, repr=False)
    notices: tuple[str, ...] = ()
    "What the person should know."
    team: Team | None = None
    member: int | None = None

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports that are the node's: of its link, and of the bus that its team shares."""
        ports = (self.link and self.link.port, self.team and self.team.port)
        return tuple(port for port in ports if port)

    @property
    def uses_ip(self) -> bool:
        is_udp = self.link is not None and self.link.profile.carrier == "udp"
        return is_udp or (self.team is not None and self.team.uses_ip)

    def check_ports(self, is_our_image: bool) -> None:
        """Raise FlashError unless a Pi has each port for us."""
        if self.team is not None and self.team.port is not None:
            check_serial(self.team.port, "[team]", is_our_image)
        if self.link is not None:
            check_port(self.link, is_our_image)

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"{self.node}" if self.member is None else f"{self.node}, member {self.member}"


def read_settings(
    path: Path,
    node: int | None = None,
    bundle: Path | None = None,
    team: Team | None = None,
    member: int | None = None,
) -> Settings:
    """node.toml, checked and rewritten for the node, or for that member of the team; FlashError
    says what is wrong.
    """
    try:
        text = read_text(path, ConfigError)
        if team is not None and member is not None:
            text = team.text(text, member)
        config = _load(text, path)
        number = config.node if node is None else node
        notices = config.notices + _check(config.link, number, team is not None)
        if config.collect is not None:
            notices += (KEEPS_PICTURES,)
        chosen = bundle or config.bundle
        _check_cut(Bundle.load(chosen, side="node"), config.team, team)
        Bundle.load(chosen, side="host")
        files = _source_files(config.source)
        app_key = config.link.lorawan.app_key if config.link and config.link.lorawan else None
        if config.source is not None and config.source.path is not None:
            on_node = {"path": f"{SOURCE_ON_NODE}/{config.source.path.name}"}
            text = toml_text.rewrite(text, on_node, "source")
        if app_key is not None:
            text = toml_text.rewrite(text, {"app_key": APP_KEY_ON_NODE}, "link.lorawan")
        text = toml_text.rewrite(text, {"node": number, **ON_NODE})
    except (ConfigError, BundleError) as error:
        raise FlashError(str(error)) from None
    except (FlashError, ValueError) as error:
        raise FlashError(f"{path}: {error}") from None
    kind = config.source.kind if config.source else ""
    settings = Settings(
        text, number, config.link, kind, chosen, files, app_key, notices, team, member
    )
    settings.check_ports(is_our_image=True)
    return settings


def _load(text: str, path: Path) -> NodeConfig:
    """The settings that a text says, as the node reads them; its paths are those of that file."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(text, encoding="utf-8")
        try:
            return load_config(copy, folder=path.parent)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(copy), str(path))) from None


def _check_cut(bundle: Bundle, config: TeamConfig | None, team: Team | None) -> None:
    """Raise FlashError or ValueError unless the bundle's encoder is cut as it must be, and every
    part has its members.
    """
    if team is None or config is None:
        if bundle.team is not None:
            raise FlashError(
                f"bundle {bundle.path} is cut for a team of {bundle.team.groups}: make one, "
                f"FOG={bundle.team.groups}"
            )
    elif bundle.team is None:
        raise FlashError(
            f"bundle {bundle.path} holds an encoder for one node; a team needs one that is cut: "
            f"train a preset such as branch-{team.members}"
        )
    elif team.placement is not None:
        Plan.of(bundle.team, team.placement, team.members)
    else:
        plan_of(config, bundle)


def _check(link: LinkConfig | None, number: int, is_team: bool) -> tuple[str, ...]:
    """Raise FlashError for what cannot work; a sentence on what will hardly do."""
    if not 1 <= number <= MAX_NODE:
        raise FlashError(f"node is {number}, a node has a number from 1 to {MAX_NODE}")
    if link is None:
        return ()
    if link.lorawan and is_team:
        raise FlashError(
            "[link.lorawan] is of one device, and a team speaks by any of its members: take "
            "another profile"
        )
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


def _source_files(source: SourceConfig | None) -> dict[str, bytes]:
    """What is replayed or read, for the boot partition."""
    if source is None or source.path is None:
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
