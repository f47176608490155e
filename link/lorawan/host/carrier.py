"""The host's side of LoRaWAN: the MQTT broker of a network server as a carrier.

Uplinks of our devices come in as packets of link.lorawan, such packets go out as downlinks, which a
class A node hears after its next uplink. What is no uplink of ours is counted, and said in a
sentence by `notices`. An uplink is acknowledged to the broker by the next call of `receive`, when
its receiver has stored it: with ChirpStack at QoS 1 nothing is lost while the host is away; The
Things Stack knows QoS 0 only and forgets what nobody listened to.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from link.base.recent import Recent
from link.carriers.carrier import CarrierStatistics, Received
from link.carriers.mqtt.broker import BrokerSettings, Message
from link.carriers.mqtt.connection import BrokerConnection
from link.lorawan.network_server import NetworkUplink, get_server
from link.lorawan.wire import port_of, type_of, unpack_packet, uplink_packet
from link.wire.packet import MAX_PACKET_BYTES

MAX_NOTICES = 16
MAX_LETTERS = 300
"The length of a sentence that repeats what a broker said."
MAX_SAID = 256
"""Sentences that are remembered, each said once: a network has other devices, which send day and
night.
"""
REMEDY = "check user, password and application in the host's configuration"


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(BrokerSettings):
    """Where the network server's broker is, and who of its devices is which node.

    At The Things Stack the user is the application as in its topics, the password an API key that
    may read and write downlinks. The broker keeps uplinks for its client_id.
    """

    server: str
    "A name of link.lorawan.network_server.SERVERS."
    application: str
    devices: Mapping[str, int]
    "DevEUI (ChirpStack) or device id (The Things Stack) to our node number."
    client_id: str = "latentlink-host"


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
        self.statistics = CarrierStatistics()
        self._notices: deque[str] = deque(maxlen=MAX_NOTICES)
        self._said: Recent[str, None] = Recent(MAX_SAID)
        self._unacknowledged: list[Message] = []
        self._connection = BrokerConnection(
            settings,
            [self._server.uplink_topics],
            qos=self._server.qos,
            remedy=REMEDY,
            keeps_session=True,
        )

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
        self._connection.deliver(topic, message, self._server.qos)
        self.statistics.n_sent += 1

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first."""
        self._acknowledge()
        end_s = time.monotonic() + timeout_s
        while True:
            self._connection.work(max(0.0, end_s - time.monotonic()))
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
        self._connection.close()

    def _acknowledge(self) -> None:
        acknowledged, self._unacknowledged = self._unacknowledged, []
        for message in acknowledged:
            self._connection.acknowledge(message)

    def _take(self) -> list[Received]:
        messages = self._connection.take()
        self._unacknowledged += messages
        read = [self._read(message) for message in messages]
        received = [packet for packet in read if packet is not None]
        self.statistics.n_received += len(received)
        self.statistics.n_noise += len(read) - len(received)
        return received

    def _read(self, message: Message) -> Received | None:
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
