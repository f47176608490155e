"""forward.toml: whose packets a gateway forwards, where it hears them, and the broker that they
go to.

    site = "farm"
    name = "roof"                   # among the site's gateways
    [broker]
    host = "broker.example"
    user = "farm-roof"
    password_file = "broker.password"
    tls = true
    [link]                          # one, with the keys of host.toml's
    port = "/dev/ttyUSB0"
    profile = "rn2483-sf9"
    region = "eu868"
    frequency_hz = 869525000

Paths are relative to it. No key of any node is here: what a gateway forwards it cannot read.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from link.gateway.port import LINK, Port, read_port
from link.gateway.topics import NAME
from link.settings import HOST, read_text, read_toml, setting, shown

if TYPE_CHECKING:  # it needs an MQTT library that whoever reads [link] alone does not
    from link.carriers.mqtt.broker import BrokerSettings

FORWARD = {
    "site": setting.text(is_required=True).explained("the site of its nodes, as their host has it"),
    "name": setting.text(is_required=True).explained("what this gateway is called there"),
    "state_dir": setting.text().explained(
        "folder of what waits for a worker (`spool.sqlite`), and of airtime that was spent",
        usual="that of this file",
    ),
    "broker": setting.REQUIRED_SECTION.explained("the MQTT 5 broker of the fleet"),
    "link": setting.REQUIRED_SECTION.explained("where it hears nodes, with the keys of a gateway"),
}


@dataclass(frozen=True, kw_only=True)
class BrokerConfig:
    """Where a broker is, and as whom it is met: [broker] here, [fleet] and [mqtt] of a host."""

    host: str = setting.key(setting.text().explained("name or address of the MQTT broker"))
    port: int | None = setting.key(
        setting.whole(1, 65_535).explained("of the broker", usual="1883, with `tls` 8883"), None
    )
    user: str | None = setting.key(setting.text().explained("at the broker"), None)
    password_file: Path | None = setting.key(
        setting.PATH.explained("the password, alone in a file"), None
    )
    has_tls: bool = setting.key(
        setting.YES_OR_NO.explained("speak to the broker under TLS"), False, name="tls"
    )
    ca_file: Path | None = setting.key(
        setting.PATH.explained(
            "PEM file of the authority that certified the broker", usual="the system's authorities"
        ),
        None,
    )
    password: str | None = field(default=None, repr=False)

    def settings(self, client_id: str) -> "BrokerSettings":
        from link.carriers.mqtt.broker import BrokerSettings

        return BrokerSettings(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            has_tls=self.has_tls,
            ca_file=self.ca_file,
            client_id=client_id,
        )

    def checked(self) -> Self:
        """With its password; ValueError with a sentence that begins at the key."""
        if not HOST.fullmatch(self.host):
            raise ValueError(
                f"host is {shown(self.host)}; write its name or address, without port or slash"
            )
        for key, path in (("password_file", self.password_file), ("ca_file", self.ca_file)):
            if path is not None:
                try:
                    text = read_text(path, ValueError).strip()
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
                if key == "password_file" and not (text and text.isprintable()):
                    raise ValueError(f"{key}: {path} must hold one line, and nothing else")
        if self.password_file is None:
            return self
        return replace(self, password=read_text(self.password_file, ValueError).strip())


@dataclass(frozen=True)
class ForwarderConfig:
    """All of forward.toml."""

    site: str
    name: str
    broker: BrokerConfig
    port: Port
    state_dir: Path


def read_forwarder(path: Path) -> ForwarderConfig:
    """ValueError with a sentence that says what to write instead."""
    if not path.exists():
        raise ValueError(f"{path} is not there; docs/fleet.md shows one, and says what each key is")
    table = read_toml(path, ValueError)
    try:
        setting.read_section(table, FORWARD)
        for key in ("site", "name"):
            check_name(key, table[key])
        broker = _section(
            "broker",
            lambda: setting.read(BrokerConfig, table["broker"], folder=path.parent).checked(),
        )
        port = _section("link", lambda: read_port(setting.read_section(table["link"], LINK)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    state_dir = path.parent / table.get("state_dir", ".")
    return ForwarderConfig(table["site"], table["name"], broker, port, state_dir)


def check_name(key: str, name: str) -> None:
    """ValueError for what cannot stand in a topic."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{key} is {shown(name)}; write 1 to 40 of a-z, 0-9, '-' and '_', such as \"roof\""
        )


def _section(name: str, read: Any) -> Any:
    try:
        return read()
    except ValueError as error:
        raise ValueError(f"[{name}] {error}") from None
