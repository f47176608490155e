"""Discovery: what makes a device of each node in Home Assistant (MQTT device discovery, since
2024.11), one retained message for each.

Ids come from site and number: a name may change. What was announced stands in a file, so that a
node that was taken out, and a part that is no more, go from Home Assistant too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_decoder.config import KnownNode
from host_decoder.outputs import messages
from link.base import durable, extras

FILE, FORMAT = "discovery.json", 1
Devices = dict[str, tuple[int, str, dict[str, str]]]
"By topic of its config: a node's number, its site, the platforms of its parts by key."
KNOWN = "{{ value_json.%s }}"
"What is not known renders as None, which Home Assistant shows as unknown."
PERCENT = "{{ (value_json.%s * 100) | round(1) if value_json.%s is not none else none }}"


@dataclass(frozen=True)
class Places:
    """Where a host speaks, and as whom."""

    word: str
    "That all topics begin with."
    site: str
    client_id: str
    discovery: str = "homeassistant"

    def of(self, node: int, what: str) -> str:
        return messages.node_topic(self.word, self.site, node, what)

    @property
    def status(self) -> str:
        return messages.host_topic(self.word, self.client_id)

    def device(self, node: int) -> str:
        """Its id for Home Assistant."""
        return f"ll_{self.site}_{node}"

    def config(self, device: str) -> str:
        return f"{self.discovery}/device/{device}/config"


def components(places: Places, node: KnownNode, has_pictures: bool) -> dict[str, dict[str, Any]]:
    """The parts of a device by key."""
    parts: dict[str, dict[str, Any]] = {
        "label": _sensor("Label", "label", ic="mdi:eye"),
        "confidence": {
            **_sensor("Confidence", "confidence", unit_of_meas="%", stat_cla="measurement"),
            "val_tpl": PERCENT % ("confidence", "confidence"),
        },
        "received_at": _sensor("Last image", "received_at", dev_cla="timestamp"),
        "heard_at": _sensor("Last heard", "heard_at", "diagnostic", dev_cla="timestamp"),
        "queue": _sensor("Images waiting", "queue_images", "diagnostic", stat_cla="measurement"),
        "budget": _sensor(
            "Airtime left", "budget_s", "diagnostic", dev_cla="duration", unit_of_meas="s"
        ),
        "loss": {
            **_sensor("Packets lost", "loss_ratio", "diagnostic", unit_of_meas="%"),
            "val_tpl": PERCENT % ("loss_ratio", "loss_ratio"),
        },
        "snr": _sensor("SNR", "snr_db", "diagnostic", dev_cla="signal_strength", unit_of_meas="dB"),
        "rssi": _sensor(
            "RSSI", "rssi_dbm", "diagnostic", dev_cla="signal_strength", unit_of_meas="dBm"
        ),
        "problem": {
            "p": "binary_sensor",
            "name": "Problem",
            "dev_cla": "problem",
            "ent_cat": "diagnostic",
            "val_tpl": "{{ 'ON' if value_json.fault or value_json.alerts else 'OFF' }}",
        },
    }
    if has_pictures:
        parts["picture"] = {
            "p": "image",
            "name": "Picture",
            "img_t": places.of(node.number, "image"),
            "cont_type": "image/png",
        }
    device = places.device(node.number)
    return {key: {**part, "uniq_id": f"{device}_{key}"} for key, part in parts.items()}


def payload(
    places: Places, node: KnownNode, has_pictures: bool, before: Mapping[str, str]
) -> dict[str, Any]:
    """A node's device; `before`: platforms of the parts that were announced last, by key."""
    parts = components(places, node, has_pictures)
    gone = {key: {"p": platform} for key, platform in before.items() if key not in parts}
    return {
        "dev": {
            "ids": [places.device(node.number)],
            "name": node.title,
            "mf": "latentlink",
            "mdl": node.bundle.path.name,
            "sw": node.bundle.id.hex(),
            "sa": places.site,
        },
        "o": {"name": "latentlink", "sw": extras.version()},
        "avty_mode": "all",
        "avty": [{"t": places.status}, {"t": places.of(node.number, "availability")}],
        "stat_t": places.of(node.number, "state"),
        "qos": 1,
        "cmps": {**parts, **gone},
    }


class Announced:
    """Devices that Home Assistant was told of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            kept = durable.read_state(path, FORMAT)["devices"]
            self.devices: Devices = {
                str(config): (int(node), str(site), {str(k): str(p) for k, p in parts.items()})
                for config, (node, site, parts) in kept.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self.devices = {}  # what was announced stays there; a person can delete it

    def set(self, devices: Devices) -> None:
        """Raises OSError."""
        if devices != self.devices:
            kept = {topic: [*what] for topic, what in devices.items()}
            durable.write_state(self._path, {"format": FORMAT, "devices": kept})
            self.devices = dict(devices)


def _sensor(name: str, key: str, category: str = "", **more: str) -> dict[str, Any]:
    told = {"ent_cat": category} if category else {}
    return {"p": "sensor", "name": name, "val_tpl": KNOWN % key, **told, **more}
