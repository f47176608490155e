"""Home Assistant's end at a broker: keeps what it is told, and says when it begins."""

import json
import time
from collections.abc import Callable
from typing import Any

from link.carriers.mqtt import BrokerConnection, BrokerSettings

PATIENCE_S = 30.0


class HomeAssistant:
    """Listens to everything."""

    def __init__(self, port: int, name: str = "home-assistant") -> None:
        settings = BrokerSettings(host="127.0.0.1", port=port, client_id=name)
        self._connection = BrokerConnection(settings, ["#"], has_version_5=True)
        self.heard: list[tuple[str, bytes, bool]] = []
        "Topic, payload, whether it was kept for who comes later."

    def born(self) -> None:
        """As when it was started."""
        self._connection.deliver("homeassistant/status", b"online")

    def wait_for(self, is_so: Callable[[], Any]) -> Any:
        """Takes what comes until that is so."""
        end_s = time.monotonic() + PATIENCE_S
        while not (found := is_so()):
            assert time.monotonic() < end_s, f"heard only {self.heard}"
            self._connection.work(0.05)
            for message in self._connection.take():
                self._connection.acknowledge(message)
                self.heard.append((message.topic, message.payload, message.is_retained))
        return found

    def wait_for_topics(self, *topics: str) -> None:
        """Until something is there under each."""
        self.wait_for(lambda: all(self.last(topic) for topic in topics))

    def last(self, topic: str) -> bytes | None:
        return next((said for at, said, _ in reversed(self.heard) if at == topic), None)

    def state(self, topic: str) -> Any:
        """The latest JSON there; None: nothing."""
        said = self.last(topic)
        return json.loads(said) if said else None

    def of(self, topic: str) -> list[bytes]:
        return [said for at, said, _ in self.heard if at == topic]

    def close(self) -> None:
        self._connection.close()
