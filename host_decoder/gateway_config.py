"""[link] of host.toml: where the host listens, and speaks when it may; each entry checked by type,
range and name.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_decoder.errors import ConfigError
from link.carriers import DEFAULT_FREQUENCY_HZ, Carrier, CarrierSettings, open_carrier
from link.gateway import LINK, read_port
from link.lorawan import SERVERS
from link.settings import HOST, read_text, setting, shown

if TYPE_CHECKING:  # it needs an MQTT library that only gateways of a network need
    from link.lorawan.host import NetworkSettings

MAX_GATEWAYS = 32
TUNED = ("rn2483", "rak3172")
"Modems that are told their frequency; others are set by their maker or their own program."
NETWORK = {
    "name": setting.text().explained(
        "as answers and `stats` call this gateway", usual="kind and host"
    ),
    "kind": setting.text(tuple(SERVERS), is_required=True).explained(
        "whose network server it is: ChirpStack v4, or The Things Stack v3"
    ),
    "host": setting.text(is_required=True).explained("name or address of the MQTT broker"),
    "port": setting.whole(1, 65_535).explained("of the broker", usual="1883, with `tls` 8883"),
    "application": setting.text(is_required=True).explained(
        "the application's id there, as its topics call it: a UUID, or `app@ttn`"
    ),
    "user": setting.text().explained("at the broker", usual="none"),
    "password": setting.text().explained("at the broker", usual="none"),
    "tls": setting.YES_OR_NO.explained("speak to the broker under TLS", usual="false"),
    "ca_file": setting.text().explained(
        "PEM file of the authority that certified the broker", usual="the system's authorities"
    ),
    "client_id": setting.text().explained(
        "what this host is called at the broker; each host needs another", usual="`latentlink-host`"
    ),
}
DATAGRAMS = 64
DEVICES = {
    "chirpstack": (re.compile(r"[0-9A-Fa-f]{16}"), "the 16 hex digits of its DevEUI"),
    "things-stack": (
        re.compile(r"[a-z0-9](-?[a-z0-9]){2,35}"),
        "its id there: 3 to 36 of a-z, 0-9 and '-'",
    ),
}


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
    def n_at_a_time(self) -> int:
        """Packets that it may be given before the first has left: a network takes many, and no
        radio waits for any.
        """
        settings = self.settings
        is_udp = isinstance(settings, CarrierSettings) and settings.profile.carrier == "udp"
        return DATAGRAMS if is_udp else 1

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

    @property
    def warning(self) -> str | None:
        """What will probably keep it from hearing anything."""
        settings = self.settings
        if (
            not isinstance(settings, CarrierSettings)
            or settings.kind not in TUNED
            or settings.frequency_hz is not None
        ):
            return None
        return (
            f"gateway {self.name} has no frequency_hz, so its modem listens at "
            f"{DEFAULT_FREQUENCY_HZ / 1e6:g} MHz; write the frequency that the nodes' node.toml has"
        )

    def open(self) -> Carrier:
        """Raises PortError when it is not there, ValueError when the settings do not suit it."""
        if isinstance(self.settings, CarrierSettings):
            return open_carrier(self.settings)
        from link.lorawan.host import LoRaWan

        return LoRaWan(self.settings)


def read_gateways(
    path: Path, tables: Sequence[Mapping[str, Any]], devices: Mapping[str, int]
) -> tuple[GatewayConfig, ...]:
    """One [link], or several [[link]], no two alike; `devices` of a LoRaWAN network to their
    nodes.
    """
    if not tables:
        raise ConfigError(f"{path} has no [[link]]; add one with the port to listen at")
    if len(tables) > MAX_GATEWAYS:
        raise ConfigError(f"{path} has {len(tables)} [[link]]; one host has at most {MAX_GATEWAYS}")
    gateways = [
        _read_one(path, f"[[link]] {number} " if len(tables) > 1 else "[link] ", table, devices)
        for number, table in enumerate(tables, start=1)
    ]
    _check_alike(path, [gateway.name for gateway in gateways], "called {}; give each another name")
    _check_alike(
        path,
        [_place(gateway) for gateway in gateways],
        "at {}; take one out, a port has one reader",
    )
    if devices and not any(gateway.is_network for gateway in gateways):
        raise ConfigError(
            f"{path} has nodes with a device, but no [[link]] of kind {' or '.join(SERVERS)}; add "
            "it"
        )
    return tuple(gateways)


def _read_one(
    path: Path, where: str, table: Mapping[str, Any], devices: Mapping[str, int]
) -> GatewayConfig:
    try:
        if isinstance(kind := table.get("kind"), str) and kind in SERVERS:
            return _network(path.parent, setting.read_section(table, NETWORK, where), devices)
        return _gateway(setting.read_section(table, LINK, where))
    except ValueError as error:
        said = str(error)
        raise ConfigError(f"{path}: {said if said.startswith(where) else where + said}") from None


def _gateway(link: Mapping[str, Any]) -> GatewayConfig:
    """Raises ValueError with a sentence that begins at the key."""
    port = read_port(link)
    return GatewayConfig(port.name, port.settings, port.region, port.has_downlink)


def _network(folder: Path, link: Mapping[str, Any], devices: Mapping[str, int]) -> GatewayConfig:
    """Raises ValueError as _gateway does."""
    from link.lorawan.host import NetworkSettings

    kind, ca_file = link["kind"], folder / link["ca_file"] if "ca_file" in link else None
    if not devices:
        raise ValueError(
            "is a LoRaWAN network, but no [[node]] has a device; add the DevEUI to one"
        )
    form, what = DEVICES[kind]
    for device, node in devices.items():
        if not form.fullmatch(device):
            raise ValueError(
                f"is of kind {kind}, and the device of node {node} is {shown(device)}; write {what}"
            )
    if not HOST.fullmatch(link["host"]):
        raise ValueError(
            f"host is {shown(link['host'])}; write the broker's name or address, without port or "
            "slash"
        )
    if re.search(r"[/+#]", link["application"]):
        raise ValueError(
            f"application is {shown(link['application'])}; write its id alone, as the server "
            "shows it"
        )
    if ca_file is not None:
        try:
            read_text(ca_file, ValueError)
        except ValueError as error:
            raise ValueError(f"ca_file: {error}") from None
    settings = NetworkSettings(
        server=kind,
        host=link["host"],
        application=link["application"],
        devices=devices,
        port=link.get("port"),
        user=link.get("user"),
        password=link.get("password"),
        has_tls=link.get("tls", False),
        ca_file=ca_file,
        client_id=link.get("client_id", NetworkSettings.client_id),
    )
    return GatewayConfig(link.get("name", f"{settings.server} at {settings.host}"), settings)


def _place(gateway: GatewayConfig) -> str:
    """What only one gateway can have: a port by whatever name, an application of a network."""
    settings = gateway.settings
    if not isinstance(settings, CarrierSettings):
        return f"application {settings.application} of {settings.server} at {settings.host}"
    return settings.port if settings.kind == "udp" else os.path.realpath(settings.port)


def _check_alike(path: Path, names: Sequence[str], what: str) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{path} has two [[link]] {what.format(twice[0])}")
