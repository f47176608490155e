"""host.toml: where the host listens, what it stores into, and the nodes it knows.

    store = "host.sqlite"           # paths are relative to host.toml
    [link]                          # or several [[link]]: gateways that hear the same nodes
    port = "/dev/ttyUSB0"
    profile = "rn2483-sf9"
    region = "eu868"
    frequency_hz = 869525000
    [[node]]                        # or a file for each, nodes/1.toml beside host.toml
    node = 1
    key = "keys/node-1.key"
    bundle = "bundles/digits"

docs/host.md lists every key; what it says of one stands beside it here.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from host_decoder.decode.verdict import VerdictConfig, read_verdict
from host_decoder.errors import ConfigError
from host_decoder.fleet.config import FleetConfig, read_fleet
from host_decoder.gateway_config import GatewayConfig, read_gateways
from host_decoder.outputs.config import SECTIONS, OutputsConfig, read_outputs
from host_decoder.receive.clock import CLOCKS
from host_decoder.revocation import digest, read_revoked
from host_decoder.store.database.settings import Keep, Place, is_server
from host_decoder.web.config import WebConfig, read_web
from link.bundle import Bundle, BundleError
from link.bundle.manifest import MANIFEST
from link.security import KEY_FILE, MAX_NODE, KeyStateError, parse_key
from link.settings import has_mark, host_folder, read_text, setting, shown

T = TypeVar("T")
STORE, SITE = "host.sqlite", "home"
SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
HOST = {
    "store": setting.text().explained(
        "where everything is kept that came: a file, or a PostgreSQL server's "
        "`postgresql://user@server/database`",
        usual=f"`{STORE}`",
    ),
    "keep": setting.SECTION.explained("how long, in days", usual="as its keys say"),
    "clock": setting.text(CLOCKS).explained(
        "`trusted`: this host's time is right, though nothing synchronises it (NTP), and nodes may "
        "be told it"
    ),
    "bundles": setting.text().explained(
        "a folder of further bundles, to name the one that an unexpected packet was made with"
    ),
    "site": setting.text().explained(
        "what this place is called; with a node's number it names the node among those of other "
        "hosts",
        usual=f"`{SITE}`",
    ),
    "link": setting.SECTIONS.explained(
        "where this host listens: one `[link]`, or several `[[link]]`, gateways that hear the same "
        "nodes",
        usual="**must be said**, unless there is a `[fleet]`",
    ),
    "fleet": setting.SECTION.explained(
        "its gateways are elsewhere, and other hosts share the work ([fleet.md](fleet.md))",
        usual="none",
    ),
    "verdict": setting.SECTION.explained(
        "tell nodes when an image needs no further chunk", usual="images are sent whole"
    ),
    "web": setting.SECTION.explained(
        "a live page for a browser ([page.md](page.md)); the heading alone is enough",
        usual="none, unless `--web` is said",
    ),
    **SECTIONS,
    "node": setting.SECTIONS.explained(
        "the nodes it knows; one that was flashed stands in a file of its own, `nodes/1.toml` "
        "beside host.toml, with the same keys",
        usual="those of `nodes/`",
    ),
}
NODE = {
    "node": setting.whole(1, MAX_NODE, is_required=True).explained("the node's number"),
    "key": setting.text().explained(
        "the `node.key` that the node was made with, or a copy; a node in a LoRaWAN network has "
        "none"
    ),
    "bundle": setting.Setting((str, list), is_required=True).explained(
        "folder of its bundle; several, the newest first, while it goes from one to the next"
    ),
    "downlink": setting.YES_OR_NO.explained("`false`: this node does not listen", usual="true"),
    "device": setting.text().explained(
        "in a LoRaWAN network, instead of a key: its DevEUI, or its device id at The Things Stack"
    ),
    "tasks": setting.TEXTS.explained(
        "asked of its images besides the label; its bundle has their decoders "
        "([tasks.md](tasks.md))",
        usual="none",
    ),
    "question": setting.text().explained(
        "a task of its bundle that stands in the label's place: answers, alerts and verdicts are "
        "of it ([own-questions.md](own-questions.md))",
        usual="the label",
    ),
    "name": setting.text().explained("what people call it", usual="`node` and its number"),
    "period_s": setting.number(1, 31_536_000).explained(
        "how often it speaks", usual="as it has spoken so far"
    ),
    "latitude": setting.number(-90, 90).explained("where it stands, in degrees north"),
    "longitude": setting.number(-180, 180).explained("the same, in degrees east"),
}


@dataclass(frozen=True)
class KnownNode:
    """A node as the host knows it."""

    number: int
    key: bytes = field(repr=False)
    bundle: Bundle
    has_downlink: bool = True
    "Whether it listens."
    device: str | None = None
    """What a LoRaWAN network calls it; its frames are then sealed by the network alone, and it has
    no key of ours.
    """
    earlier_bundles: tuple[Bundle, ...] = ()
    "Decoded too."
    tasks: tuple[str, ...] = ()
    "Asked besides the label; an earlier bundle is asked those that it knows."
    name: str = ""
    "What people call it."
    period_s: float | None = None
    "How often it speaks; None: as it has spoken so far."
    latitude: float | None = None
    longitude: float | None = None
    "Where it stands, in degrees; None: nobody said."

    @property
    def title(self) -> str:
        """Its name, or its number."""
        return self.name or f"node {self.number}"


@dataclass(frozen=True)
class HostConfig:
    """All of host.toml, its keys and bundles read and checked."""

    gateways: tuple[GatewayConfig, ...]
    store: Place
    nodes: tuple[KnownNode, ...]
    other_bundles: tuple[Bundle, ...] = ()
    verdict: VerdictConfig | None = None
    "None: nodes send every image whole."
    warnings: tuple[str, ...] = ()
    "What was left out, and why."
    is_clock_trusted: bool = False
    "Whether nodes are told its time though the system does not call it synchronised."
    site: str = SITE
    "With a node's number the node's name everywhere."
    web: WebConfig | None = None
    "The page; None: there is none."
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    "What it says to other programs."
    path: Path = Path()
    "host.toml itself."
    keep: Keep = field(default_factory=Keep)
    fleet: FleetConfig | None = None
    "Where its gateways are heard, in the place of `gateways`."

    @property
    def state_dir(self) -> Path:
        """The folder of what is kept elsewhere than in the store: airtime that was spent."""
        return self.store.parent if isinstance(self.store, Path) else self.path.parent


def read_config(path: Path | str, has_page: bool = False) -> HostConfig:
    """host.toml, or the folder with it, and nodes/*.toml beside it. With a page, or a folder for
    nodes to come, there may be none yet.

    Raises ConfigError with a sentence that says what to do, also for the keys and bundles that it
    names.
    """
    path = host_folder.host_toml(Path(path))
    try:
        return _read_config(path, has_page)
    except (ConfigError, BundleError, KeyStateError) as error:
        note = " (its byte order mark was skipped)" if has_mark(path) else ""
        raise ConfigError(f"{error}{note}") from None


def _read_config(path: Path, has_page: bool) -> HostConfig:
    renamed: dict[str, str] = {}
    toml = host_folder.read_host_toml(path, ConfigError, renamed)
    table = _checked(str(path), setting.read_section, toml, HOST)
    others, warnings = (
        _read_bundles(path.parent / table["bundles"]) if "bundles" in table else ((), ())
    )
    faults: list[str] = []
    entries, doubles = host_folder.all_nodes(
        path, table.get("node", []), ConfigError, faults, renamed
    )
    nodes = _read_nodes(path, entries, faults)
    waits = has_page or "web" in table or (path.parent / host_folder.NODES).is_dir()
    if not nodes and not waits:
        raise ConfigError(
            f"{path} names no node; flash one, or add a [[node]] with node, key and bundle "
            "(`latentlink host init` makes a folder whose host waits for nodes)"
        )
    left_out = [f"{fault}; the host goes on without this node" for fault in faults]
    devices = {node.device: node.number for node in nodes if node.device is not None}
    fleet = _fleet(path, table)
    gateways = read_gateways(path, table["link"], devices) if fleet is None else ()
    return HostConfig(
        gateways=gateways,
        store=_place(path.parent, table.get("store", STORE)),
        path=path,
        keep=_checked(f"[keep] of {path}", setting.read, Keep, table.get("keep", {})),
        nodes=nodes,
        other_bundles=others,
        verdict=_checked(f"[verdict] of {path}", read_verdict, table["verdict"])
        if "verdict" in table
        else None,
        warnings=(
            *renamed.values(),
            *warnings,
            *left_out,
            *doubles,
            *_alike(nodes),
            *([] if nodes else [f"{path} names no node yet; one that is flashed is heard at once"]),
            *(gateway.warning for gateway in gateways if gateway.warning),
        ),
        is_clock_trusted=table.get("clock") == "trusted",
        site=_site(path, table.get("site", SITE)),
        web=_checked(f"[web] of {path}", read_web, table["web"], path.parent)
        if "web" in table
        else None,
        outputs=read_outputs(path, table, {node.number for node in nodes}),
        fleet=fleet,
    )


def _fleet(path: Path, table: Mapping[str, Any]) -> FleetConfig | None:
    """[fleet], which wants no [link] beside it, a server and keys."""
    if "fleet" not in table:
        if "link" not in table:
            raise ConfigError(f'{path}: key "link" is missing')
        return None
    if "link" in table:
        raise ConfigError(
            f"{path} has a [link] and a [fleet]; a fleet's gateways run `latentlink forward` with "
            "a [link] of their own, so take it out here"
        )
    if not is_server(table.get("store", STORE)):
        raise ConfigError(
            f"{path} has a [fleet], and several hosts share no file: let store be a PostgreSQL "
            'server, "postgresql://user@server/database"'
        )
    return _checked(f"[fleet] of {path}", read_fleet, table["fleet"], path.parent)


def read_further_nodes(
    path: Path, known: Collection[int]
) -> tuple[tuple[KnownNode, ...], tuple[str, ...]]:
    """Nodes that host.toml or `nodes/` name by now and that are not known yet, and a sentence on
    each that cannot be used.
    """
    faults: list[str] = []
    try:
        toml = host_folder.read_host_toml(path, ConfigError, {})
        entries, _ = host_folder.all_nodes(path, toml.get("node", []), ConfigError, faults, {})
        further = [entry for entry in entries if entry[1].get("node") not in known]
        return (_read_nodes(path, further, faults) if further else ()), tuple(faults)
    except (ConfigError, BundleError, KeyStateError) as error:
        return (), (str(error),)


def _checked(where: str, read: Callable[..., T], *given: Any) -> T:
    try:
        return read(*given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _place(folder: Path, text: str) -> Place:
    return text if is_server(text) else folder / text


def _site(path: Path, name: str) -> str:
    """It stands in topics, ids and addresses."""
    if not SITE_NAME.fullmatch(name):
        raise ConfigError(
            f"{path}: site is {shown(name)}; write 1 to 40 of a-z, 0-9, '-' and '_', such as "
            f'"{SITE}"'
        )
    return name


def _read_nodes(
    path: Path, entries: Sequence[tuple[str, Mapping[str, Any]]], faults: list[str]
) -> tuple[KnownNode, ...]:
    """Tables with where they stand; their paths are relative to host.toml.

    What is wrong with a node that has a file of its own is added to the `faults`: it costs the
    others nothing.
    """
    nodes: dict[int, KnownNode] = {}
    load = cache(partial(Bundle.load, side="host"))  # which many nodes share
    revoked = read_revoked(path.parent)
    for where, entry in entries:
        try:
            node = _read_node(
                where, _checked(where, setting.read_section, entry, NODE), path.parent, load
            )
        except (ConfigError, BundleError, KeyStateError) as error:
            if where.startswith("[[node]]"):
                raise
            faults.append(str(error) if where in str(error) else f"{where}: {error}")
            continue
        if node.key and (was := revoked.get(digest(node.key))):
            faults.append(
                f"{where}: the key of node {node.number} was revoked on {was[1]}, when node "
                f"{was[0]} was retired; flash the card again, or take this entry out"
            )
            continue
        if node.number in nodes:
            raise ConfigError(
                f"{path} has two nodes with the number {node.number}; give each another, or take "
                "one out"
            )
        if twice := [
            one.number
            for one in nodes.values()
            if one.device is not None and one.device == node.device
        ]:
            raise ConfigError(
                f"{path} gives the device {node.device} to node {twice[0]} and to node "
                f"{node.number}"
            )
        nodes[node.number] = node
    if not nodes and faults:
        raise ConfigError(faults[0])
    return tuple(nodes.values())


def _read_node(
    where: str, table: Mapping[str, Any], folder: Path, load: Callable[[Path], Bundle]
) -> KnownNode:
    device = table.get("device")
    if device is None and "key" not in table:
        raise ConfigError(f'{where}: key "key" is missing')
    names = [table["bundle"]] if isinstance(table["bundle"], str) else table["bundle"]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(
            f"{where}: bundle is {shown(table['bundle'])}; name one folder, or several in a list"
        )
    key = b"" if device is not None else read_key_file(folder / table["key"])
    bundle, *earlier = [load(folder / name) for name in names]
    if question := table.get("question"):
        bundle = bundle.asked(question)
        earlier = [one.asked(question) if one.has_task(question) else one for one in earlier]
    return KnownNode(
        number=table["node"],
        key=key,
        bundle=bundle,
        has_downlink=table.get("downlink", True),
        device=device,
        earlier_bundles=tuple(earlier),
        tasks=tuple(bundle.task(name).name for name in table.get("tasks", ())),
        name=table.get("name", ""),
        period_s=table.get("period_s"),
        latitude=table.get("latitude"),
        longitude=table.get("longitude"),
    )


def _alike(nodes: Sequence[KnownNode]) -> tuple[str, ...]:
    """A sentence on each node that has another's key: one of the two was named by mistake."""
    first: dict[bytes, int] = {}
    for node in nodes:
        if node.key:
            first.setdefault(node.key, node.number)
    return tuple(
        (
            f"nodes {first[node.key]} and {node.number} have the same key; give each the node.key "
            "that it was made with"
        )
        for node in nodes
        if node.key and first[node.key] != node.number
    )


def read_key_file(path: Path) -> bytes:
    """A node's master key from a copy of its node.key, or the folder that it is in."""
    path = path / KEY_FILE if os.path.isdir(path) else path
    if not os.path.lexists(path):
        raise ConfigError(
            f"key: there is no {path}; copy the node's {KEY_FILE} there, write where it is, or "
            "make one with `python -m link provision`"
        )
    try:
        return parse_key(read_text(path, ConfigError), origin=str(path))
    except ConfigError as error:
        raise ConfigError(f"key: {error}") from None


def _read_bundles(folder: Path) -> tuple[tuple[Bundle, ...], tuple[str, ...]]:
    """Every usable bundle in a folder, and a sentence on each that is not: they are only held to
    name others.
    """
    if not os.path.isdir(folder):
        raise ConfigError(
            f"the folder of bundles {folder} does not exist; make it or leave `bundles` out"
        )
    bundles, warnings = [], []
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            bundles.append(Bundle.load(manifest.parent, side="host"))
        except BundleError as error:
            warnings.append(f"a bundle is left out: {error}")
    return tuple(bundles), tuple(warnings)
