"""Keys: tables of what node.toml and host.toml may say, from what reads them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from device.capture.source_config import SourceConfig
from device.collect.collect_config import CollectConfig
from device.config import NodeConfig
from device.fog.team_config import TeamConfig
from device.link_config import LinkConfig, LoRaWanConfig
from device.training.learn_config import LearnConfig
from host_decoder.alerts.rule import Rule
from host_decoder.config import HOST, NODE
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.fleet.config import FleetConfig
from host_decoder.gateway_config import NETWORK
from host_decoder.learn.config import DEVICE, GATEWAY
from host_decoder.outputs.sections import (
    EmailConfig,
    MqttConfig,
    PrometheusConfig,
    WebhookConfig,
)
from host_decoder.store.database.settings import Keep
from host_decoder.web.config import WebConfig
from link.gateway.config import FORWARD, BrokerConfig
from link.gateway.port import LINK
from link.settings.setting import MANY, Setting, defaults_of, settings_of
from tests.documents.markdown import table

UNITS = {
    "_s": "s",
    "_ms": "ms",
    "_hz": "Hz",
    "_dbm": "dBm",
    "_bps": "bit/s",
    "_mb": "MB",
    "_bytes": "bytes",
    "_wh": "Wh",
    "_celsius": "°C",
}
"Names end with them."
NODE_TOML = {
    "keys of node.toml": NodeConfig,
    "keys of [source]": SourceConfig,
    "keys of [link]": LinkConfig,
    "keys of [link.lorawan]": LoRaWanConfig,
    "keys of [team]": TeamConfig,
    "keys of [collect]": CollectConfig,
    "keys of [learn]": LearnConfig,
}
SECTIONS: dict[str, type] = {
    "keys of [verdict]": VerdictConfig,
    "keys of [web]": WebConfig,
    "keys of [keep]": Keep,
    "keys of [mqtt]": MqttConfig,
    "keys of [prometheus]": PrometheusConfig,
    "keys of [[alert]]": Rule,
    "keys of [webhook]": WebhookConfig,
    "keys of [email]": EmailConfig,
    "keys of [fleet]": FleetConfig,
    "keys of [broker]": BrokerConfig,
}
HOST_TOML: dict[str, Mapping[str, Setting]] = {
    "keys of host.toml": HOST,
    "keys of a gateway": LINK,
    "keys of a LoRaWAN network": NETWORK,
    **{name: settings_of(kind) for name, kind in SECTIONS.items()},
    "keys of [[node]]": NODE,
    "keys of gateway.toml": GATEWAY,
    "keys of forward.toml": FORWARD,
    "keys of [[device]]": DEVICE,
}


def rows(settings: Mapping[str, Setting], defaults: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", type_of(one), default_of(name, one, defaults), unit_of(name), one.means)
        for name, one in settings.items()
    ]


def type_of(one: Setting) -> str:
    """What a value may be, with its bounds."""
    names = {int: "whole number", float: "number", bool: "true, false", dict: "section"}
    lists = {str: "list of texts", int: "list of whole numbers", dict: "sections"}
    names |= {str: "path" if one.is_path else "text", list: lists[one.items]}
    if one.one_of:
        return ", ".join(f'`"{word}"`' for word in one.one_of)
    said = " or ".join(names[kind] for kind in one.types)
    if one.highest == MANY:
        return f"{said} from {one.lowest:g} on"
    return f"{said}, {one.lowest} to {one.highest}" if one.highest else said


def default_of(name: str, one: Setting, defaults: Mapping[str, Any]) -> str:
    if one.is_required:
        return "**must be said**"
    if one.usual:
        return one.usual
    default = defaults.get(name)
    if default in (None, ()):
        return "–"
    if isinstance(default, bool):
        return str(default).lower()
    return f"`{default}`" if isinstance(default, str | Path) else f"{default:g}"


def unit_of(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _table(settings: Mapping[str, Setting], defaults: Mapping[str, Any]) -> str:
    return table(("key", "value", "default", "unit", "meaning"), rows(settings, defaults))


PARTS: dict[str, Callable[[], str]] = {
    **{
        name: partial(_table, settings_of(kind), defaults_of(kind))
        for name, kind in NODE_TOML.items()
    },
    **{
        name: partial(_table, settings, defaults_of(SECTIONS[name]) if name in SECTIONS else {})
        for name, settings in HOST_TOML.items()
    },
}
