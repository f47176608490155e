"""Port: where a gateway hears nodes, and speaks when it may: what [link] says of it, each key
checked by type, range and name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from link.carriers.carrier import CARRIERS, DEFAULT_FREQUENCY_HZ, CarrierSettings
from link.lorawan.network_server import SERVERS
from link.medium.profiles import get_profile, serial_profile
from link.medium.regions import REGIONS
from link.settings import check_addresses, setting, shown

DEFAULT_BITRATE_BPS = 9600
MAX_PEERS = 16
LINK = {
    "name": setting.text().explained("as answers and `stats` call this gateway", usual="its port"),
    "kind": setting.text((*CARRIERS, *SERVERS)).explained(
        "what is at the port, where that is not the profile's modem", usual="the profile's"
    ),
    "port": setting.text(is_required=True).explained(
        "the whole path of a serial port; of profile `udp` the address to receive at, "
        '`"0.0.0.0:4300"`'
    ),
    "profile": setting.text().explained(
        "the line by name, as the nodes have it: `latentlink link profiles`",
        usual="a cable of `bitrate_bps`",
    ),
    "bitrate_bps": setting.whole(50, 4_000_000).explained(
        "of the serial port", usual=f"the profile's, else {DEFAULT_BITRATE_BPS}"
    ),
    "region": setting.text().explained(
        "whose rules the host's own radio keeps: `eu868`, `us915`, or `wire` where nothing "
        "radiates",
        usual="a radio only listens",
    ),
    "frequency_hz": setting.whole(100_000_000, 3_000_000_000).explained(
        "the one that the nodes send on", usual=f"{DEFAULT_FREQUENCY_HZ}, with a warning"
    ),
    "power_dbm": setting.whole(-30, 30).explained(
        "what its modem answers with", usual=str(CarrierSettings.power_dbm)
    ),
    "peers": setting.TEXTS.explained(
        "of profile `udp`: the only addresses that are heard", usual="everybody"
    ),
    "downlink": setting.YES_OR_NO.explained("`false`: nothing is ever sent", usual="true"),
}


@dataclass(frozen=True)
class Port:
    """A carrier, by what name, and whose rules hold there."""

    name: str
    settings: CarrierSettings
    region: str | None = None
    "Whose rules its radio keeps; None: a radio stays silent."
    has_downlink: bool = True


def read_port(link: Mapping[str, Any]) -> Port:
    """Raises ValueError with a sentence that begins at the key."""
    bitrate_bps = link.get("bitrate_bps")
    if "profile" in link:
        profile = get_profile(link["profile"])
    else:
        profile = serial_profile(bitrate_bps or DEFAULT_BITRATE_BPS)
    settings = CarrierSettings(
        profile=profile,
        port=link["port"],
        kind=link.get("kind", profile.carrier),
        bitrate_bps=bitrate_bps,
        frequency_hz=link.get("frequency_hz"),
        power_dbm=link.get("power_dbm", CarrierSettings.power_dbm),
        peers=tuple(link.get("peers", ())),
    )
    _check_port(settings)
    region = link["region"].lower() if "region" in link else None
    if region is not None and region not in REGIONS:
        raise ValueError(
            f"region is {shown(link['region'])}; it must be one of {', '.join(REGIONS)}"
        )
    return Port(link.get("name", link["port"]), settings, region, link.get("downlink", True))


def _check_port(settings: CarrierSettings) -> None:
    """That it is what the carrier opens."""
    if settings.kind != "udp":
        if not settings.port.startswith("/"):
            raise ValueError(
                f"port is {shown(settings.port)}; kind {settings.kind} takes the whole path of a "
                "serial port, such as /dev/ttyUSB0"
            )
        if settings.peers:
            raise ValueError(f'peers are of profile "udp"; kind {settings.kind} has a port alone')
        return
    if len(settings.peers) > MAX_PEERS:
        raise ValueError(f"peers are {len(settings.peers)}; there may be {MAX_PEERS}")
    check_addresses(settings.port, settings.peers)
