"""Address: where a packet that travels over a network goes, as a person writes it: host:port."""

import re
from collections.abc import Iterable

from link.settings.toml_file import shown

HIGHEST_PORT = 65_535
HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
"A name or an IPv4 address; whether there is such a host shows when it is used."
PORT = re.compile(r"[0-9]{1,5}")


def check_addresses(port: str, peers: Iterable[str]) -> None:
    """ValueError that begins with the key, unless UDP can receive at the port and send to the
    peers.
    """
    for key, address, lowest_port in (("port", port, 0), *(("peers", peer, 1) for peer in peers)):
        try:
            parse_address(address, lowest_port)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def parse_address(text: str, lowest_port: int = 1) -> tuple[str, int]:
    """Host and port of a text such as 192.168.1.5:4300; ValueError when it is none. Nothing is
    looked up.
    """
    host, _, port = text.rpartition(":")
    if (
        not HOST.fullmatch(host)
        or not PORT.fullmatch(port)
        or not lowest_port <= int(port) <= HIGHEST_PORT
    ):
        raise ValueError(
            f'"{shown(text)[1:-1]}" is no UDP address: write host:port, such as 192.168.1.5:4300, '
            f"the port from {lowest_port} to {HIGHEST_PORT}"
        )
    return host, int(port)
