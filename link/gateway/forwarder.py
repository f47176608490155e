"""Forwarder: a gateway at work: a radio on one side, a broker on the other, a spool between.

    forward(config, should_stop, say)

It listens whether the broker is there or not. One loop serves both sides; opening either of them
happens in a thread beside it. What it sends keeps to the rules of its region: the governor and its
ledger are here, since only here is known what left.
"""

import json
import select
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial

from link.base import FolderLock, HeldError, Pause, boot_s
from link.carriers import NotSentError, PortError, Reopening, open_carrier
from link.carriers.mqtt import BrokerConnection, Will
from link.carriers.mqtt.broker import Message
from link.carriers.mqtt.session import BrokerSession
from link.gateway.config import ForwarderConfig
from link.gateway.relay import Answer, Relay, node_of
from link.gateway.spool import Spool, SpoolError
from link.gateway.topics import SentDown, Uplink, gateway_topic, read_stored, up_topic
from link.medium.governor import Governor
from link.medium.ledger import LedgerError
from link.medium.regions import governor_for
from link.medium.timing import LinkTiming

LOOK_S = 0.005
"How long it listens to a radio that cannot be waited for together with the broker."
IDLE_S = 0.1
"How long it waits for either, at most."
RETRY_S, LONGEST_PAUSE_S = 2.0, 60.0
STATUS_S = 10.0
REMEDY = "check user, password_file and what this user may read and write there"
Say = Callable[[str], None]


def forward(config: ForwarderConfig, should_stop: Callable[[], bool], say: Say) -> None:
    """Until that says so. ValueError or OSError for what cannot be mended by waiting."""
    config.state_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(closing(FolderLock(config.state_dir)))
        except HeldError:
            raise ValueError(
                f"another gateway works in {config.state_dir}; end it, or give this one a "
                "state_dir of its own"
            ) from None
        spool = stack.enter_context(closing(Spool(config.state_dir / "spool.sqlite")))
        forwarder = Forwarder(config, spool, say)
        stack.callback(forwarder.close)
        while not should_stop():
            forwarder.work()


class Forwarder:
    """One gateway."""

    def __init__(self, config: ForwarderConfig, spool: Spool, say: Say) -> None:
        self._config, self._say, self._said = config, say, ""
        settings = config.port.settings
        self._relay = Relay(spool, LinkTiming(settings.profile), self._governor())
        if len(spool):
            say(f"from before this start there wait for a worker: {len(spool)}")
        self._radio = Reopening(
            partial(open_carrier, settings), self._radio_changed, Pause(RETRY_S, LONGEST_PAUSE_S)
        )
        self._session = BrokerSession(self._connect, self._broker_changed)
        self._status_s, self._status = 0.0, b""

    def work(self) -> None:
        """A look at both sides."""
        self._hear(self._wait())
        connection = self._session.connection
        if connection is not None:
            try:
                self._exchange(connection)
            except PortError as error:
                self._session.lose(error)
        self._speak()

    def close(self) -> None:
        self._session.close()
        self._radio.close()

    # The radio

    def _governor(self) -> Governor:
        port = self._config.port
        if not port.has_downlink:
            return Governor(silent_because=f"gateway {self._config.name} only listens")
        settings = port.settings
        ledger = self._config.state_dir / "airtime.json"
        governor = governor_for(port.region, settings.frequency_hz, settings.profile, ledger)
        if governor.silent_because is not None:
            self._say(f"this gateway only listens: {governor.silent_because}")
        return governor

    def _wait(self) -> float:
        """Until either side has something; how long the radio is to be listened to then."""
        connection = self._session.connection
        sockets = [self._radio.fileno(), -1 if connection is None else connection.fileno()]
        if -1 in sockets or self._relay.owes_answer:
            return LOOK_S
        assert connection is not None
        with suppress(OSError, ValueError):  # it is gone: whoever uses it next says so
            select.select(sockets, [], [], 0.0 if connection.is_behind else IDLE_S)
        return 0.0

    def _hear(self, longest_s: float) -> None:
        heard = self._radio.receive(longest_s)
        for sentence in self._radio.notices():
            self._say(sentence)
        try:
            self._relay.hear(heard, boot_s(), time.time())
        except SpoolError as error:
            self._say_once(
                f"{error}; {len(heard)} packets are lost here, and were acknowledged by nobody"
            )

    def _speak(self) -> None:
        """All that may leave now; what does not leave is not owed any airtime."""
        try:
            while (answer := self._relay.next_answer(boot_s())) is not None:
                self._send(answer)
        except LedgerError as error:
            self._say_once(f"{error}; nothing is sent until then")

    def _send(self, answer: Answer) -> None:
        to = [] if answer.origin is None else [answer.origin]
        try:
            if self._radio.send(answer.packet, *to):
                self._relay.left(boot_s())
                return
        except (NotSentError, ValueError) as error:
            self._say_once(f"an answer was not sent: {error}")
        self._relay.taken_back(answer)

    def _radio_changed(self, error: PortError | None) -> None:
        where = self._config.port.settings.port
        self._say(f"listening on {where}" if error is None else f"{error}; trying again")

    # The broker

    def _connect(self) -> BrokerConnection:
        site, name = self._config.site, self._config.name
        connection = BrokerConnection(
            self._config.broker.settings(f"ll-{site}-{name}"),
            [gateway_topic(site, name, what) for what in ("down", "stored")],
            remedy=REMEDY,
            has_version_5=True,
            will=Will(gateway_topic(site, name, "status"), b'{"state": "offline"}'),
        )
        if not connection.is_version_5:
            connection.close()
            raise PortError(
                f"the broker {self._config.broker.host} does not speak MQTT 5; name one that does"
            )
        return connection

    def _broker_changed(self, error: PortError | None) -> None:
        if error is not None:
            self._say(f"{error}; what is heard is kept, and it is tried again")
            return
        self._relay.begin_anew()
        self._status = b""
        self._say(f"what is heard goes to the broker {self._config.broker.host}")

    def _exchange(self, connection: BrokerConnection) -> None:
        for uplink in self._due():
            node = node_of(uplink.packet)
            assert node is not None
            topic = up_topic(self._config.site, node, self._config.name)
            connection.publish(
                topic,
                uplink.packet,
                about=uplink.about(),
                unheard=partial(self._unheard, uplink.seq),
            )
        connection.work(0.0)
        stored: list[int] = []
        while messages := connection.take():
            for message in messages:
                self._take(message, stored)
                connection.acknowledge(message)
            connection.work(0.0)
        if stored:
            self._let_go(stored)
        self._tell_status(connection)

    def _unheard(self, seq: int) -> None:
        self._relay.unheard(seq, boot_s())

    def _due(self) -> list[Uplink]:
        try:
            return self._relay.due(boot_s())
        except SpoolError as error:
            self._say_once(str(error))
            return []

    def _take(self, message: Message, stored: list[int]) -> None:
        """What is told as stored is put behind `stored`."""
        try:
            if message.topic.endswith("/stored"):
                stored += read_stored(message.payload)
            else:
                self._relay.answer(SentDown.read(message.payload, message.about), boot_s())
        except ValueError as error:
            self._say_once(f"a message of {message.topic} is left out: {error}")

    def _let_go(self, stored: list[int]) -> None:
        try:
            self._relay.stored(stored)
        except SpoolError as error:
            self._say_once(f"{error}; what is stored is said again")

    def _tell_status(self, connection: BrokerConnection) -> None:
        if time.monotonic() < self._status_s + STATUS_S and self._status:
            return
        profile = self._config.port.settings.profile.name
        told = {"state": "online", "profile": profile, **self._relay.figures(boot_s())}
        if (status := json.dumps(told).encode()) != self._status:
            topic = gateway_topic(self._config.site, self._config.name, "status")
            connection.publish(topic, status, is_retained=True)
        self._status, self._status_s = status, time.monotonic()
        if told["dropped"]:
            self._say_once(f"the spool is full: {told['dropped']} packets, the oldest, are let go")

    def _say_once(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._say(sentence)
