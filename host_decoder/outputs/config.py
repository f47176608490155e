"""What host.toml says of outputs: to whom the host speaks besides, and of what."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from host_decoder.alerts.rule import Rule, read_rule
from host_decoder.errors import ConfigError
from host_decoder.outputs.sections import (
    EmailConfig,
    MqttConfig,
    PrometheusConfig,
    WebhookConfig,
    read_email,
    read_mqtt,
    read_prometheus,
    read_webhook,
)
from link.settings import setting, shown

T = TypeVar("T")
MAX_ALERTS = 100
SECTIONS = {
    "mqtt": setting.SECTION.explained(
        "results and states go to a broker, devices to Home Assistant "
        "([integrations.md](integrations.md))",
        usual="nothing",
    ),
    "prometheus": setting.SECTION.explained("figures to be read at `/metrics`", usual="nothing"),
    "alert": setting.SECTIONS.explained(
        "what somebody is to be told of, once when it begins and once when it is over",
        usual="nothing",
    ),
    "webhook": setting.SECTION.explained("where alerts are posted", usual="nowhere"),
    "email": setting.SECTION.explained("to whom alerts are written", usual="nobody"),
}


@dataclass(frozen=True)
class OutputsConfig:
    """Nothing that is not there is said."""

    mqtt: MqttConfig | None = None
    prometheus: PrometheusConfig | None = None
    alerts: tuple[Rule, ...] = ()
    "No two of one title."
    webhook: WebhookConfig | None = None
    email: EmailConfig | None = None


def read_outputs(path: Path, table: Mapping[str, Any], nodes: Set[int]) -> OutputsConfig:
    """What host.toml at `path` says, with these nodes. Raises ConfigError with a sentence."""

    def read(name: str, reader: Callable[..., T], *more: Any) -> T | None:
        if name not in table:
            return None
        return _checked(f"[{name}] of {path}", reader, table[name], *more)

    return OutputsConfig(
        mqtt=read("mqtt", read_mqtt, path.parent),
        prometheus=read("prometheus", read_prometheus),
        alerts=_read_alerts(path, table.get("alert", ()), nodes),
        webhook=read("webhook", read_webhook, path.parent),
        email=read("email", read_email, path.parent),
    )


def _checked(where: str, read: Callable[..., T], *given: Any) -> T:
    try:
        return read(*given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _read_alerts(
    path: Path, tables: Sequence[Mapping[str, Any]], nodes: Set[int]
) -> tuple[Rule, ...]:
    """Each with a title of its own, about nodes that there are."""
    if len(tables) > MAX_ALERTS:
        raise ConfigError(f"{path} has {len(tables)} [[alert]]; a host has at most {MAX_ALERTS}")
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables, start=1):
        rule = _checked(f"[[alert]] {number} of {path}", read_rule, table)
        if rule.title in rules:
            raise ConfigError(
                f"{path} has two [[alert]] called {shown(rule.title)}; give one another name"
            )
        if unknown := sorted(set(rule.nodes) - nodes):
            raise ConfigError(
                f"[[alert]] {number} of {path} is about node {unknown[0]}, which is not known; "
                f"there are {', '.join(map(str, sorted(nodes)))}"
            )
        rules[rule.title] = rule
    return tuple(rules.values())
