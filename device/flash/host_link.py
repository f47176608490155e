"""Host link: the [link] of host.toml that hears a node, made from the node's own, or why one does
not hear it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device.flash.tools import FlashError
from device.link_config import LinkConfig
from link.carriers import DEFAULT_FREQUENCY_HZ
from link.lorawan import SERVERS
from link.medium import LinkProfile, get_profile
from link.settings import shown, toml_text

TOLD = ("rn2483", "rak3172")
"Carriers that tell the modem its frequency, and use the default where none is given."
DEFAULT_BITRATE_BPS = 9600
"The bitrate of a [link] without profile and bitrate."


def link_for(link: LinkConfig, port: str) -> dict[str, Any]:
    """The keys of a [link] at that port which hears the node and may answer; FlashError where a
    person must choose.
    """
    if link.lorawan:
        raise FlashError(
            "the node speaks LoRaWAN, and only you know your network server: write a "
            "host.toml with a [[link]] of kind "
            f'"{next(iter(SERVERS))}", as docs/lorawan.md shows, then flash again'
        )
    if not port.startswith("/") or not port.isprintable():
        raise FlashError(
            f"the host's port is {shown(port)}; give the whole path of the serial port that its "
            "modem is at (HOST_PORT=/dev/ttyUSB0)"
        )
    keys: dict[str, Any] = {"port": _udp_port(link) or port, "profile": link.profile.name}
    if link.bitrate_bps != link.profile.bitrate_bps:
        keys["bitrate_bps"] = link.bitrate_bps
    told = {"region": link.region, "frequency_hz": link.frequency_hz, "power_dbm": link.power_dbm}
    return keys | {name: item for name, item in told.items() if item is not None}


def check_hears(host: Path, entries: Sequence[Any], link: LinkConfig) -> list[str]:
    """FlashError unless a [link] of host.toml hears such a node; what else one should know."""
    try:
        reasons = [deaf_because(entry, link) for entry in entries]
    except (AttributeError, TypeError, ValueError) as error:
        raise FlashError(f"{host} has a [link] that cannot be used: {error}") from None
    if not reasons:
        raise FlashError(
            f"{host} has no [link], so nothing hears the node; add one with the port to listen at"
        )
    if None not in reasons:
        where = "its [link]" if len(reasons) == 1 else f"none of its {len(reasons)} [[link]]"
        raise FlashError(
            f"{host}: {where} {'does not hear' if len(reasons) == 1 else 'hears'} this node: "
            f"{reasons[0]}; "
            "put right which of the two is wrong, or name another host folder (HOST_DIR=)"
        )
    hearing = [entry for entry, reason in zip(entries, reasons, strict=True) if reason is None]
    if not link.has_downlink or any(_answers(entry, link) for entry in hearing):
        return []
    return [
        (
            f"{host} hears this node and cannot answer it, so its images are sent again and "
            "again: write there "
        )
        + (
            "downlink = true"
            if hearing[0].get("downlink") is False
            else f"region = {toml_text.value(link.region or 'wire')}"
        )
    ]


def deaf_because(entry: Mapping[str, Any], link: LinkConfig) -> str | None:
    """What keeps a [link] from hearing a node with those settings, both values; None: nothing."""
    if entry.get("kind") in SERVERS:
        return (
            None if link.lorawan else "it is a LoRaWAN network, and node.toml has no [link.lorawan]"
        )
    if link.lorawan:
        return f'the node speaks LoRaWAN, which needs a [[link]] of kind "{next(iter(SERVERS))}"'
    profile = get_profile(entry["profile"]) if "profile" in entry else None
    kind, own = entry.get("kind", profile.carrier if profile else "serial"), link.profile
    if (reason := _other_medium(entry, profile, kind, link)) or "udp" in (kind, own.carrier):
        return reason
    return _other_channel(entry, kind, link) if own.is_radio else None


def _other_medium(
    entry: Mapping[str, Any], profile: LinkProfile | None, kind: str, link: LinkConfig
) -> str | None:
    own = link.profile
    named = profile.name if profile else "none"
    differ = f"its profile is {named}, the node's {own.name}"
    if _language(kind) != _language(own.carrier):
        return differ
    if not own.is_radio and kind == "serial" and not (profile and profile.is_radio):
        bitrate_bps = entry.get("bitrate_bps") or (
            profile.bitrate_bps if profile else DEFAULT_BITRATE_BPS
        )
        return (
            None
            if bitrate_bps == link.bitrate_bps
            else f"it is at {bitrate_bps} bit/s, the node {link.bitrate_bps}"
        )
    return None if profile is None or profile.medium == own.medium else differ


def _other_channel(entry: Mapping[str, Any], kind: str, link: LinkConfig) -> str | None:
    default_hz = DEFAULT_FREQUENCY_HZ if kind in TOLD else None
    there_hz = entry.get("frequency_hz") or default_hz
    here_hz = link.frequency_hz or default_hz
    if there_hz and here_hz and there_hz != here_hz:
        unsaid = "" if entry.get("frequency_hz") else ", which is where a modem is that is not told"
        return f"its frequency_hz is {there_hz}{unsaid}, the node's {here_hz}"
    region = entry.get("region", "").lower()
    if region and link.region and region != link.region:
        return f"its region is {region}, the node's {link.region}"
    return None


def _language(carrier: str) -> str:
    """What goes over air or cable: two modems send the packet, the others frame it."""
    return "packets" if carrier in TOLD else carrier


def _answers(entry: Mapping[str, Any], link: LinkConfig) -> bool:
    if entry.get("kind") in SERVERS:
        return True
    return entry.get("downlink", True) is True and bool(
        entry.get("region") or not link.profile.is_radio
    )


def _udp_port(link: LinkConfig) -> str | None:
    """A host hears at the port to which its node sends, whatever its address."""
    if link.profile.carrier != "udp":
        return None
    return f"0.0.0.0:{link.peers[0].rpartition(':')[2]}"
