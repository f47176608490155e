"""Outputs: all that the host says besides, fed by events.

    with Outputs(config) as outputs:
        Listener(config, ..., onlookers=[outputs.look], asides=outputs.notices)

The listener's thread only puts an event into a queue, and drops it when that is full; a thread of
this object's own does all the rest, and whatever goes out over a network has another.
"""

import queue
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.watch import FILE, Alert, Watch
from host_decoder.config import HostConfig, read_further_nodes
from host_decoder.errors import ConfigError, HostError
from host_decoder.events import Answer, Duty, Heard, Notice
from host_decoder.outputs.courier import Courier
from host_decoder.outputs.mail import Mail
from host_decoder.outputs.webhook import Webhook
from link.base import extras
from link.host import Rejected

MAX_EVENTS = 10_000
LOOK_S, FLUSH_S = 1.0, 0.1
"How often rules are asked, and states said."
END_S = 0.7
"For all outputs to end in order."
MAX_NOTICES = 64
CLOCK_S = 2.0
"By how much the clock is set at least, where it is set; less is its own drift."
MUTED_S = 3.0
"In which a person's wish is written down."


@dataclass(frozen=True)
class _Muting:
    """A person's wish."""

    node: int
    until_s: float
    is_kept: threading.Event = field(default_factory=threading.Event)


class Outputs:
    """Everything that host.toml names."""

    def __init__(self, config: HostConfig) -> None:
        """Raises ConfigError when a library is missing or an address is taken."""
        self._events: queue.Queue[Any] = queue.Queue(MAX_EVENTS)
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._n_dropped = 0
        self._should_stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)
        self._observation = Observation(config.nodes, time.time())
        folder, site = config.state_dir, config.site
        self._path, self._meet_s = config.path, 0.0
        self._clock_s = _clock_s()
        couriers = {}
        if config.outputs.webhook is not None:
            couriers["webhook"] = Webhook(config.outputs.webhook, site).bring
        if config.outputs.email is not None:
            couriers["email"] = Mail(config.outputs.email, site).bring
        self._watch = Watch(
            config.outputs.alerts, self._observation, folder / FILE, tuple(couriers)
        )
        self._rules = [rule.title for rule in config.outputs.alerts]
        self._couriers = [
            Courier(name, bring, self._settled, self._say) for name, bring in couriers.items()
        ]
        self._mqtt = self._metrics = self._server = None
        if config.outputs.mqtt is not None:
            self._mqtt = self._made_mqtt(config, folder)
        if config.outputs.prometheus is not None:
            self._metrics, self._server = self._made_metrics(config)
        self.is_needed = bool(
            self._couriers
            or self._mqtt
            or self._metrics
            or config.outputs.alerts
            or self._watch.raised
        )

    def look(self, event: Answer | Heard | Notice | Rejected | Duty) -> None:
        """An onlooker of the listener's: never waits."""
        if isinstance(event, Notice | Duty):
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._n_dropped += 1

    def mute(self, node: int, until_s: float) -> None:
        """Nothing is told of that node until then (Unix time); from any thread. HostError."""
        if not self._rules:
            raise HostError(f"host.toml has no [[alert]], so nothing is told of node {node} anyway")
        wish = _Muting(node, until_s)
        try:
            self._events.put_nowait(wish)
        except queue.Full:
            raise HostError("the host is busy; ask again in a moment") from None
        if not wish.is_kept.wait(MUTED_S):
            raise HostError("the host is busy; look again whether it was done")

    def notices(self) -> list[Notice]:
        """What the person should know, since the last call."""
        said = []
        while self._notices:
            said.append(self._notices.popleft())
        return said

    def __enter__(self) -> "Outputs":
        if self.is_needed:
            for part in self._parts:
                part.start()
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.is_needed:
            return
        until_s = time.monotonic() + END_S
        self._should_stop.set()
        self._thread.join(END_S / 2)
        for part in self._parts:
            part.stop()
        for part in self._parts:
            part.join(max(0.0, until_s - time.monotonic()))

    @property
    def _parts(self) -> list[Any]:
        return [part for part in (self._mqtt, self._server, *self._couriers) if part is not None]

    def _made_mqtt(self, config: HostConfig, folder: Any) -> Any:
        try:
            from host_decoder.outputs.mqtt import MqttOutput
        except ImportError:
            raise ConfigError(f"[mqtt] wants its library: {extras.install('host')}") from None
        assert config.outputs.mqtt is not None
        return MqttOutput(
            config.outputs.mqtt, config.site, self._observation, self._watch, folder, self._say
        )

    def _made_metrics(self, config: HostConfig) -> tuple[Any, Any]:
        try:
            from host_decoder.outputs.prometheus import Metrics, MetricsServer
        except ImportError:
            raise ConfigError(
                f"[prometheus] wants its library: {extras.install('fleet')}"
            ) from None
        settings = config.outputs.prometheus
        assert settings is not None
        metrics = Metrics(config.site, self._observation, settings.per_node)
        try:
            return metrics, MetricsServer(settings, metrics)
        except OSError as error:
            raise ConfigError(
                f"[prometheus] cannot listen at {settings.listen} ({error.strerror}): "
                "another program is there, or it is no address of this machine"
            ) from None

    # The thread

    def _run(self) -> None:
        for courier in self._couriers:  # from before this start
            for alert in list(self._watch.owed[courier.name]):
                courier.tell(alert)
        look_s = flush_s = 0.0
        is_over = False
        while not is_over:
            try:
                event = self._events.get(timeout=FLUSH_S)
                self._mind_clock()
                self._take(event)
            except queue.Empty:
                is_over = self._should_stop.is_set()
                self._mind_clock()
            if (now_s := time.monotonic()) >= look_s:
                look_s = now_s + LOOK_S
                self._look(time.time())
            if self._mqtt is not None and (now_s >= flush_s or is_over):
                flush_s = now_s + FLUSH_S
                self._mqtt.flush()
        self._watch.keep(time.time())

    def _take(self, event: Any) -> None:
        if isinstance(event, tuple):
            addressee, alert = event
            self._watch.settled(addressee, alert, time.time())
            return
        if isinstance(event, _Muting):
            self._watch.mute(event.node, event.until_s, time.time())
            event.is_kept.set()
            return
        if isinstance(event, Heard) and event.is_stored:
            self._meet(event.node)
        observed = self._observation.hear(event)
        if self._metrics is not None:
            self._metrics.take(event, observed)
        if self._mqtt is not None and observed is not None and not isinstance(event, Rejected):
            self._mqtt.take(event, observed)

    def _mind_clock(self) -> None:
        """A clock that somebody sets (a first answer of NTP, hours after a power cut) makes nobody
        silent, and ends nothing.
        """
        clock_s = _clock_s()
        by_s, self._clock_s = clock_s - self._clock_s, clock_s
        if abs(by_s) >= CLOCK_S:
            self._observation.clock_moved(by_s, time.time())
            self._watch.clock_moved(by_s)

    def _meet(self, node: int | None) -> None:
        """One that was flashed while the host ran; what is wrong with others the host says."""
        if node in self._observation.nodes or time.monotonic() < self._meet_s:
            return
        self._meet_s = time.monotonic() + LOOK_S
        nodes, _ = read_further_nodes(self._path, self._observation.nodes)
        self._observation.add(nodes)
        if self._mqtt is not None and nodes:
            self._mqtt.announce()

    def _look(self, now_s: float) -> None:
        for alert in self._watch.check(now_s):
            self._say(alert.sentence, alert.is_raised)
            for courier in self._couriers:
                courier.tell(alert)
            if self._mqtt is not None:
                self._mqtt.tell(alert)
        while self._watch.notices:
            self._say(self._watch.notices.pop(0), True)
        if self._mqtt is not None:
            self._mqtt.look(now_s)
        if self._metrics is not None:
            n_dropped, self._n_dropped = self._n_dropped, 0
            raised = Counter(dict.fromkeys(self._rules, 0))
            raised.update(rule for rule, _ in self._watch.raised)
            speakers = [*self._couriers, *([self._mqtt] if self._mqtt else [])]
            pending = {part.name: part.n_waiting for part in speakers}
            self._metrics.look(now_s, raised, pending, n_dropped)

    def _settled(self, addressee: str, alert: Alert) -> None:
        """Called by a courier's thread; a full queue costs another telling after the next start."""
        try:
            self._events.put_nowait((addressee, alert))
        except queue.Full:
            self._n_dropped += 1

    def _say(self, sentence: str, is_problem: bool) -> None:
        self._notices.append(Notice(sentence, is_problem))


def _clock_s() -> float:
    """How far the clock is from the one that nobody sets."""
    return time.time() - time.monotonic()
