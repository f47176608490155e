"""Gateways: where the host listens and speaks. Each carrier may vanish and come back; one loop serves them all.

    for event in listen(host, config.gateways, should_stop): ...

A carrier belongs to one thread, so there is one: every gateway is asked in turn, briefly, and what the host has to say
leaves through the one that heard the node best, when the rules of its region let it speak. A modem keeps its gateway
busy while it sends; what the others hear meanwhile waits in their ports.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from host_decoder.config import GatewayConfig
from host_decoder.events import Event, Notice
from host_decoder.service import Host
from host_decoder.toml_table import ConfigError
from link.carrier import Carrier, CarrierSettings, PortError, Received
from link.clock import boot_s
from link.governor import Governor
from link.regions import governor_for
from link.timing import LinkTiming

POLL_S = 0.05
SHORTEST_WAIT_S = 0.001
RETRY_S = 2.0
KEPT_PACKETS = 8


class Gateway:
    """A carrier that is opened again when it vanished."""

    def __init__(self, config: GatewayConfig, retry_s: float = RETRY_S) -> None:
        self.config = config
        self.notices: list[Notice] = []
        "What there is to say of it, to be taken and cleared by the caller."
        self._carrier: Carrier | None = None
        self._n_noise = 0
        self._retry_s, self._retry_at_s = retry_s, 0.0
        self._said = ""

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s; nothing while the port is away."""
        try:
            received = self._opened().receive(timeout_s)
            self._take_notices()
            return received
        except PortError as error:
            self._lose(error)
        except _AwayError:
            time.sleep(timeout_s)
        return []

    def send(self, packet: bytes) -> None:
        """Hands it over, or drops it while the port is away: the node asks again."""
        try:
            self._opened().send(packet)
        except PortError as error:
            self._lose(error)
        except _AwayError:
            pass

    def take_noise(self) -> int:
        """Pieces of input that were no packet, since the last call."""
        if self._carrier is None:
            return 0
        n_noise = self._carrier.statistics.n_noise
        n_new, self._n_noise = n_noise - self._n_noise, n_noise
        return n_new

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None

    def _take_notices(self) -> None:
        """A network explains what it turned away; other carriers only count it."""
        take = getattr(self._carrier, "notices", None)
        self.notices += map(Notice, take() if take else [])

    def _opened(self) -> Carrier:
        if self._carrier is None:
            if time.monotonic() < self._retry_at_s:
                raise _AwayError
            try:
                self._carrier, self._n_noise, self._said = self.config.open(), 0, ""
            except ValueError as error:
                raise ConfigError(f"gateway {self.config.name}: {error}") from None
            self.notices.append(Notice(f"listening on {self.config.where}"))
        return self._carrier

    def _lose(self, error: PortError) -> None:
        self.close()
        self._retry_at_s = time.monotonic() + self._retry_s
        if str(error) != self._said:
            self._said = str(error)
            self.notices.append(Notice(f"{error}; trying again every {self._retry_s:g} s", is_problem=True))


class _AwayError(Exception):
    """The port vanished, and it is too early to look for it again."""


class _Speech:
    """What the host says, one packet at a time: the next one waits until the last bit of the one before has left."""

    def __init__(self, host: Host, gateways: Sequence[Gateway]) -> None:
        self._host, self._gateways = host, gateways
        self._end_s: float | None = None
        self.said: deque[bytes] = deque(maxlen=KEPT_PACKETS)
        "Of late; another gateway may hear it."

    def go_on(self) -> None:
        """Send what is due."""
        while not self._is_busy():
            start_s = boot_s()
            downlink = self._host.next_packet(start_s)
            if downlink is None:
                return
            self.said.append(downlink.packet)
            self._gateways[downlink.gateway].send(downlink.packet)
            self._end_s = max(boot_s(), start_s + downlink.airtime_s)

    def wait_s(self) -> float:
        """Until there may be something to do."""
        now_s = boot_s()
        due_s = self._host.next_due_s(now_s) if self._end_s is None else self._end_s
        return POLL_S if due_s is None else min(POLL_S, max(SHORTEST_WAIT_S, due_s - now_s))

    def _is_busy(self) -> bool:
        if self._end_s is not None and boot_s() >= self._end_s:
            self._host.transmitted(self._end_s)
            self._end_s = None
        return self._end_s is not None


def listen(
    host: Host, configs: Sequence[GatewayConfig], should_stop: Callable[[], bool], retry_s: float = RETRY_S
) -> Generator[Event | Notice | None, None, None]:
    """Events as they happen and, at least every POLL_S, a None so that the caller can look around.

    A port that vanishes is waited for. Ends, its ports closed, when should_stop() is true.
    """
    gateways = [Gateway(config, retry_s) for config in configs]
    speech = _Speech(host, gateways)
    try:
        while not should_stop():
            heard = _hear(gateways, speech.wait_s())
            now_s = boot_s()
            events = [
                event
                for number, received in heard
                if received.packet not in speech.said
                for event in host.receive(received.packet, now_s, received.quality, number)
            ]
            speech.go_on()  # at once: a node listens for a short time only
            yield from events
            for gateway in gateways:
                yield from host.noise(gateway.take_noise())
                yield from gateway.notices
                gateway.notices.clear()
            yield from host.count_in_time(boot_s())
            yield None
    finally:
        for gateway in gateways:
            gateway.close()


def _hear(gateways: Sequence[Gateway], timeout_s: float) -> list[tuple[int, Received]]:
    """What has come to which gateway; behind the first packet a look at all, so that the best answers it."""
    for number, gateway in enumerate(gateways):
        if heard := [(number, received) for received in gateway.receive(timeout_s / len(gateways))]:
            others = [(other, one) for other, one in enumerate(gateways) if other != number]
            return heard + [(other, received) for other, one in others for received in one.receive(0.0)]
    return []


def timing_of(configs: Sequence[GatewayConfig]) -> LinkTiming | None:
    """Of the medium that the gateways share; None when none of them may speak."""
    for config in configs:
        if isinstance(config.settings, CarrierSettings) and config.has_downlink:
            return LinkTiming(config.settings.profile)
    return None


def governors_of(configs: Sequence[GatewayConfig], state_dir: Path | None = None) -> list[Governor]:
    """By gateway, on the clock boot_s; the airtime spent is kept in state_dir, None: nowhere."""
    return [_governor(config, state_dir) for config in configs]


def _governor(config: GatewayConfig, state_dir: Path | None) -> Governor:
    settings = config.settings
    if not isinstance(settings, CarrierSettings) or not config.has_downlink:
        return Governor(silent_because=f"gateway {config.name} only listens")
    file_name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"airtime-{config.name}.json")
    ledger = None if state_dir is None else state_dir / file_name
    try:
        return governor_for(config.region, settings.frequency_hz, settings.profile, ledger)
    except ValueError as error:
        raise ConfigError(f"gateway {config.name}: {error}") from None
