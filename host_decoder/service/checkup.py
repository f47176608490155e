"""Checkup of a host folder: what keeps its host from hearing, answering or storing.

Libraries may be missing, so what needs them is imported when they were found.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from host_decoder.store.database.settings import Place, is_server
from link.checkup import (
    Finding,
    check_address,
    check_disk,
    check_libraries,
    check_port,
    check_private,
    check_python,
    check_udp,
    prevents,
)
from link.settings import host_folder

if TYPE_CHECKING:
    from host_decoder.config import HostConfig
    from host_decoder.gateway_config import GatewayConfig

SYSTEMD = Path("/run/systemd/system")
"There where systemd runs."


def check_host(host: Path, systemd: Path = SYSTEMD) -> Iterator[Finding]:
    """`host`: host.toml, which need not be there."""
    found = [*check_python(), *check_libraries(("cryptography", "numpy", "reedsolo", "serial"))]
    found += check_libraries(("onnxruntime", "paho", "rich"), "host")
    yield from found
    if not host.is_file():
        yield Finding(
            f"there is no {host}: latentlink host init {host.parent} --link PROFILE makes it"
        )
        return
    yield from _secrets(host)
    if not prevents(found):
        yield from _settings(host, systemd)


def _secrets(host: Path) -> Iterator[Finding]:
    folder = host.parent
    keys = folder / host_folder.KEYS
    for path in (folder, host, keys, *sorted(keys.glob("*.key"))):
        yield from check_private(path)
    checkout = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    if checkout:
        yield Finding(
            f"{folder} lies in the checkout {checkout}, where keys end up in git: move it out",
            is_hint=True,
        )


def _settings(host: Path, systemd: Path) -> Iterator[Finding]:
    from host_decoder.config import read_config
    from host_decoder.errors import HostError
    from host_decoder.receive.clock import WallClock
    from link.bundle import BundleError
    from link.security import KeyStateError

    try:
        config = read_config(host)
    except (HostError, BundleError, KeyStateError, OSError) as error:
        yield Finding(str(error))
        return
    yield from (Finding(warning, is_hint=True) for warning in config.warnings)
    if is_running := _is_held(config.store):
        yield Finding("a host is running, and has store and ports", is_hint=True)
    yield from _store(config.store)
    for gateway in config.gateways:
        yield from _gateway(gateway, is_running)
    if config.fleet is not None:
        broker = config.fleet.settings("doctor")
        yield from check_address(broker.host, broker.broker_port, "the fleet's broker")
    yield from _outputs(config)
    if not WallClock(config.is_clock_trusted).is_right:
        yield Finding(
            f"the clock says {time.strftime('%Y-%m-%d %H:%M')} and nothing has set it, so no node "
            'is told the time: let NTP set it, or write clock = "trusted"',
            is_hint=True,
        )
    if systemd.is_dir():
        yield from _service(host, config)


def _outputs(config: "HostConfig") -> Iterator[Finding]:
    """Their library, and who may read their passwords."""
    said = config.outputs
    if said.prometheus is not None:
        yield from check_libraries(("prometheus_client",), "fleet")
    paths = (
        said.mqtt.password_file if said.mqtt else None,
        said.webhook.secret_file if said.webhook else None,
        said.email.password_file if said.email else None,
        config.fleet.password_file if config.fleet else None,
    )
    for path in paths:
        if path is not None:
            yield from check_private(path)


def _is_held(store: Place) -> bool:
    """Whether a host writes it."""
    from host_decoder.store.database.file import Lock, StoreError, StoreHeldError

    if is_server(store) or not Path(store).exists():
        return False
    try:
        Lock(Path(store)).close()
    except StoreHeldError:
        return True
    except StoreError:
        return False
    return False


def _store(store: Place) -> Iterator[Finding]:
    from host_decoder.store.database.file import StoreError
    from host_decoder.store.store import Store

    folder = Path(store).parent
    if is_server(store):
        pass
    elif not folder.is_dir():
        yield Finding(f"there is no folder {folder} for the store: make it")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            f"this account may not write into {folder}, where the store is: give it to it"
        )
    else:
        yield from check_disk(folder)
    if not is_server(store) and not Path(store).exists():
        return
    try:
        with Store(store, must_exist=True) as opened:
            opened.bundles()
    except StoreError as error:
        yield Finding(str(error))


def _gateway(gateway: "GatewayConfig", is_running: bool) -> Iterator[Finding]:
    from link.carriers import CarrierSettings
    from link.medium import rules_for

    settings = gateway.settings
    if not isinstance(settings, CarrierSettings):
        yield from check_address(settings.host, settings.broker_port, f"{settings.server}'s broker")
        return
    if not is_running:
        yield from (check_udp if settings.kind == "udp" else check_port)(settings.port)
    rules = rules_for(gateway.region, settings.frequency_hz, settings.profile)
    if gateway.has_downlink and rules.silent_because:
        yield Finding(
            f"gateway {gateway.name} only listens, and every image is sent again and again: "
            f"{rules.silent_because}",
            is_hint=True,
        )


def _service(host: Path, config: "HostConfig") -> Iterator[Finding]:
    from host_decoder.service.unit import PLACE, unit_text

    folder = host.parent
    if not PLACE.is_file():
        yield Finding(
            f"nothing starts the host when this computer starts: latentlink host unit {folder} "
            f"prints what belongs into {PLACE}",
            is_hint=True,
        )
    elif PLACE.read_text(encoding="utf-8", errors="replace") != unit_text(host, config):
        yield Finding(
            f"{PLACE} is not what latentlink host unit {folder} prints now: print it again, then "
            "sudo systemctl daemon-reload",
            is_hint=True,
        )
