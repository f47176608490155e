"""host.toml: where the host listens, what it stores into, and the nodes it knows.

store = "host.sqlite"           # paths are relative to host.toml
clock = "trusted"               # optional: this host's time is right, though nothing synchronises it (NTP)
bundles = "bundles"             # optional: further bundles, to name the one an unexpected packet was made with

[link]                          # or several [[link]]: gateways that hear the same nodes
name = "roof"                   # optional
port = "/dev/ttyUSB0"
profile = "rn2483-sf9"          # optional on a cable: says the modem, its settings and the airtime of packets
bitrate_bps = 57600             # optional with a profile: of the port
region = "eu868"                # whose rules the host's own radio keeps; without one it only listens
frequency_hz = 869525000
feedback = true                 # false: nothing is ever sent

[[link]]                        # a LoRaWAN network: its server's MQTT broker
kind = "chirpstack"             # or "things-stack"
host = "localhost"
application = "8a4f…"           # its id there
user = "latentlink"             # optional, as password, port, tls = true, ca_file and client_id are
password = "…"

[verdict]                       # optional: tell nodes when an image needs no further chunk
confidence = 0.95               # when its label is as sure as this,
min_gain = 0.02                 # optional: or what is missing will put it right so seldom,
price_per_s = 0.0               # optional: or so seldom for its airtime

[[node]]                        # or a file for each, nodes/1.toml beside host.toml, as flashing writes them
id = 1
key = "keys/node-1.key"         # the node.key that `python -m link provision` wrote
bundle = "bundles/digits"       # or several, the newest first, while the node goes from one to the next
one_way = false                 # true: this node does not listen
tasks = ["thumbnail"]           # optional: asked of its images besides the label; its bundle has their decoders
device = "70b3d57ed005b89a"     # in a LoRaWAN network, instead of a key: DevEUI, or device id at The Things Stack
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_decoder.clock import CLOCKS
from host_decoder.toml_table import ConfigError, Table
from host_decoder.verdict import MIN_CONFIDENCE, MIN_GAIN
from link.airtime import UartConfig
from link.bundle import MANIFEST, Bundle, BundleError
from link.carrier import CARRIERS, Carrier, CarrierSettings, open_carrier
from link.host_folder import all_nodes, host_toml
from link.keys import KEY_FILE, MAX_NODE, parse_key
from link.network_server import SERVERS
from link.profiles import UART_BYTES, LinkProfile, get_profile
from link.toml_file import read_toml

if TYPE_CHECKING:  # it needs an MQTT library that only gateways of a network need
    from link.carriers.lorawan import NetworkSettings

DEFAULT_BITRATE_BPS = 9600
RADIO_KEYS = {"profile", "bitrate_bps", "region", "frequency_hz", "power_dbm"}
LINK_KEYS = RADIO_KEYS | {"name", "kind", "port", "peers", "feedback"}
NETWORK_KEYS = {"name", "kind", "host", "port", "application", "user", "password", "tls", "ca_file", "client_id"}


@dataclass(frozen=True)
class HostNode:
    """A node as the host knows it."""

    number: int
    key: bytes = field(repr=False)
    bundle: Bundle
    one_way: bool = False
    "It does not listen."
    device: str | None = None
    "What a LoRaWAN network calls it; its frames are then sealed by the network alone, and it has no key of ours."
    earlier_bundles: tuple[Bundle, ...] = ()
    "Decoded too."
    tasks: tuple[str, ...] = ()
    "Asked besides the label; an earlier bundle is asked those that it knows."


@dataclass(frozen=True)
class GatewayConfig:
    """One place where the host listens, and speaks when it may."""

    name: str
    settings: "CarrierSettings | NetworkSettings"
    region: str | None = None
    "Whose rules its radio keeps; None: a radio stays silent."
    has_downlink: bool = True

    @property
    def is_network(self) -> bool:
        """Whether a LoRaWAN network lies between: it sees to seals, airtime and answers."""
        return not isinstance(self.settings, CarrierSettings)

    @property
    def medium(self) -> str:
        settings = self.settings
        return settings.profile.name if isinstance(settings, CarrierSettings) else settings.server

    @property
    def where(self) -> str:
        """The port as a person names it."""
        settings = self.settings
        if not isinstance(settings, CarrierSettings):
            return f"{settings.server} at {settings.host}"
        return f"{settings.port} at {settings.bitrate_bps or settings.profile.bitrate_bps} bit/s"

    def open(self) -> Carrier:
        """Raises PortError when it is not there, ValueError when the settings do not suit it."""
        if isinstance(self.settings, CarrierSettings):
            return open_carrier(self.settings)
        from link.carriers.lorawan import LoRaWan

        return LoRaWan(self.settings)


@dataclass(frozen=True)
class VerdictConfig:
    """When an image needs no further chunk, as host_decoder.verdict explains."""

    confidence: float = MIN_CONFIDENCE
    min_gain: float = MIN_GAIN
    price_per_s: float = 0.0


@dataclass(frozen=True)
class HostConfig:
    """All of host.toml, its keys and bundles read and checked."""

    gateways: tuple[GatewayConfig, ...]
    store: Path
    nodes: tuple[HostNode, ...]
    other_bundles: tuple[Bundle, ...] = ()
    verdict: VerdictConfig | None = None
    "None: nodes send every image whole."
    warnings: tuple[str, ...] = ()
    "What was left out, and why."
    is_clock_trusted: bool = False
    "Whether nodes are told its time though the system does not call it synchronised."


def read_config(path: Path | str) -> HostConfig:
    """host.toml, or the folder with it, and nodes/*.toml beside it.

    Raises ConfigError, BundleError or KeyStateError, each with a sentence that says what to do.
    """
    path = host_toml(Path(path))
    toml = read_toml(path, ConfigError)
    table = Table(str(path), toml, {"store", "clock", "bundles", "link", "verdict", "node"})
    folder = table.get("bundles", str, "")
    others, warnings = _read_bundles(path.parent / folder) if folder else ((), ())
    entries, doubles = all_nodes(path, table.get("node", list, []), ConfigError)
    nodes = _read_nodes(path, entries)
    return HostConfig(
        gateways=_read_gateways(path, table.get("link", (dict, list)), nodes),
        store=path.parent / table.get("store", str, "host.sqlite"),
        nodes=nodes,
        other_bundles=others,
        verdict=_read_verdict(path, toml["verdict"]) if "verdict" in toml else None,
        warnings=(*warnings, *doubles),
        is_clock_trusted=_is_clock_trusted(path, table.get("clock", str, CLOCKS[0])),
    )


def _is_clock_trusted(path: Path, clock: str) -> bool:
    if clock not in CLOCKS:
        raise ConfigError(f'{path} has clock = "{clock}"; it must be one of {", ".join(CLOCKS)}')
    return clock == "trusted"


def _read_gateways(
    path: Path, content: dict[str, Any] | list[Any], nodes: Sequence[HostNode]
) -> tuple[GatewayConfig, ...]:
    """One [link], or several [[link]], each with a name of its own."""
    tables = content if isinstance(content, list) else [content]
    devices = {node.device: node.number for node in nodes if node.device is not None}
    gateways = [
        _read_network(path, entry, devices)
        if isinstance(entry, Mapping) and entry.get("kind") in SERVERS
        else _read_gateway(path, entry)
        for entry in tables
    ]
    names = [gateway.name for gateway in gateways]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{path} has two [[link]] called {twice[0]}; give each another name")
    if not gateways:
        raise ConfigError(f"{path} has no [[link]]; add one with the port to listen at")
    if devices and not any(gateway.is_network for gateway in gateways):
        raise ConfigError(f"{path} has nodes with a device, but no [[link]] of kind {' or '.join(SERVERS)}; add it")
    return tuple(gateways)


def _read_gateway(path: Path, entry: Any) -> GatewayConfig:
    link = Table(f"[link] of {path}", entry, LINK_KEYS)
    port, profile_name = link.get("port", str), link.get("profile", str, "")
    bitrate_bps = link.get("bitrate_bps", int, 0) or None
    if profile_name:
        profile = _profile(path, profile_name)
    else:
        cable = UartConfig(bitrate_bps or DEFAULT_BITRATE_BPS)
        profile = LinkProfile(f"serial-{cable.bitrate_bps}", cable, UART_BYTES)
    kind = link.get("kind", str, profile.carrier)
    if kind not in CARRIERS:
        raise ConfigError(f'[link] of {path} has kind = "{kind}"; there are: {", ".join([*CARRIERS, *SERVERS])}')
    settings = CarrierSettings(
        profile=profile,
        port=port,
        kind=kind,
        bitrate_bps=bitrate_bps,
        frequency_hz=link.get("frequency_hz", int, 0) or None,
        power_dbm=link.get("power_dbm", int, CarrierSettings.power_dbm),
        peers=tuple(link.get("peers", list, [])),
    )
    region = link.get("region", str, "") or None
    return GatewayConfig(link.get("name", str, port), settings, region, link.get("feedback", bool, True))


def _read_network(path: Path, entry: Mapping[str, Any], devices: Mapping[str, int]) -> GatewayConfig:
    from link.carriers.lorawan import NetworkSettings

    link = Table(f"[link] of {path}", entry, NETWORK_KEYS)
    if not devices:
        raise ConfigError(f"{path} has a LoRaWAN network, but no [[node]] with a device; add the DevEUI to one")
    ca_file = link.get("ca_file", str, "")
    settings = NetworkSettings(
        server=link.get("kind", str),
        host=link.get("host", str),
        application=link.get("application", str),
        devices=devices,
        port=link.get("port", int, 0) or None,
        user=link.get("user", str, "") or None,
        password=link.get("password", str, "") or None,
        has_tls=link.get("tls", bool, False),
        ca_file=path.parent / ca_file if ca_file else None,
        client_id=link.get("client_id", str, NetworkSettings.client_id),
    )
    return GatewayConfig(link.get("name", str, f"{settings.server} at {settings.host}"), settings)


def _read_verdict(path: Path, entry: Any) -> VerdictConfig:
    table = Table(f"[verdict] of {path}", entry, {"confidence", "min_gain", "price_per_s"})
    verdict = VerdictConfig(
        confidence=table.get("confidence", (int, float), VerdictConfig.confidence),
        min_gain=table.get("min_gain", (int, float), VerdictConfig.min_gain),
        price_per_s=table.get("price_per_s", (int, float), VerdictConfig.price_per_s),
    )
    if not 0 < verdict.confidence <= 1:
        raise ConfigError(f"[verdict] of {path} has confidence = {verdict.confidence}; it must be above 0, at most 1")
    if min(verdict.min_gain, verdict.price_per_s) < 0:
        raise ConfigError(f"[verdict] of {path} has min_gain or price_per_s below 0; 0 takes the rule away")
    return verdict


def _profile(path: Path, name: str) -> LinkProfile:
    try:
        return get_profile(name)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_nodes(path: Path, entries: Sequence[tuple[str, Any]]) -> tuple[HostNode, ...]:
    """Tables with where they stand; their paths are relative to host.toml."""
    nodes: dict[int, HostNode] = {}
    for name, entry in entries:
        table = Table(name, entry, {"id", "key", "bundle", "one_way", "device", "tasks"})
        number = table.get("id", int)
        if not 1 <= number <= MAX_NODE or number in nodes:
            raise ConfigError(f"{path} has a node with id {number}; ids are from 1 to {MAX_NODE}, each once")
        device = table.get("device", str, "") or None
        key = b"" if device else read_key_file(path.parent / table.get("key", str))
        bundle, *earlier = _read_own_bundles(path, number, table.get("bundle", (str, list)))
        tasks = tuple(bundle.task(str(name)).name for name in table.get("tasks", list, []))
        one_way = table.get("one_way", bool, False)
        nodes[number] = HostNode(number, key, bundle, one_way, device, tuple(earlier), tasks)
    if not nodes:
        raise ConfigError(f"{path} names no node; flash one, or add a [[node]] with id, key and bundle")
    return tuple(nodes.values())


def _read_own_bundles(path: Path, number: int, names: str | list[Any]) -> list[Bundle]:
    names = [names] if isinstance(names, str) else names
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path}: the bundle of node {number} is {names}; name one folder, or several in a list")
    return [Bundle.load(path.parent / name, side="host") for name in names]


def read_key_file(path: Path) -> bytes:
    """A node's master key from a copy of its node.key, or the folder that it is in."""
    path = path / KEY_FILE if path.is_dir() else path
    try:
        return parse_key(path.read_text(encoding="ascii", errors="replace"), origin=str(path))
    except OSError as error:
        raise ConfigError(
            f"key {path} cannot be read ({error.strerror}); copy the node's {KEY_FILE} there, or make one with "
            "`python -m link provision`"
        ) from None


def _read_bundles(folder: Path) -> tuple[tuple[Bundle, ...], tuple[str, ...]]:
    """Every usable bundle in a folder, and a sentence on each that is not: they are only held to name others."""
    if not folder.is_dir():
        raise ConfigError(f"the folder of bundles {folder} does not exist; make it or leave `bundles` out")
    bundles, warnings = [], []
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            bundles.append(Bundle.load(manifest.parent, side="host"))
        except BundleError as error:
            warnings.append(f"a bundle is left out: {error}")
    return tuple(bundles), tuple(warnings)
