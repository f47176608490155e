"""Connection: one connection to an MQTT broker, with a deadline on each step. The one file that
imports paho.

It belongs to one thread and is open as long as nothing breaks; after a PortError a new one is made.
Messages are acknowledged by who has stored them. With `has_version_5` it speaks MQTT 5 where the
broker does, else 3.1.1.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo, error_string
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from link.carriers.carrier import PortError
from link.carriers.deadline import within
from link.carriers.mqtt.broker import BrokerSettings, Message, Will

CONNECT_TIMEOUT_S = 10.0
TAKEN_S = 5.0
"In which a broker takes a message, or it is not there any more."
KEEP_ALIVE_S = 60
SESSION_S = 24 * 3600
"For how long a broker of MQTT 5 keeps what comes while a client is away."
OTHER_VERSION = 0x84
"MQTT 5's reason for a broker that does not speak it."
NOBODY = 0x10
"MQTT 5's reason for a message that nobody reads."


class _OtherVersionError(PortError):
    """The broker does not speak MQTT 5."""


class BrokerConnection:
    """Open from the beginning; what it is told to hear it has subscribed to."""

    def __init__(
        self,
        settings: BrokerSettings,
        topics: Sequence[str] = (),
        *,
        qos: int = 1,
        remedy: str = "check user and password",
        keeps_session: bool = False,
        has_version_5: bool = False,
        will: Will | None = None,
        connect_timeout_s: float | None = None,
    ) -> None:
        """`remedy`: what a person does when the broker refuses. `keeps_session`: the broker keeps
        what comes while its client is away. `connect_timeout_s`: else CONNECT_TIMEOUT_S.

        PortError: it is away or refuses; a sentence says which.
        """
        self._settings = settings
        self._topics, self._qos, self._remedy = tuple(topics), qos, remedy
        self._keeps_session, self._will = keeps_session, will
        self._connect_timeout_s = connect_timeout_s or CONNECT_TIMEOUT_S
        versions = [MQTTProtocolVersion.MQTTv5] if has_version_5 else []
        for version in (*versions, MQTTProtocolVersion.MQTTv311):
            self._version = version
            self._arrived: list[Message] = []
            self._unheard: dict[int, Callable[[], None]] = {}
            "By message that the broker has not answered yet."
            self._refusal: str | None = None
            self._speaks_other_version = self._is_ready = False
            self._client = self._make_client()
            self._client.on_connect = self._on_connect
            self._client.on_subscribe = self._on_subscribe
            self._client.on_message = self._on_message
            self._client.on_publish = self._on_publish
            try:
                self._connect()
                return
            except _OtherVersionError:
                self._client.disconnect()
            except PortError:
                self._client.disconnect()
                raise

    @property
    def is_version_5(self) -> bool:
        return self._version == MQTTProtocolVersion.MQTTv5

    def publish(
        self,
        topic: str,
        payload: bytes | str,
        qos: int = 1,
        is_retained: bool = False,
        expiry_s: float | None = None,
        about: Mapping[str, str] | None = None,
        unheard: Callable[[], None] | None = None,
    ) -> "Sending":
        """Begins to send. `expiry_s`: after which a broker of MQTT 5 delivers it no more; `about`:
        its user properties, which only MQTT 5 has; `unheard`: called when such a broker says that
        nobody reads this topic, and the message is nowhere.
        """
        properties = None
        if self.is_version_5 and (expiry_s is not None or about):
            properties = Properties(PacketTypes.PUBLISH)
            if expiry_s is not None:
                properties.MessageExpiryInterval = max(1, round(expiry_s))
            if about:
                properties.UserProperty = list(about.items())
        sending = self._client.publish(topic, payload, qos, is_retained, properties)
        self._check(sending.rc)
        if unheard is not None:
            self._unheard[sending.mid] = unheard
        return Sending(sending)

    def deliver(self, topic: str, payload: bytes | str, qos: int = 1) -> None:
        """Publishes, and waits until the broker has it."""
        sending = self.publish(topic, payload, qos)
        end_s = time.monotonic() + TAKEN_S
        while not sending.is_taken:
            if time.monotonic() >= end_s:
                raise PortError(
                    f"the broker {self._settings.address} has not taken a message for "
                    f"{TAKEN_S:g} s: it hangs, or the network on the way to it is away"
                )
            self.work(0.1)

    def work(self, timeout_s: float) -> None:
        """Sends and hears, until something came or the time is over."""
        self._check(self._looped(timeout_s))

    def read(self) -> None:
        """Hears what has come, without waiting; for whoever waits for `fileno`. `work` is to be
        called all the same, each second.
        """
        client = self._client
        self._check(self._guarded(client.loop_read))
        if client.want_write():
            self._check(self._guarded(client.loop_write))

    def take(self) -> list[Message]:
        """What has come, each to be acknowledged."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def acknowledge(self, message: Message) -> None:
        """Whoever took it has stored it: the broker need not bring it again."""
        self._check(self._client.ack(message.number, message.qos))

    def fileno(self) -> int:
        """To be waited for together with others, unless it `is_behind`; -1: it is gone."""
        connection = self._client.socket()
        return -1 if connection is None else connection.fileno()

    @property
    def is_behind(self) -> bool:
        """Whether TLS holds back what has come: no wait shows it."""
        connection = self._client.socket()
        return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0

    def close(self) -> None:
        """In order: the broker does not speak its will."""
        with contextlib.suppress(PortError):
            self._client.disconnect()
            self._looped(0.0)

    def break_off(self) -> None:
        """Without a word, as when the power fails."""
        if (connection := self._client.socket()) is not None:
            connection.close()

    # From the first word to the subscription

    def _make_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            protocol=self._version,
            clean_session=None if self.is_version_5 else not self._keeps_session,
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
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, 1, retain=True)
        client.on_socket_open = _without_delay
        return client

    def _connect(self) -> None:
        address, has_tls = self._settings.address, self._settings.has_tls
        connect = partial(
            self._client.connect, self._settings.host, self._settings.broker_port, KEEP_ALIVE_S
        )
        if self.is_version_5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = SESSION_S if self._keeps_session else 0
            connect = partial(connect, clean_start=not self._keeps_session, properties=properties)
        try:
            within(self._connect_timeout_s, connect, f"connecting to the broker {address}")
        except PortError:
            raise
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise PortError(_why_not_connected(address, error, has_tls)) from None
        end_s = time.monotonic() + self._connect_timeout_s
        while not self._is_ready:
            status = self._first_looped()
            if self._speaks_other_version:
                raise _OtherVersionError(f"the broker {address} does not speak MQTT 5")
            if self._refusal is not None:
                raise PortError(
                    f"the broker {address} refuses this host ({self._refusal}): {self._remedy}"
                )
            if status != MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic() >= end_s:
                raise PortError(
                    f"the broker {address} does not answer as an MQTT broker does; check its "
                    f"port, and whether it wants TLS (now {'on' if has_tls else 'off'})"
                )

    def _first_looped(self) -> int:
        """An older broker may hang up on MQTT 5, or answer what its client cannot read."""
        try:
            status = self._looped(0.1)
        except PortError as error:
            if self.is_version_5:
                raise _OtherVersionError(str(error)) from None
            raise
        if self.is_version_5 and status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise _OtherVersionError(f"the broker {self._settings.address} hangs up on MQTT 5")
        return status

    def _looped(self, timeout_s: float) -> int:
        return self._guarded(partial(self._client.loop, timeout_s))

    def _guarded(self, do: Callable[[], int]) -> int:
        """What the library makes of what the broker says; of what is no MQTT it may raise
        anything.
        """
        try:
            return do()
        except Exception as error:
            raise PortError(
                f"the broker {self._settings.address} says what is no MQTT "
                f"({type(error).__name__}: {error}); check its port"
            ) from None

    def _check(self, status: int) -> None:
        if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            reason = error_string(MQTTErrorCode(status)).rstrip(".").lower()
            raise PortError(
                f"the connection to the broker {self._settings.address} broke ({reason}): it was "
                "restarted, the network is away, or another host uses the same client id"
            )

    # What the library calls

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._speaks_other_version = self.is_version_5 and reason.value == OTHER_VERSION
            self._refusal = str(reason).lower()
        elif self._topics:
            client.subscribe([(topic, self._qos) for topic in self._topics])
        else:
            self._is_ready = True

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = f"no right to read {', '.join(self._topics)}"
        self._is_ready = True

    def _on_publish(
        self, _client: Client, _data: Any, number: int, reason: Any, _properties: Any
    ) -> None:
        """The broker has it."""
        unheard = self._unheard.pop(number, None)
        if unheard is not None and reason.value == NOBODY:
            unheard()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        said = getattr(message.properties, "UserProperty", ())
        self._arrived.append(
            Message(
                message.topic,
                message.payload,
                bool(message.retain),
                message.mid,
                message.qos,
                dict(said),
            )
        )


class Sending:
    """A message on its way to the broker."""

    def __init__(self, info: MQTTMessageInfo) -> None:
        self._info = info

    @property
    def is_taken(self) -> bool:
        """Whether the broker has it."""
        return self._info.is_published()


def _without_delay(_client: Client, _data: Any, connection: Any) -> None:
    """A small message waits for no other."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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
