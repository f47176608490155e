"""Gateways: where the host listens and speaks. Each carrier may vanish, hang and come back; one
loop serves them all.

    for event in listen(host, config.gateways, should_stop): ...

The loop itself touches no carrier: each has a thread (host_decoder.receive.gateway), and what they
hear is taken in turn. What the host has to say leaves through the gateway that heard the node best,
when the rules of its region let it speak. A gateway that is away or still sends is given nothing,
and while one speaks, those on its channel keep silent.
"""

import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Sequence
from pathlib import Path
from typing import Protocol

from host_decoder.errors import ConfigError
from host_decoder.events import Event, Notice
from host_decoder.gateway_config import GatewayConfig
from host_decoder.receive.bell import Bell
from host_decoder.receive.gateway import LOOK_S, RETRY_S, Gateway
from link.base import HeldError, boot_s, durable
from link.carriers import CarrierSettings, Received
from link.host import Downlink
from link.medium import Governor, LinkTiming, governor_for

POLL_S = 0.05
SHORTEST_WAIT_S = 0.001
OTHERS_S = 2 * LOOK_S
"How long the others have to say whether they heard the same packet, and better."
CLOSE_S = 0.5
"How long all carriers together may take to close."
KEPT_PACKETS = 16
NAME_CHARACTERS, DIGEST_DIGITS = 40, 12
"Lengths of a gateway's name, and of its digest, in the name of its ledger."


class Hearer(Protocol):
    """Whose packets these are: host_decoder.receive.host.Host, host_decoder.learn.post.Post."""

    @property
    def governors(self) -> Sequence[Governor]:
        """By gateway."""

    @property
    def is_behind(self) -> bool:
        """Whether something that came is not stored yet."""

    def receive_all(
        self, heard: Sequence[tuple[int, Received]], now_s: float
    ) -> Sequence[Event | Notice]:
        """What packets lead to, each with its gateway's number; stored before they are
        acknowledged.
        """

    def noise(self, n_pieces: int) -> Sequence[Event | Notice]:
        """So many pieces of input that were no packet."""

    def count_in_time(self, now_s: float) -> Sequence[Event | Notice]:
        """What is due by itself."""

    def next_packet(self, now_s: float) -> Downlink | None:
        """What to send now, charged already."""

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something; None: not before something is heard."""

    def transmitted(self, end_s: float) -> None:
        """That packet has left."""

    def origin_of(self, downlink: Downlink) -> Hashable:
        """Where at its gateway it is to go."""


class _Speech:
    """What the host says, through each gateway one packet at a time."""

    def __init__(self, host: Hearer, gateways: Sequence[Gateway]) -> None:
        self._host = host
        self._gateways = gateways
        self._airtime_s = [0.0] * len(gateways)
        "Airtime of the packet that each was given last."
        self.said: deque[bytes] = deque(maxlen=KEPT_PACKETS)
        "What was said of late; another gateway may hear it."

    def go_on(self) -> None:
        """Hand over what is due. Airtime is charged by when a packet left, and not at all when it
        has not.
        """
        for gateway, governor, airtime_s in zip(
            self._gateways, self._host.governors, self._airtime_s, strict=False
        ):
            is_free = gateway.is_free  # asked first: what left before is then told
            for left_s in gateway.take_left():
                governor.take_back(airtime_s) if left_s is None else governor.left(left_s)
            governor.is_held = not is_free
        while (downlink := self._host.next_packet(now_s := boot_s())) is not None:
            self.said.append(downlink.packet)
            self._gateways[downlink.gateway].send(downlink.packet, self._host.origin_of(downlink))
            self._host.transmitted(now_s)
            self._airtime_s[downlink.gateway] = downlink.airtime_s
            self._keep_channel(downlink.gateway, now_s + downlink.airtime_s)

    def wait_s(self) -> float:
        """Until there may be something to do."""
        now_s = boot_s()
        due_s = self._host.next_due_s(now_s)
        return POLL_S if due_s is None else min(POLL_S, max(SHORTEST_WAIT_S, due_s - now_s))

    def _keep_channel(self, speaker: int, end_s: float) -> None:
        """Until then this gateway says nothing more, if it takes one packet at a time, and none on
        its channel anything.
        """
        channel = _channel(self._gateways[speaker].config)
        for number, (gateway, governor) in enumerate(
            zip(self._gateways, self._host.governors, strict=False)
        ):
            if number == speaker:
                governor.is_held = not gateway.is_free
            elif channel is not None and _channel(gateway.config) == channel:
                governor.pause(end_s)


def listen(
    host: Hearer,
    configs: Sequence[GatewayConfig],
    should_stop: Callable[[], bool],
    retry_s: float = RETRY_S,
) -> Generator[Event | Notice | None, None, None]:
    """Events as they happen and, at least every POLL_S, a None so that the caller can look around.

    A port that vanishes is waited for. Ends, its ports closed, when should_stop() is true.
    """
    bell = Bell()
    gateways = [Gateway(config, bell, retry_s) for config in configs]
    speech = _Speech(host, gateways)
    try:
        for gateway in gateways:
            gateway.start()
        while not should_stop():
            heard = _hear(gateways, bell, speech.wait_s())
            now_s = boot_s()
            news = [one for one in heard if one[1].packet not in speech.said]
            events = host.receive_all(news, now_s) if news else []
            speech.go_on()  # at once: a node listens for a short time only
            for gateway in gateways:
                # a network keeps what nobody has stored
                if not (host.is_behind and gateway.config.is_network):
                    gateway.release()
            yield from events
            for gateway in gateways:
                yield from host.noise(gateway.take_noise())
                yield from gateway.take_notices()
            yield from host.count_in_time(boot_s())
            yield None
    finally:
        _close(gateways)


def _hear(gateways: Sequence[Gateway], bell: Bell, timeout_s: float) -> list[tuple[int, Received]]:
    """What has come to which gateway; behind the first packet a look at all, so that the best
    answers it.
    """
    bell.wait_for(lambda: any(gateway.has_news for gateway in gateways), timeout_s)
    first = [gateway.take() for gateway in gateways]
    if not any(first) or len(gateways) == 1:
        return [(number, received) for number, heard in enumerate(first) for received in heard]
    looks = [
        (gateway, gateway.n_looks)
        for gateway, heard in zip(gateways, first, strict=True)
        if not heard
    ]
    bell.wait_for(
        lambda: all(gateway.n_looks > n or not gateway.is_listening for gateway, n in looks),
        OTHERS_S,
        every_look=True,
    )
    later = [gateway.take() for gateway in gateways]
    return [
        (number, received)
        for heard in (first, later)
        for number, one in enumerate(heard)
        for received in one
    ]


def _channel(config: GatewayConfig) -> tuple[int | None, object] | None:
    """Radios with the same one hear each other; None: a wire, or a network that sees to it."""
    settings = config.settings
    if not isinstance(settings, CarrierSettings) or not settings.profile.is_radio:
        return None
    return settings.frequency_hz, settings.profile.medium


def _close(gateways: Sequence[Gateway]) -> None:
    """All at once, and without waiting for one that hangs."""
    for gateway in gateways:
        gateway.end()
    until_s = time.monotonic() + CLOSE_S
    for gateway in gateways:
        gateway.join(until_s)


def timing_of(configs: Sequence[GatewayConfig]) -> LinkTiming | None:
    """The timing of the medium that the gateways share; None when none of them may speak."""
    for config in configs:
        if isinstance(config.settings, CarrierSettings) and config.has_downlink:
            return LinkTiming(config.settings.profile)
    return None


def governors_of(configs: Sequence[GatewayConfig], state_dir: Path | None = None) -> list[Governor]:
    """By gateway, on the clock boot_s; the airtime spent is kept in state_dir, None: nowhere.

    Raises ConfigError when two gateways have one name, or another host uses these ledgers.
    """
    names = [config.name for config in configs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two gateways are called {twice[0]}; give each another name")
    if state_dir is not None:
        _adopt(names, state_dir)
    return [_governor(config, state_dir) for config in configs]


def _governor(config: GatewayConfig, state_dir: Path | None) -> Governor:
    settings = config.settings
    if not isinstance(settings, CarrierSettings) or not config.has_downlink:
        return Governor(silent_because=f"gateway {config.name} only listens")
    ledger = None if state_dir is None else _ledger_path(config.name, state_dir)
    try:
        return governor_for(config.region, settings.frequency_hz, settings.profile, ledger)
    except ValueError as error:
        raise ConfigError(f"gateway {config.name}: {error}") from None
    except HeldError:
        raise ConfigError(
            f"another host counts the airtime of a gateway {config.name} in {ledger}: end it, or "
            "give this one a folder of its own for its store"
        ) from None


def _ledger_path(name: str, state_dir: Path) -> Path:
    """A file for each name, however it is spelt."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return state_dir / f"airtime-{_plain(name)[:NAME_CHARACTERS]}-{digest[:DIGEST_DIGITS]}.json"


def _adopt(names: Sequence[str], state_dir: Path) -> None:
    """Files by the earlier rule, where two names might share one: what stands there was used by
    each of them.
    """
    paths = {name: state_dir / f"airtime-{_plain(name)}.json" for name in names}
    earlier = {name: path for name, path in paths.items() if os.path.isfile(path)}
    for name, path in earlier.items():
        own = _ledger_path(name, state_dir)
        if not own.exists():
            durable.write(own, path.read_text(encoding="utf-8", errors="replace"))
    for path in earlier.values():
        path.unlink(missing_ok=True)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
