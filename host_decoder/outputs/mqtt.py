"""MQTT: results, states and alerts at a broker, and a device of each node in Home Assistant.

One thread owns the connection. When the broker is away it tries again after growing pauses; what is
retained is then said anew, news only while it is fresh. When Home Assistant begins, it is told all.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from host_decoder.alerts.observed import Observation, Observed
from host_decoder.alerts.watch import Alert, Watch
from host_decoder.events import Answer, Heard
from host_decoder.outputs import discovery, messages
from host_decoder.outputs.discovery import Announced, Devices, Places
from host_decoder.outputs.publications import Publication, Publications
from host_decoder.outputs.sections import MqttConfig
from link.base import Pause
from link.carriers import PortError
from link.carriers.mqtt import BrokerConnection, BrokerSettings, Sending, Will

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
STEADY_S = 60.0
POLL_S = 0.05
MAX_UNDER_WAY = 20
"Messages that the broker has not taken yet; a slow one is not flooded."
TAKEN_S = 10.0
"In which it takes one, or it hangs."
LAST_WORDS_S = 0.3
"At the end of the host."
BIRTH = b"online"


class MqttOutput:
    """What this host says at its broker."""

    name = "mqtt"

    def __init__(
        self,
        config: MqttConfig,
        site: str,
        observation: Observation,
        watch: Watch,
        folder: Path,
        say: Callable[[str, bool], None],
    ) -> None:
        """`say`: a sentence for the person, and whether it is a problem; called in this output's
        thread.
        """
        self._config, self._site = config, site
        self._observation, self._watch, self._say = observation, watch, say
        self._places = Places(config.topic, site, config.client(site), config.discovery_topic)
        self._birth = f"{config.discovery_topic}/status"
        self._lock = threading.Lock()
        self._publications = Publications()
        self._changed: set[int] = set()
        "Nodes whose state is to be said."
        self._under_way: deque[tuple[Publication, Sending, float]] = deque()
        self._should_stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="MQTT output", daemon=True)
        self._announced = Announced(folder / discovery.FILE)
        self.announce()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The thread ends by itself, soon."""
        self._should_stop.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @property
    def n_waiting(self) -> int:
        return len(self._publications) + len(self._under_way)

    # What is to be said; called by whoever hears the events

    def take(self, event: Answer | Heard, observed: Observed) -> None:
        """An answer is news; whatever is heard of a node changes its state, said by `flush`."""
        node = observed.node.number
        if isinstance(event, Answer):
            self._tell(
                node, "result", messages.packed(messages.result(self._site, event, observed))
            )
            if self._config.has_pictures and (picture := messages.picture(event)) is not None:
                self._keep(node, "image", picture)
        if isinstance(event, Answer) or event.is_stored:
            self._changed.add(node)

    def tell(self, alert: Alert) -> None:
        """News, once."""
        self._tell(alert.node, "alert", messages.packed(messages.alert(self._site, alert)))
        if alert.node in self._observation.nodes:
            self._changed.add(alert.node)

    def flush(self) -> None:
        """Several times a second: the states that have changed, each once."""
        changed, self._changed = self._changed, set()
        for node in changed:
            self._show(self._observation.nodes[node])

    def look(self, now_s: float) -> None:
        """Once in a while: who is there? What cannot be told stays as it was."""
        for node in self._observation.nodes:
            is_silent = self._observation.presence.is_silent(node, now_s)
            if is_silent is not None:
                self._keep(node, "availability", messages.OFFLINE if is_silent else messages.ONLINE)

    def _show(self, observed: Observed) -> None:
        node = observed.node.number
        period_s = self._observation.presence.period_s(node)
        alerts = self._watch.raised_of(node)
        state = messages.state(self._site, observed, alerts, period_s)
        self._keep(node, "state", messages.packed(state))

    def _tell(self, node: int, what: str, payload: bytes) -> None:
        with self._lock:
            self._publications.tell(self._places.of(node, what), payload, time.monotonic())

    def _keep(self, node: int, what: str, payload: bytes) -> None:
        with self._lock:
            self._publications.keep(self._places.of(node, what), payload)

    def announce(self) -> None:
        """Devices, those that have come meanwhile too, and the end of those that are no more."""
        with self._lock:
            devices = self._announce_all(self._announced.devices)
        try:
            self._announced.set(devices)
        except OSError as error:
            self._say(f"what Home Assistant was told cannot be written down: {error}", True)

    def _announce_all(self, before: Devices) -> Devices:
        places, config = self._places, self._config
        devices: Devices = {}
        for number, observed in self._observation.nodes.items() if config.has_discovery else ():
            topic = places.config(places.device(number))
            parts = before[topic][2] if topic in before else {}
            payload = discovery.payload(places, observed.node, config.has_pictures, parts)
            self._publications.keep(topic, messages.packed(payload))
            now = discovery.components(places, observed.node, config.has_pictures)
            devices[topic] = number, self._site, {key: part["p"] for key, part in now.items()}
        for topic, (number, site, _) in before.items():
            if topic not in devices:
                self._publications.keep(topic, b"")
            if site != self._site or number not in self._observation.nodes:
                for what in ("state", "availability", "image"):
                    old = messages.node_topic(config.topic, site, number, what)
                    self._publications.keep(old, b"")
        return devices

    # The thread

    def _run(self) -> None:
        pause, said = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S), ""
        while not self._should_stop.is_set():
            opened_s = float("inf")
            try:
                connection = self._open()
                opened_s = time.monotonic()
                self._say(f"results go to the broker {self._address}", False)
                said = ""
                self._serve(connection)
                return
            except PortError as error:
                self._take_back()
                if time.monotonic() > opened_s + STEADY_S:
                    pause.worked()
                if str(error) != said:
                    said = str(error)
                    self._say(f"{said}; trying again", True)
            self._should_stop.wait(pause.failed())

    @property
    def _address(self) -> str:
        return self._settings.address

    @property
    def _settings(self) -> BrokerSettings:
        return self._config.settings(self._config.client(self._site))

    def _open(self) -> BrokerConnection:
        connection = BrokerConnection(
            self._settings,
            [self._birth] if self._config.has_discovery else [],
            remedy="check user and password_file of [mqtt]",
            has_version_5=True,
            will=Will(self._places.status, messages.OFFLINE),
        )
        connection.publish(self._places.status, messages.ONLINE, is_retained=True)
        with self._lock:
            self._publications.again()
        return connection

    def _serve(self, connection: BrokerConnection) -> None:
        """Until the end of the host; raises PortError when the broker is gone."""
        while not self._should_stop.is_set():
            self._exchange(connection)
        connection.publish(self._places.status, messages.OFFLINE, is_retained=True)
        until_s = time.monotonic() + LAST_WORDS_S
        while self.n_waiting and time.monotonic() < until_s:
            self._exchange(connection)
        connection.close()

    def _exchange(self, connection: BrokerConnection) -> None:
        is_free = self._publications and len(self._under_way) < MAX_UNDER_WAY
        connection.work(0.0 if is_free else POLL_S)
        heard = connection.take()
        for message in heard:
            connection.acknowledge(message)
        if any(one.payload == BIRTH and not one.is_retained for one in heard):
            with self._lock:  # Home Assistant has begun; a retained word is as old as our own
                self._publications.again()
        self._send(connection)

    def _send(self, connection: BrokerConnection) -> None:
        now_s = time.monotonic()
        while self._under_way and self._under_way[0][1].is_taken:
            self._under_way.popleft()
        if self._under_way and now_s > self._under_way[0][2] + TAKEN_S:
            raise PortError(f"the broker {self._address} takes nothing for {TAKEN_S:g} s: it hangs")
        while len(self._under_way) < MAX_UNDER_WAY:
            with self._lock:
                publication = self._publications.next(now_s)
            if publication is None:
                break
            left_s = None if publication.is_retained else publication.until_s - now_s
            sending: Sending | None = None
            try:
                sending = connection.publish(
                    publication.topic, publication.payload, 1, publication.is_retained, left_s
                )
            finally:
                if sending is None:
                    with self._lock:
                        self._publications.back(publication)
            self._under_way.append((publication, sending, now_s))

    def _take_back(self) -> None:
        """What the broker has not confirmed is sent again."""
        with self._lock:
            while self._under_way:
                self._publications.back(self._under_way.pop()[0])
