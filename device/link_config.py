"""[link] of node.toml: the port, the line behind it, and what the law says of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from link.medium import REGIONS, LinkProfile, LoRaConfig, get_profile, never_speaks
from link.node import FIRST_CHUNK_OVERHEAD_BYTES, HELLO_PACKET_BYTES
from link.settings import check_addresses, read_text, setting, shown
from link.wire import ParityPlan

HEX_DIGITS = {"app_key": 32, "join_eui": 16, "dev_eui": 16}
MAX_PEERS = 16


@dataclass(frozen=True)
class LoRaWanConfig:
    """How the modem joins a LoRaWAN network, whose security then takes our seal's place."""

    app_key: str = setting.key(
        setting.text().explained("path of a file with the 32 hex digits of the AppKey"), repr=False
    )
    join_eui: str = setting.key(setting.text().explained("16 hex digits"), "0" * 16)
    dev_eui: str | None = setting.key(
        setting.text().explained("16 hex digits", usual="the one burnt into the module"), None
    )


@dataclass(frozen=True)
class LinkConfig:
    """The port and the line behind it; what node.toml leaves out is the profile's."""

    port: str = setting.key(
        setting.text().explained(
            "the whole path of a serial port; of profile `udp` the address to receive at, "
            '`"0.0.0.0:4300"`'
        )
    )
    profile: LinkProfile = setting.key(
        setting.text().explained(
            "the line by name: modem, radio settings, longest packet; `latentlink link profiles`"
        )
    )
    bitrate_bps: int = setting.key(
        setting.whole(50, 4_000_000).explained(
            "of the serial port, which is not the radio's", usual="the profile's"
        ),
        None,
    )
    max_packet_bytes: int = setting.key(
        setting.whole(0, setting.MANY).explained(
            "shorter packets than the profile takes", usual="the profile's"
        ),
        None,
    )
    region: str | None = setting.key(
        setting.text().explained(
            "whose rules the radio keeps: `eu868`, `us915`, or `wire` where nothing radiates",
            usual="a radio stays silent",
        ),
        None,
    )
    frequency_hz: int | None = setting.key(
        setting.whole(100_000_000, 3_000_000_000).explained(
            "the middle of the channel; it says the sub-band, whose duty cycle is kept",
            usual="a radio stays silent",
        ),
        None,
    )
    power_dbm: int | None = setting.key(
        setting.whole(-30, 30).explained("what the modem sends with", usual="14"), None
    )
    has_downlink: bool = setting.key(
        setting.YES_OR_NO.explained(
            "`false`: nobody answers, and every image is sent once, with parity"
        ),
        True,
        name="downlink",
    )
    parity: ParityPlan | None = setting.key(
        setting.text().explained(
            'without a downlink only: `"8+2"` adds 2 parity packets to every 8', usual="none"
        ),
        None,
    )
    first_chunk_bytes: int | None = setting.key(
        setting.whole(1, setting.MANY).explained(
            "so much of a bitstream in an image's first packet, so that the host can say when it "
            "knows enough",
            usual="what a packet takes",
        ),
        None,
    )
    chunk_bytes: int | None = setting.key(
        setting.whole(1, setting.MANY).explained(
            "so much in each later packet", usual="what a packet takes"
        ),
        None,
    )
    wants_time: bool = setting.key(
        setting.YES_OR_NO.explained("the host tells this node the time"), False
    )
    wants_slot: bool = setting.key(
        setting.YES_OR_NO.explained("the host gives each node of a channel its time to speak"),
        False,
    )
    lorawan: LoRaWanConfig | None = setting.key(
        setting.SECTION.explained(
            "the modem, an RN2483, joins a LoRaWAN network, at the profile's data rate "
            "([lorawan.md](lorawan.md))"
        ),
        None,
    )
    peers: tuple[str, ...] = setting.key(
        setting.TEXTS.explained(
            'profile `udp` needs it: where packets go, `["192.168.1.5:4300"]`', usual="none"
        ),
        (),
    )


def read_link(table: Mapping[str, Any], folder: Path) -> LinkConfig:
    """ValueError with a sentence when it says something that cannot be. Paths are relative to
    `folder`.
    """
    setting.read_section(table, setting.settings_of(LinkConfig), "[link] ")
    profile = get_profile(table["profile"])
    usual = {name: getattr(profile, name) for name in ("bitrate_bps", "max_packet_bytes")}
    link = setting.read(
        LinkConfig,
        {**usual, **table},
        "[link] ",
        profile=get_profile,
        region=str.lower,
        parity=_parity,
        lorawan=partial(_lorawan, profile=profile, folder=folder),
    )
    _check_room(link)
    _check_port(link)
    _check_region(link)
    if link.has_downlink and link.parity:
        raise ValueError(
            "[link] parity is for downlink = false: with a downlink what is lost is sent again"
        )
    if not link.has_downlink and (link.wants_time or link.wants_slot):
        raise ValueError(
            "[link] wants_time and wants_slot need downlink = true: the host has to answer"
        )
    return link


def _check_room(link: LinkConfig) -> None:
    """That a packet can be made, and that parity leaves room in it for an image."""
    longest = link.profile.max_packet_bytes
    if longest < HELLO_PACKET_BYTES:
        raise ValueError(
            f"[link] profile {link.profile.name} takes packets of {longest} bytes, and a node "
            f"needs {HELLO_PACKET_BYTES}; choose a faster one"
        )
    if not HELLO_PACKET_BYTES <= link.max_packet_bytes <= longest:
        raise ValueError(
            f"[link] max_packet_bytes is {link.max_packet_bytes}; it must be from "
            f"{HELLO_PACKET_BYTES} to {longest} with profile {link.profile.name}"
        )
    if link.parity and link.max_packet_bytes <= FIRST_CHUNK_OVERHEAD_BYTES + link.parity.room_bytes:
        raise ValueError(
            f"[link] parity {link.parity.n_data}+{link.parity.n_parity} leaves images no room in "
            f"packets of {link.max_packet_bytes} bytes; let it cover fewer packets, such as 4+1, "
            "or allow longer ones"
        )


def _check_port(link: LinkConfig) -> None:
    """That the port is what the profile's carrier opens, and that packets have somewhere to go."""
    if link.profile.carrier != "udp":
        if not link.port.startswith("/"):
            raise ValueError(
                f"[link] port is {shown(link.port)}; profile {link.profile.name} takes the whole "
                "path of a serial port, such as /dev/ttyUSB0"
            )
        if link.peers:
            raise ValueError(
                f'[link] peers are of profile "udp"; profile {link.profile.name} has a port alone'
            )
        return
    if not 1 <= len(link.peers) <= MAX_PEERS:
        raise ValueError(
            f"[link] has {len(link.peers)} peers, and profile udp needs 1 to {MAX_PEERS}, "
            "the addresses at which hosts "
            'receive; write for example: peers = ["192.168.1.5:4300"]'
        )
    try:
        check_addresses(link.port, link.peers)
    except ValueError as error:
        raise ValueError(f"[link] {error}") from None


def _check_region(link: LinkConfig) -> None:
    """That a radio whose region is set may speak there at all; without a region it stays silent."""
    if link.region is None:
        return
    if link.region not in REGIONS:
        raise ValueError(
            f"[link] region is {shown(link.region)}; it must be one of {', '.join(REGIONS)}"
        )
    if reason := never_speaks(link.region, link.frequency_hz, link.profile):
        raise ValueError(f"[link] {reason}")


def _lorawan(table: Mapping[str, Any], profile: LinkProfile, folder: Path) -> LoRaWanConfig:
    setting.read_section(table, setting.settings_of(LoRaWanConfig), "[link.lorawan] ")
    if not profile.name.endswith("-eu868") or not isinstance(profile.medium, LoRaConfig):
        raise ValueError(
            f"[link.lorawan] needs a profile such as lora-sf9-eu868, not {profile.name}"
        )
    path = folder / table["app_key"]
    try:
        told = {**table, "app_key": read_text(path, ValueError).strip()}
    except ValueError as error:
        raise ValueError(f"[link.lorawan] app_key: {error}") from None
    for name, digits in told.items():
        if not re.fullmatch(f"[0-9A-Fa-f]{{{HEX_DIGITS[name]}}}", digits):
            where = f"in {path} " if name == "app_key" else ""
            raise ValueError(f"[link.lorawan] {name} {where}is not {HEX_DIGITS[name]} hex digits")
    return LoRaWanConfig(**told)


def _parity(given: str) -> ParityPlan:
    """ "8+2": two parity packets for every eight."""
    found = re.fullmatch(r"([0-9]{1,3})\+([0-9]{1,3})", given)
    try:
        if not found:
            raise ValueError("two numbers and a plus are expected")
        return ParityPlan(int(found[1]), int(found[2]))
    except ValueError as error:
        raise ValueError(
            f'[link] parity is "{shown(given)[1:-1]}" ({error}); write for example "8+2"'
        ) from None
