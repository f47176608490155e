"""An emulated LoRaWAN network for tests: a module's transmissions in, acknowledgements and queued
downlinks back.
"""

from collections import deque
from collections.abc import Callable
from random import Random

from link.emulator.modems.rn2483_mac import HARDWARE_EUI, Downlink, Rn2483Mac, Uplink

APP_KEY = "00112233445566778899AABBCCDDEEFF"


class EmulatedNetwork:
    """One device's network server with its gateways; it loses uplinks and answers as it is told."""

    def __init__(
        self,
        deliver: Callable[[Uplink], None] | None = None,
        uplink_loss=0.0,
        answer_loss=0.0,
        seed: int = 0,
    ) -> None:
        self.delivered: list[Uplink] = []
        self.queue: deque[Downlink] = deque()
        self.uplink_loss = uplink_loss
        self.answer_loss = answer_loss
        self.n_heard = self.n_joined = 0
        self._deliver = deliver
        self._random = Random(seed)
        self._last: tuple[bytes, int] | None = None

    def join(self, dev_eui, join_eui, app_key):
        if self._is_lost(self.uplink_loss) or (dev_eui, app_key.upper()) != (HARDWARE_EUI, APP_KEY):
            return None
        self.n_joined += 1
        return bytes([0x26, 0x0B, 0, self.n_joined])

    def uplink(self, uplink):
        if self._is_lost(self.uplink_loss):
            return None
        self.n_heard += 1
        self.delivered.append(uplink)
        if self._deliver is not None:
            self._deliver(uplink)
        if self._is_lost(self.answer_loss):
            return None
        if self.queue:
            return self.queue.popleft()
        return Downlink() if uplink.is_confirmed else None

    def _is_lost(self, share):
        return self._random.random() < share


class ModuleLine:
    """A module alone at its serial port, in the shape of a line."""

    ends = ("a",)

    def __init__(self, modem: Rn2483Mac) -> None:
        self.modem = modem

    def push(self, end, data, now_s):
        self._advance(now_s)
        self.modem.push(data, now_s)
        self.modem.advance(now_s)

    def pop(self, end, now_s):
        self._advance(now_s)
        return self.modem.pop(now_s)

    def next_due_s(self):
        times_s = (self.modem.next_event_s(), self.modem.next_output_s())
        return min((time_s for time_s in times_s if time_s is not None), default=None)

    def _advance(self, now_s):
        while (due_s := self.modem.next_event_s()) is not None and due_s <= now_s:
            self.modem.advance(due_s)
