"""Beginning: a host folder that is ready for nodes, host.toml with every key in it, outside any
checkout.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from host_decoder.errors import HostError
from host_decoder.gateway_config import read_gateways
from link.base import durable
from link.medium import get_profile
from link.settings import host_folder

PRIVATE, SECRET = 0o700, 0o600
DEFAULT_PORT = "/dev/ttyUSB0"
BY_ID = Path("/dev/serial/by-id")
"A USB adapter has the same name there wherever it is plugged in."


def begin(folder: Path, link: dict[str, Any], by_id: Path = BY_ID) -> Sequence[str]:
    """Make the folder, host.toml in it (of mode 0600) and its folders of keys and nodes (0700);
    what the person should see to, a sentence each.

    `link`: the keys of its one [[link]], a profile at least; without a port the only one that is
    plugged in. HostError where there is a host.toml already, in a checkout, and where such a
    gateway cannot be.
    """
    folder = folder.absolute()
    path = folder / host_folder.HOST_TOML
    if path.exists():
        raise HostError(f"{path} is there already, and nothing was changed; edit it as you like")
    if checkout := checkout_of(folder):
        raise HostError(
            f"{folder} lies in the checkout {checkout}, where keys end up in git; name a folder "
            f"outside, such as {host_folder.default_folder()}"
        )
    notices = []
    if "port" not in link:
        link = {"port": _usual_port(by_id), **link}
        notices.append(f"see that {link['port']} is the port of the host's modem")
    text = host_folder.new_text(folder, link)
    gateways = read_gateways(path, tomllib.loads(text)["link"], {})
    for inner in (folder, folder / host_folder.KEYS, folder / host_folder.NODES):
        durable.make_folder(inner, PRIVATE)
    durable.write(path, text, SECRET)
    if folder.stat().st_mode & 0o077:
        notices.append(f"others on this computer may look into {folder}: chmod 700 {folder}")
    if "region" not in link and get_profile(link["profile"]).is_radio:
        notices.append(f"the host only listens until {path} has a region, such as eu868")
    return [*notices, *(gateway.warning for gateway in gateways if gateway.warning)]


def checkout_of(folder: Path) -> Path | None:
    """The git checkout in which a folder lies or would lie."""
    own = folder.absolute()
    return next((place for place in (own, *own.parents) if (place / ".git").exists()), None)


def _usual_port(by_id: Path) -> str:
    ports = sorted(by_id.iterdir()) if by_id.is_dir() else []
    return str(ports[0]) if len(ports) == 1 else DEFAULT_PORT
