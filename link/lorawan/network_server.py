"""Network servers: how ChirpStack v4 and The Things Stack v3 tell an uplink and take a downlink, as
JSON over MQTT.

    ChirpStack   application/{application}/device/{devEui}/event/up       .../command/down
    Things Stack v3/{application}@{tenant}/devices/{device id}/up         .../down/push

Topics and JSON only, no connection (link.lorawan.host.carrier has that). Both write protobuf
messages as JSON: bytes are base64, and a number that is zero may be left out. Sources:
integration.proto of ChirpStack 4; data formats and MQTT server of The Things Stack's documentation.
"""

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Protocol

from link.lorawan.wire import SESSION_BYTES
from link.wire.control import NO_QUALITY, Quality

MAX_MESSAGE_BYTES = 1 << 16
"An uplink that twenty gateways heard has 10 kB."
VERSION_3_FIELDS = frozenset({"applicationID", "devEUI", "applicationName", "objectJSON"})
"Fields of ChirpStack's older events: v4 has deviceInfo in their place."
MAX_BODY_BYTES = 242
"At the fastest data rates of any region."


@dataclass(frozen=True)
class NetworkUplink:
    """One uplink as the network server delivered it, opened and without its duplicates."""

    device: str
    "The name by which the topics call the device: its DevEUI, or its id at The Things Stack."
    session: bytes
    "Device address, 4 bytes: new with each join."
    frame_counter: int
    port: int
    body: bytes
    quality: Quality
    "At the gateway that heard it best."


class NetworkServer(Protocol):
    """The dialect of one network server, for one application of it."""

    @property
    def uplink_topics(self) -> str:
        """What to subscribe to."""

    @property
    def qos(self) -> int:
        """The quality of service that this server's broker keeps."""

    def read_uplink(self, topic: str, message: bytes) -> NetworkUplink:
        """ValueError, a sentence, when it is no uplink with a body."""

    def write_downlink(self, device: str, port: int, body: bytes) -> tuple[str, bytes]:
        """Topic and message that append an unconfirmed downlink to the device's queue."""


@dataclass(frozen=True)
class ChirpStack:
    """ChirpStack v4 with its MQTT integration in JSON."""

    application: str
    "Its id, a UUID, as the application's page shows it."
    qos: int = 1

    @property
    def uplink_topics(self) -> str:
        return f"application/{self.application}/device/+/event/up"

    def read_uplink(self, topic: str, message: bytes) -> NetworkUplink:
        device = _device_in(
            topic, rf"application/{re.escape(self.application)}/device/([^/]+)/event/up"
        )
        event = _read_json(topic, message)
        if of_version_3 := VERSION_3_FIELDS & event.keys():
            raise ValueError(
                f"message under {topic} is of ChirpStack v3, as its {min(of_version_3)} tells; "
                "update the network server to ChirpStack v4"
            )
        return NetworkUplink(
            device=device.lower(),
            session=_session(topic, event.get("devAddr")),
            frame_counter=_whole(topic, "fCnt", event.get("fCnt"), 1 << 32),
            port=_whole(topic, "fPort", event.get("fPort"), 256),
            body=_bytes(topic, "data", event.get("data")),
            quality=_best_quality(event.get("rxInfo")),
        )

    def write_downlink(self, device: str, port: int, body: bytes) -> tuple[str, bytes]:
        command = {
            "devEui": device.lower(),
            "confirmed": False,
            "fPort": port,
            "data": _base64(body),
        }
        return f"application/{self.application}/device/{device.lower()}/command/down", _write_json(
            command
        )


@dataclass(frozen=True)
class TheThingsStack:
    """The Things Stack v3: The Things Network, or one's own."""

    application: str
    """As its topics call it: "app@tenant", on The Things Network "app@ttn"; an open source server
    leaves the tenant out.
    """
    qos: int = 0

    @property
    def uplink_topics(self) -> str:
        return f"v3/{self.application}/devices/+/up"

    def read_uplink(self, topic: str, message: bytes) -> NetworkUplink:
        device = _device_in(topic, rf"v3/{re.escape(self.application)}/devices/([^/]+)/up")
        event = _read_json(topic, message)
        uplink = _object(topic, "uplink_message", event.get("uplink_message"))
        ids = _object(topic, "end_device_ids", event.get("end_device_ids"))
        return NetworkUplink(
            device=device,
            session=_session(topic, ids.get("dev_addr")),
            frame_counter=_whole(topic, "f_cnt", uplink.get("f_cnt"), 1 << 32),
            port=_whole(topic, "f_port", uplink.get("f_port"), 256),
            body=_bytes(topic, "frm_payload", uplink.get("frm_payload")),
            quality=_best_quality(uplink.get("rx_metadata")),
        )

    def write_downlink(self, device: str, port: int, body: bytes) -> tuple[str, bytes]:
        message = {
            "downlinks": [{"f_port": port, "frm_payload": _base64(body), "priority": "NORMAL"}]
        }
        return f"v3/{self.application}/devices/{device}/down/push", _write_json(message)


SERVERS: dict[str, type[ChirpStack] | type[TheThingsStack]] = {
    "chirpstack": ChirpStack,
    "things-stack": TheThingsStack,
}


def get_server(name: str, application: str) -> NetworkServer:
    """ValueError when there is no such server, or the application's name would break its topics."""
    if name not in SERVERS:
        raise ValueError(f'there is no network server "{name}"; there are: {", ".join(SERVERS)}')
    if not application or re.search(r"[/+#\s]", application):
        raise ValueError(
            f'"{application}" is no application of {name}: copy its id from the console'
        )
    return SERVERS[name](application)


def _device_in(topic: str, pattern: str) -> str:
    if found := re.fullmatch(pattern, topic):
        return found[1]
    raise ValueError(
        f"a message came under {topic[:100]!r}, which is no topic of uplinks; check the "
        "application's name"
    )


def _read_json(topic: str, message: bytes) -> dict[str, Any]:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(
            f"message under {topic} has {len(message)} bytes, an uplink has at most "
            f"{MAX_MESSAGE_BYTES}"
        )
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):  # the former also of a number of many thousand digits
        raise ValueError(
            f"message under {topic} is no JSON; set the network server's MQTT integration to "
            "JSON, not to protobuf"
        ) from None
    return _object(topic, "the message", content)


def _object(topic: str, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"message under {topic} is no uplink: {name} is no JSON object")
    return value


def _whole(topic: str, name: str, value: Any, end: int) -> int:
    """Zero where it is left out."""
    value = 0 if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < end:
        raise ValueError(
            f"message under {topic} is no uplink: {name} is no whole number from 0 to {end - 1}"
        )
    return value


def _bytes(topic: str, name: str, value: Any) -> bytes:
    try:
        body = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(f"message under {topic} is no uplink: {name} is no base64") from None
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(
            f"message under {topic} is no uplink: {len(body)} bytes, a frame has at most "
            f"{MAX_BODY_BYTES}"
        )
    return body


def _session(topic: str, value: Any) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(
        rf"[0-9a-fA-F]{{{2 * SESSION_BYTES}}}", value
    ):
        raise ValueError(
            f"message under {topic} is no uplink: its device address is not {SESSION_BYTES} bytes "
            "in hex"
        )
    return bytes.fromhex(value)


def _best_quality(gateways: Any) -> Quality:
    heard = (
        [_quality(gateway) for gateway in gateways if isinstance(gateway, dict)]
        if isinstance(gateways, list)
        else []
    )

    def goodness(quality: Quality) -> tuple[float, float]:
        return (
            -math.inf if quality.snr_db is None else quality.snr_db,
            -math.inf if quality.rssi_dbm is None else quality.rssi_dbm,
        )

    return max(heard, key=goodness, default=NO_QUALITY)


def _quality(gateway: dict[str, Any]) -> Quality:
    """Where one figure is told and the other left out, that is zero; where both are, neither is
    known.
    """
    told = {name: gateway[name] for name in ("snr", "rssi") if gateway.get(name) is not None}
    figures = {name: _number(value) for name, value in told.items()}
    if any(figure is not None for figure in figures.values()):
        figures = {"snr": 0.0, "rssi": 0.0, **figures}
    return Quality(figures.get("snr"), figures.get("rssi"))


def _number(value: Any) -> float | None:
    """A figure that a radio can have measured."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and -1000 < value < 1000 else None


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode("ascii")


def _write_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii")
