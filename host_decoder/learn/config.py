"""gateway.toml: the line behind which devices learn, and the folder of sockets at which a run's
server finds them.

    run = "run"                     # the folder from the run's host, as its devices have it
    sockets = "/run/latentlink"     # a socket for each device, called by its number
    state_dir = "gateway"
    [link]                          # or several [[link]], with the keys of host.toml's
    port = "/dev/ttyUSB0"
    profile = "rak3172-sf7"
    region = "eu868"
    frequency_hz = 869525000
    [[device]]
    device = 3                      # as the run's host knows it
    node = 3                        # as it speaks on the line
    key = "keys/node-3.key"         # the device's node.key, or a copy
"""

from dataclasses import dataclass
from pathlib import Path

from host_decoder.errors import ConfigError
from host_decoder.gateway_config import GatewayConfig, read_gateways
from host_decoder.learn.post import FarDevice
from link.base import durable
from link.security import MAX_NODE, KeyStateError, parse_key
from link.settings import read_text, read_toml, setting
from link.update import RunSettings

SETTINGS = "settings.json"
MAX_DEVICE = (1 << 24) - 1
GATEWAY = {
    "run": setting.text(is_required=True).explained("folder of the run, from its host"),
    "sockets": setting.text(is_required=True).explained(
        "folder of the devices' sockets, each called by its device's number"
    ),
    "state_dir": setting.text(is_required=True).explained("folder in which messages are kept"),
    "link": setting.Setting((list, dict), is_required=True, items=dict).explained(
        "the line to the devices, with the keys of host.toml's `[link]`"
    ),
    "device": setting.Setting((list,), is_required=True, items=dict).explained("the devices"),
}
DEVICE = {
    "device": setting.whole(0, MAX_DEVICE, is_required=True).explained(
        "the device's number, as the run's host knows it"
    ),
    "node": setting.whole(1, MAX_NODE, is_required=True).explained("its number on the line"),
    "key": setting.text(is_required=True).explained("its `node.key`, or a copy"),
}


@dataclass(frozen=True)
class LearnGatewayConfig:
    """A gateway of devices that learn."""

    run: RunSettings
    sockets: Path
    state_dir: Path
    links: tuple[GatewayConfig, ...]
    devices: tuple[FarDevice, ...]


def load(path: Path) -> LearnGatewayConfig:
    """ConfigError with a sentence that says what to write instead."""
    table = read_toml(path, ConfigError)
    try:
        setting.read_section(table, GATEWAY)
        for one in table["device"]:
            setting.read_section(one, DEVICE, "[[device]] ")
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    folder, links = path.parent, table["link"]
    devices = tuple(
        FarDevice(one["device"], one["node"], _key(folder / one["key"])) for one in table["device"]
    )
    for name, numbers in (
        ("device", [device.number for device in devices]),
        ("node", [device.node for device in devices]),
    ):
        if twice := [number for number in numbers if numbers.count(number) > 1]:
            raise ConfigError(f"{path} has two [[device]] of {name} {twice[0]}; name each once")
    if not devices:
        raise ConfigError(f"{path} has no [[device]]; add one with its number, node and key")
    gateways = read_gateways(path, links if isinstance(links, list) else [links], {})
    if not any(gateway.has_downlink for gateway in gateways):
        raise ConfigError(f"{path}: no [link] has a downlink; devices could be told nothing")
    return LearnGatewayConfig(
        _run(folder / table["run"]),
        folder / table["sockets"],
        folder / table["state_dir"],
        gateways,
        devices,
    )


def _key(path: Path) -> bytes:
    try:
        return parse_key(read_text(path, ConfigError), str(path))
    except KeyStateError as error:
        raise ConfigError(str(error)) from None


def _run(folder: Path) -> RunSettings:
    try:
        return RunSettings.from_json(durable.read_small(folder / SETTINGS))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{folder / SETTINGS} cannot be used ({error}); copy the folder from the run's host"
        ) from None
