"""[fleet] of host.toml, in the place of [link]: the broker to which the gateways of this site
forward what they hear, and who they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link.gateway import BrokerConfig, check_name
from link.medium import get_profile
from link.settings import setting


@dataclass(frozen=True, kw_only=True)
class FleetConfig(BrokerConfig):
    """Where a site's gateways are to be heard."""

    gateways: tuple[str, ...] = setting.key(
        setting.TEXTS.explained("the site's gateways, as each is called in its forward.toml")
    )
    profile: str = setting.key(
        setting.text().explained("the line of all of them: `latentlink link profiles`")
    )


def read_fleet(table: Mapping[str, Any], folder: Path) -> FleetConfig:
    """Its paths relative to the folder; ValueError with a sentence for what cannot be."""
    config = setting.read(FleetConfig, table, folder=folder).checked()
    if not config.gateways:
        raise ValueError("gateways is empty; name each gateway of the site")
    for name in config.gateways:
        check_name("gateways", name)
    get_profile(config.profile)
    return config
