"""Broker: where it is, and what passes through it. Knows no library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Where a broker is, and as whom it is met."""

    host: str
    port: int | None = None
    "None: 8883 with TLS, 1883 without."
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    has_tls: bool = False
    ca_file: Path | None = None
    "Certificates to trust in the place of the system's."
    client_id: str
    "Two with one name put each other out."

    @property
    def broker_port(self) -> int:
        return self.port or (8883 if self.has_tls else 1883)

    @property
    def address(self) -> str:
        """As a person names it."""
        return f"{self.host}:{self.broker_port}"


@dataclass(frozen=True)
class Message:
    """What a broker delivered."""

    topic: str
    payload: bytes
    is_retained: bool = False
    "It was kept for who comes later: no news."
    number: int = 0
    "Under which it is acknowledged."
    qos: int = 0
    about: Mapping[str, str] = field(default_factory=dict)
    "User properties of MQTT 5."


@dataclass(frozen=True)
class Will:
    """What a broker says, and keeps, when its client is gone without a word."""

    topic: str
    payload: bytes
