"""The radio as the node holds it: a carrier that may vanish and come back, on which the node does not wait."""

import time
from collections.abc import Callable

from link.carrier import Carrier, PortError, Received

RETRY_INTERVAL_S = 1.0


class Radio:
    """A carrier, opened again when its port vanished; an impatient one raises PortError instead."""

    def __init__(
        self, open_carrier: Callable[[], Carrier], say: Callable[[str], None], is_patient: bool = True
    ) -> None:
        """Opens the carrier, or PortError."""
        self._open, self._say, self._is_patient = open_carrier, say, is_patient
        self._carrier: Carrier | None = open_carrier()
        self._retry_s = 0.0

    @property
    def is_open(self) -> bool:
        return self._carrier is not None

    def send(self, packet: bytes) -> bool:
        """Whether the packet left; False while the port is gone."""
        if carrier := self._present():
            try:
                carrier.send(packet)
                return True
            except PortError as error:
                self._lost(error)
        return False

    def receive(self, timeout_s: float) -> list[Received]:
        """What has arrived, waiting at most timeout_s for the first; nothing while the port is gone."""
        if carrier := self._present():
            try:
                return carrier.receive(timeout_s)
            except PortError as error:
                self._lost(error)
        time.sleep(min(timeout_s, RETRY_INTERVAL_S))
        return []

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None

    def __enter__(self) -> "Radio":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _present(self) -> Carrier | None:
        """The carrier, or None when it cannot be had yet."""
        if self._carrier is None and time.monotonic() >= self._retry_s:
            try:
                self._carrier = self._open()
                self._say("the port is back")
            except PortError:
                self._retry_s = time.monotonic() + RETRY_INTERVAL_S
        return self._carrier

    def _lost(self, error: PortError) -> None:
        self.close()
        if not self._is_patient:
            raise error
        self._retry_s = time.monotonic() + RETRY_INTERVAL_S
        self._say(f"{error}; what is to be sent is kept until then")
