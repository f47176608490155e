"""Unit: what systemd is told of a host that runs by itself, and may do nothing but hear its
gateways and write into its folder.
"""

import grp
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from host_decoder.config import HostConfig
from host_decoder.errors import HostError
from host_decoder.gateway_config import GatewayConfig
from host_decoder.store.database.settings import is_server
from link.carriers import CarrierSettings
from link.checkup import account
from link.settings import host_folder

NAME = "latentlink-host.service"
PLACE = Path("/etc/systemd/system") / NAME
TEMPLATE = Path(__file__).with_name(NAME)
PROGRAMS = Path(__file__).parents[2]
"The folder with our packages: a checkout, or where pip put them."
PORTS_GROUP = "dialout"
"Whose members may use serial ports, on Debian."
NO_NETWORK = "RestrictAddressFamilies=AF_UNIX AF_NETLINK\nIPAddressDeny=any"
NETWORK = "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6"
"Where a gateway is reached over UDP or a LoRaWAN network."
HOMES, TEMPORARY = ("/home/", "/root/", "/run/user/"), ("/tmp/", "/var/tmp/")


def unit_text(host: Path, config: HostConfig) -> str:
    """The unit of the host whose host.toml that is; HostError where none can be made."""
    folder = host.absolute().parent
    writable = list(dict.fromkeys((folder, config.state_dir.absolute())))
    read = [PROGRAMS, Path(sys.prefix), Path(sys.base_prefix)]
    read += [
        one.path.absolute() for node in config.nodes for one in (node.bundle, *node.earlier_bundles)
    ]
    has_network = any(map(_is_over_ip, config.gateways)) or is_server(config.store)
    return TEMPLATE.read_text(encoding="utf-8").format(
        unit=NAME,
        folder=folder,
        mounts=_words(writable),
        after="Wants=network-online.target\nAfter=network-online.target time-set.target"
        if has_network
        else "After=time-set.target",
        user=account(folder.stat().st_uid),
        groups=_setting("SupplementaryGroups", " ".join(_port_groups(config.gateways))),
        search=_setting("Environment", _search()),
        directory=_escaped(str(folder)),
        python=_word(sys.executable).replace("$", "$$"),
        argument=_word(str(_named(host.absolute()))).replace("$", "$$"),
        home="read-only" if _lie_in(HOMES, [*writable, *read]) else "yes",
        tmp="no" if _lie_in(TEMPORARY, [*writable, *read]) else "yes",
        writable=_words(writable),
        network=NETWORK if has_network else NO_NETWORK,
    )


def _named(host: Path) -> Path:
    """As a person names it: by its folder."""
    return host.parent if host.name == host_folder.HOST_TOML else host


def _is_over_ip(gateway: GatewayConfig) -> bool:
    settings = gateway.settings
    return not isinstance(settings, CarrierSettings) or settings.kind == "udp"


def _port_groups(gateways: Iterable[GatewayConfig]) -> list[str]:
    """Groups that may use the gateways' ports, as far as this computer has them now."""
    names = {PORTS_GROUP}
    for gateway in gateways:
        if isinstance(gateway.settings, CarrierSettings) and gateway.settings.kind != "udp":
            with suppress(OSError, KeyError):
                names.add(grp.getgrgid(os.stat(gateway.settings.port).st_gid).gr_name)
    known = {group.gr_name for group in grp.getgrall()}
    return sorted((names & known) - {"root"})


def _search() -> str:
    """Where Python finds our packages, unless it does by itself."""
    installed = {path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))}
    return "" if str(PROGRAMS) in installed else _word(f"PYTHONPATH={PROGRAMS}")


def _lie_in(places: tuple[str, ...], paths: Iterable[Path]) -> bool:
    return any(f"{os.path.realpath(path)}/".startswith(places) for path in paths)


def _setting(name: str, value: str) -> str:
    return f"{name}={value}" if value else f"# no {name}= is needed"


def _escaped(text: str) -> str:
    """A text in which systemd sees no specifier."""
    if not text.isprintable():
        raise HostError(f"{text!r} cannot stand in a unit; give it a plainer name")
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """A path as one word of a command or a list, whatever it is made of."""
    word = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"' if any(sign in word for sign in " \"'\\;") else word


def _words(paths: Iterable[Path]) -> str:
    return " ".join(_word(str(path)) for path in paths)
