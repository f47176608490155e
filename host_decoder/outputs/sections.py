"""Sections: [mqtt], [prometheus], [webhook] and [email] of host.toml, each read and checked."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from link.gateway import BrokerConfig
from link.settings import HOST, read_text, setting

TOPIC = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
ADDRESS = re.compile(r"\[?([^\[\]]+)\]?:([0-9]{1,5})")
MAX_SECRET_LETTERS = 1000


@dataclass(frozen=True, kw_only=True)
class MqttConfig(BrokerConfig):
    """[mqtt]: the broker that results go to."""

    client_id: str | None = setting.key(
        setting.text().explained(
            "what this host is called at the broker, and in its status topic",
            usual="`latentlink-` and the site",
        ),
        None,
    )
    topic: str = setting.key(setting.text().explained("what all topics begin with"), "latentlink")
    has_discovery: bool = setting.key(
        setting.YES_OR_NO.explained("Home Assistant makes a device of each node"),
        True,
        name="discovery",
    )
    discovery_topic: str = setting.key(
        setting.text().explained("where Home Assistant looks for devices"), "homeassistant"
    )
    has_pictures: bool = setting.key(
        setting.YES_OR_NO.explained(
            "PNG files of what a task such as `thumbnail` decodes, where there is one"
        ),
        False,
        name="pictures",
    )

    def client(self, site: str) -> str:
        return self.client_id or f"latentlink-{site}"


@dataclass(frozen=True)
class PrometheusConfig:
    """[prometheus]: where figures are read."""

    listen: str = setting.key(
        setting.text().explained(
            "address and port of `/metrics`; one that is not this machine's own wants `is_open`"
        ),
        "127.0.0.1:9464",
    )
    is_open: bool = setting.key(
        setting.YES_OR_NO.explained(
            "anybody who reaches that address may read it: there is neither password nor TLS"
        ),
        False,
    )
    per_node: bool = setting.key(
        setting.YES_OR_NO.explained("four figures of each node, too"), True
    )

    @property
    def address(self) -> tuple[str, int]:
        name, port = self.listen.rsplit(":", 1)
        return name.strip("[]"), int(port)


@dataclass(frozen=True)
class WebhookConfig:
    """[webhook]: where alerts are posted."""

    url: str = setting.key(setting.text().explained("where each alert is posted, as JSON"))
    secret_file: Path | None = setting.key(
        setting.PATH.explained("the secret that signs each post, alone in a file"), None
    )
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EmailConfig:
    """[email]: to whom alerts are written."""

    host: str = setting.key(setting.text().explained("the mail server"))
    sender: str = setting.key(setting.text().explained("who writes"), name="from")
    recipients: tuple[str, ...] = setting.key(
        setting.TEXTS.explained("who is written to"), name="to"
    )
    port: int | None = setting.key(
        setting.whole(1, 65_535).explained(
            "of the mail server", usual="587, 465 with `tls`, or 25"
        ),
        None,
    )
    security: str = setting.key(
        setting.text(("starttls", "tls", "none")).explained(
            "`none` only on a machine's own network"
        ),
        "starttls",
    )
    user: str | None = setting.key(setting.text().explained("at the mail server"), None)
    password_file: Path | None = setting.key(
        setting.PATH.explained("the password, alone in a file"), None
    )
    password: str | None = field(default=None, repr=False)

    @property
    def smtp_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


def read_mqtt(table: Mapping[str, Any], folder: Path) -> MqttConfig:
    """Raises ValueError with a sentence that begins at the key, as the others do."""
    config = setting.read(MqttConfig, table, folder=folder).checked()
    for key, topic in (("topic", config.topic), ("discovery_topic", config.discovery_topic)):
        if not TOPIC.fullmatch(topic):
            raise ValueError(f"{key} is {topic!r}; write letters, digits, and '/' between levels")
    if config.client_id is not None and not TOPIC.fullmatch(config.client_id):
        raise ValueError(f"client_id is {config.client_id!r}; write letters, digits and '-'")
    return config


def read_prometheus(table: Mapping[str, Any]) -> PrometheusConfig:
    config = setting.read(PrometheusConfig, table)
    found = ADDRESS.fullmatch(config.listen)
    if found is None or int(found[2]) > 65_535:
        raise ValueError(f"listen is {config.listen!r}; write address and port, 127.0.0.1:9464")
    if not config.is_open and not is_loopback(found[1]):
        raise ValueError(
            f"listen is {config.listen!r}, which others reach, and nothing there asks for a "
            "password; say is_open = true if that is meant"
        )
    return config


def read_webhook(table: Mapping[str, Any], folder: Path) -> WebhookConfig:
    config = setting.read(WebhookConfig, table, folder=folder)
    try:
        parts = urlsplit(config.url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not config.url.isascii() or re.search(r"[\s\x00-\x1f]", config.url):
        raise ValueError(f"url is {config.url!r}; write http:// or https://, host and path")
    if "@" in parts.netloc:
        raise ValueError("url has a user before its host, who is not told; let secret_file sign")
    return replace(config, secret=_secret("secret_file", config.secret_file))


def read_email(table: Mapping[str, Any], folder: Path) -> EmailConfig:
    config = setting.read(EmailConfig, table, folder=folder)
    _check_host(config.host)
    if not config.recipients:
        raise ValueError("to is empty; name who is written to")
    for address in (config.sender, *config.recipients):
        if not re.fullmatch(r"[^\s@<>,;\"\x00-\x1f]+@[^\s@<>,;\"\x00-\x1f]+", address):
            raise ValueError(f"{address!r} is no mail address; write name@host")
    if config.user is not None and config.security == "none":
        raise ValueError('user is told to nobody unencrypted; set security to "starttls" or "tls"')
    return replace(config, password=_secret("password_file", config.password_file))


def is_loopback(name: str) -> bool:
    """Whether only this machine reaches that address."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_host(name: str) -> None:
    if not HOST.fullmatch(name):
        raise ValueError(f"host is {name!r}; write its name or address, without port or slash")


def _secret(key: str, path: Path | None) -> str | None:
    if path is None:
        return None
    secret = _readable(key, path).strip()
    if not secret or len(secret) > MAX_SECRET_LETTERS or not secret.isprintable():
        raise ValueError(f"{key}: {path} must hold one line, and nothing else")
    return secret


def _readable(key: str, path: Path) -> str:
    try:
        return read_text(path, ValueError)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
