"""[web] of host.toml: where the page is to be had, by which names, and what keeps strangers out.

Without more it is at this machine alone. At any other address it wants tokens, and somebody who
speaks TLS: this host with a certificate, or a proxy before it.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link.settings import setting

LOOPBACK = "127.0.0.1"
PORT = 8480
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
NAME = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?")


@dataclass(frozen=True)
class WebConfig:
    """Where the page is, and how far it is to be seen."""

    address: str = setting.key(
        setting.text().explained("where the page is; another than this machine's own wants tokens"),
        LOOPBACK,
    )
    port: int = setting.key(setting.whole(1, 65_535).explained("of the page"), PORT)
    names: tuple[str, ...] = setting.key(
        setting.TEXTS.explained(
            "what browsers call it besides that, such as `farm.example` or `10.0.0.4:8480`; a "
            "request by another name is refused",
            usual="none",
        ),
        (),
    )
    behind_proxy: bool = setting.key(
        setting.YES_OR_NO.explained("a proxy before it speaks TLS with browsers"), False
    )
    certificate: Path | None = setting.key(
        setting.PATH.explained("PEM file; the page then speaks TLS itself", usual="none"), None
    )
    certificate_key: Path | None = setting.key(
        setting.PATH.explained("of that certificate, a PEM file", usual="none"), None
    )

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return self.address == "localhost" or ipaddress.ip_address(self.address).is_loopback

    @property
    def has_tls(self) -> bool:
        """Whether browsers speak TLS, to it or to its proxy."""
        return self.certificate is not None or self.behind_proxy

    @property
    def wants_tokens(self) -> bool:
        """Whether nothing is shown without one, also while there is none yet."""
        return not self.is_local or self.behind_proxy

    @property
    def url(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def host(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    def hosts(self, port: int | None = None) -> frozenset[str]:
        """What a request's Host may say; `port`: the one that was given, where any was asked."""
        port = port or self.port
        default = 443 if self.certificate else 80
        own = {f"{name}:{port}" for name in (*LOCAL_NAMES, self.host)}
        own |= {*LOCAL_NAMES, self.host} if port == default else set()
        return frozenset(name.lower() for name in own | set(self.names))


def read_web(table: Mapping[str, Any], folder: Path) -> WebConfig:
    """[web], its paths relative to the folder; ValueError with a sentence for what cannot be."""
    config = setting.read(WebConfig, table, folder=folder)
    if config.address != "localhost":
        try:
            ipaddress.ip_address(config.address)
        except ValueError:
            raise ValueError(
                f"address is {config.address!r}; write an IP address, such as 127.0.0.1 or 0.0.0.0"
            ) from None
    for name in config.names:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"names has {name!r}; write a name, with its port unless that is 80 or 443"
            )
    if (config.certificate is None) != (config.certificate_key is None):
        raise ValueError("certificate and certificate_key go together; write both or neither")
    for path in (config.certificate, config.certificate_key):
        if path is not None and not path.is_file():
            raise ValueError(f"there is no {path}; write where the PEM file is")
    if not config.is_local and not config.has_tls:
        raise ValueError(
            f"address {config.address} can be reached from outside and nothing speaks TLS there; "
            "name certificate and certificate_key, or say behind_proxy = true where a proxy does"
        )
    return config
