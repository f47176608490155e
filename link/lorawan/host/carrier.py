"""The host's side of LoRaWAN: the MQTT broker of a network server as a carrier. The one file that
imports paho.

Uplinks of our devices come in as packets of link.lorawan, such packets go out as downlinks, which a
class A node hears after its next uplink. What is no uplink of ours is counted, and said in a
sentence by `notices`. An uplink is acknowledged to the broker by the next call of `receive`, when
its receiver has stored it: with ChirpStack at QoS 1 nothing is lost while the host is away; The
Things Stack knows QoS 0 only and forgets what nobody listened to.
"""

import contextlib
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv311, error_string
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from link.base.recent import Recent
from link.carriers.carrier import CarrierStatistics, PortError, Received
from link.carriers.deadline import within
from link.lorawan.network_server import NetworkUplink, get_server
from link.lorawan.wire import port_of, type_of, unpack_packet, uplink_packet
from link.wire.packet import MAX_PACKET_BYTES

CONNECT_TIMEOUT_S = 10.0
TAKEN_S = 5.0
"In which a broker takes a message, or it is not there any more."
KEEP_ALIVE_S = 60
MAX_NOTICES = 16
MAX_LETTERS = 300
"The length of a sentence that repeats what a broker said."
MAX_SAID = 256
"""Sentences that are remembered, each said once: a network has other devices, which send day and
night.
"""


@dataclass(frozen=True)
class NetworkSettings:
    """Where the network server's broker is, and who of its devices is which node."""

    server: str
    "A name of link.lorawan.network_server.SERVERS."
    host: str
    application: str
    devices: Mapping[str, int]
    "DevEUI (ChirpStack) or device id (The Things Stack) to our node number."
    port: int | None = None
    "None: 8883 with TLS, 1883 without."
    user: str | None = None
    "The Things Stack: the application as in its topics."
    password: str | None = field(default=None, repr=False)
    "The Things Stack: an API key that may read and write downlinks."
    has_tls: bool = False
    ca_file: Path | None = None
    "Certificates to trust in the place of the system's."
    client_id: str = "latentlink-host"
    "The broker keeps uplinks for it; two hosts with one name put each other out."

    @property
    def broker_port(self) -> int:
        return self.port or (8883 if self.has_tls else 1883)


class LoRaWan:
    """A carrier, open as long as its connection; the caller opens a new one after a PortError."""

    max_packet_bytes = MAX_PACKET_BYTES

    def __init__(self, settings: NetworkSettings) -> None:
        """Connects and subscribes. PortError: the broker is away or refuses; ValueError: the
        settings cannot be.
        """
        self._server = get_server(settings.server, settings.application)
        self._nodes = {name.lower(): node for name, node in settings.devices.items()}
        self._devices = {node: name for name, node in settings.devices.items()}
        self._broker = f"{settings.host}:{settings.broker_port}"
        self.statistics = CarrierStatistics()
        self._notices: deque[str] = deque(maxlen=MAX_NOTICES)
        self._said: Recent[str, None] = Recent(MAX_SAID)
        self._arrived: list[MQTTMessage] = []
        self._unacknowledged: list[MQTTMessage] = []
        self._refusal: str | None = None
        self._is_subscribed = False
        self._client = _make_client(settings)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        try:
            self._connect(settings)
        except PortError:
            self._client.disconnect()
            raise

    def send(self, packet: bytes) -> None:
        """Puts a packet of link.lorawan.wire.plain_packet into its node's downlink queue at the
        network server.
        """
        header, packet_type, body = unpack_packet(packet)
        if header.node not in self._devices:
            raise ValueError(
                f"node {header.node} has no device in the network; there are "
                f"{sorted(self._devices)}"
            )
        topic, message = self._server.write_downlink(
            self._devices[header.node], port_of(packet_type), body
        )
        published = self._client.publish(topic, message, qos=self._server.qos)
        self._check(published.rc)
        end_s = time.monotonic() + TAKEN_S
        while not published.is_published():
            if time.monotonic() >= end_s:
                raise PortError(
                    f"the broker {self._broker} has not taken a message for {TAKEN_S:g} s: it "
                    "hangs, or the network on the way to it is away"
                )
            self._loop(0.1)
        self.statistics.n_sent += 1

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first."""
        self._acknowledge()
        end_s = time.monotonic() + timeout_s
        while True:
            self._loop(max(0.0, end_s - time.monotonic()))
            if received := self._take():
                return received
            if time.monotonic() >= end_s:
                return []

    def notices(self) -> list[str]:
        """Sentences on what came and was no uplink of ours, since the last call."""
        sentences = list(self._notices)
        self._notices.clear()
        return sentences

    def close(self) -> None:
        """What the last `receive` gave comes again: nobody has said that it is stored."""
        with contextlib.suppress(PortError):
            self._client.disconnect()
            self._loop(0.0)

    def _connect(self, settings: NetworkSettings) -> None:
        host, port = settings.host, int(self._broker.rpartition(":")[2])
        connect = partial(self._client.connect, host, port, KEEP_ALIVE_S)
        try:
            within(CONNECT_TIMEOUT_S, connect, f"connecting to the broker {self._broker}")
        except PortError:
            raise
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise PortError(_why_not_connected(self._broker, error, settings.has_tls)) from None
        end_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._is_subscribed:
            status = self._looped(0.1)
            if self._refusal is not None:
                raise PortError(
                    f"the broker {self._broker} refuses this host ({self._refusal}): {_REMEDY}"
                )
            if status != MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic() >= end_s:
                raise PortError(
                    f"the broker {self._broker} does not answer as an MQTT broker does; check its "
                    f"port, and whether it wants TLS (now {'on' if settings.has_tls else 'off'})"
                )

    def _loop(self, timeout_s: float) -> None:
        self._check(self._looped(timeout_s))

    def _looped(self, timeout_s: float) -> int:
        """What the library makes of what the broker says; of what is no MQTT it may raise
        anything.
        """
        try:
            return self._client.loop(timeout_s)
        except Exception as error:
            raise PortError(
                f"the broker {self._broker} says what is no MQTT ({type(error).__name__}: "
                f"{error}); check its port"
            ) from None

    def _check(self, status: int) -> None:
        if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            reason = error_string(MQTTErrorCode(status)).rstrip(".").lower()
            raise PortError(
                f"the connection to the broker {self._broker} broke ({reason}): it was restarted, "
                "the network is away, or another host uses the same client id"
            )

    def _acknowledge(self) -> None:
        acknowledged, self._unacknowledged = self._unacknowledged, []
        for message in acknowledged:
            self._check(self._client.ack(message.mid, message.qos))

    def _take(self) -> list[Received]:
        messages, self._arrived = self._arrived, []
        self._unacknowledged += messages
        read = [self._read(message) for message in messages]
        received = [packet for packet in read if packet is not None]
        self.statistics.n_received += len(received)
        self.statistics.n_noise += len(read) - len(received)
        return received

    def _read(self, message: MQTTMessage) -> Received | None:
        try:
            uplink = self._server.read_uplink(message.topic, message.payload)
            return Received(self._packet(uplink), uplink.quality)
        except (ValueError, UnicodeDecodeError) as error:
            self._say(str(error))
            return None

    def _say(self, sentence: str) -> None:
        """Once, cut and without what a terminal would obey."""
        sentence = "".join(sign if sign.isprintable() else "?" for sign in sentence)
        if len(sentence) > MAX_LETTERS:
            sentence = sentence[: MAX_LETTERS - 1] + "…"
        if sentence not in self._said:
            self._notices.append(sentence)
        self._said.setdefault(sentence)

    def _packet(self, uplink: NetworkUplink) -> bytes:
        node = self._nodes.get(uplink.device.lower())
        if node is None:
            raise ValueError(
                f"device {uplink.device} is not known here, only "
                f"{', '.join(self._nodes) or 'none'}; if it is yours, "
                "add it to the host's configuration"
            )
        packet_type = type_of(uplink.port)
        if packet_type is None or not packet_type.is_uplink:
            raise ValueError(
                f"device {uplink.device} sent to FPort {uplink.port}, which is none of ours; "
                "is another program on it?"
            )
        return uplink_packet(node, uplink.session, uplink.frame_counter, packet_type, uplink.body)

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason).lower()
        else:
            client.subscribe(self._server.uplink_topics, self._server.qos)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = f"no right to read {self._server.uplink_topics}"
        self._is_subscribed = True

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._arrived.append(message)


_REMEDY = "check user, password and application in the host's configuration"


def _make_client(settings: NetworkSettings) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        settings.client_id,
        clean_session=False,
        protocol=MQTTv311,
        manual_ack=True,
    )
    if settings.user is not None:
        client.username_pw_set(settings.user, settings.password)
    if settings.has_tls:
        try:
            client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise PortError(
                f"the certificates {settings.ca_file} cannot be read ({error}); name a PEM file"
            ) from None
    return client


def _why_not_connected(broker: str, error: Exception, has_tls: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the broker {broker} shows a certificate that is not trusted "
            f"({error.verify_message}): set ca_file"
        )
    if has_tls and isinstance(error, ssl.SSLError):
        return (
            f"the broker {broker} does not speak TLS ({error.reason}): check its port, or set tls "
            "to false"
        )
    return (
        f"the broker {broker} cannot be reached ({error}): is it running, and is the network there?"
    )
