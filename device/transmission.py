"""Transmission: the packet that is on its way, one at a time.

Its airtime is charged before it is offered to the port, and it is kept until it has left: while the
port is away or takes nothing it is offered again, and after a while its airtime is charged anew.
"""

import math
from collections.abc import Callable

from device.capture.capturing import STUCK_AFTER_S
from link.base import Pause, boot_s
from link.carriers import DoesNotFit, NotSentError, Received, Reopening
from link.medium import Governor
from link.node import Outgoing

RECHARGE_S = 10.0
"A packet that waited longer for its port is sent at a time of which the ledger does not know."
FIRST_OFFER_S, LONGEST_OFFER_S = 1.0, 10.0
PORT_PATIENCE_S = 30.0
"A port that takes nothing for longer is as good as away, also if it can be opened."


class Transmission:
    """One packet after the other, through a port that may be away."""

    def __init__(self, port: Reopening, governor: Governor, say: Callable[[str], None]) -> None:
        self._port = port
        self._governor = governor
        self._say = say
        self._packet: Outgoing | None = None
        "What is on the air, or waits for the port to take it."
        self.end_s: float | None = None
        "When the packet on the air has left; None: none is."
        self._charged_s = 0.0
        "When its airtime was entered in the ledger."
        self._offers = Pause(FIRST_OFFER_S, LONGEST_OFFER_S)
        self._offer_s = -math.inf
        "A packet that could not leave is offered again from then on."
        self._unwell_from_s = math.inf
        "When a packet waits for too long, unless something leaves before."

    @property
    def is_over(self) -> bool:
        """Whether another packet may begin."""
        return self._packet is None

    def is_well(self, now_s: float) -> bool:
        """Whether packets leave, as far as a new start could help that."""
        return self._port.is_open and now_s < self._unwell_from_s

    def begin(self, packet: Outgoing, now_s: float) -> None:
        """With the next packet, whose airtime was just charged."""
        self._packet = packet
        self._charged_s = now_s
        self._offer_s = -math.inf

    def go_on(self, now_s: float) -> None:
        """Offer the port what it has not taken yet; DoesNotFit when only something shorter may
        leave: it is over then.
        """
        if self._packet is None or self.end_s is not None:
            return
        if now_s < self._offer_s or not self._charge_anew(self._packet, now_s):
            return
        start_s, was_open = boot_s(), self._port.is_open
        try:
            has_left = self._port.send(self._packet.packet)
        except DoesNotFit:
            self._packet = None
            self._unwell_from_s = math.inf
            raise
        except NotSentError as error:
            self._put_off(self._packet, error)
            return
        if has_left:
            self._unwell_from_s = math.inf
            self._offers.worked()
            self.end_s = max(boot_s(), start_s + self._packet.airtime_s)
            self._governor.left(self.end_s)
            return
        self._unwell_from_s = min(self._unwell_from_s, boot_s() + PORT_PATIENCE_S)
        if was_open:
            self._charged_s = -math.inf  # it may have been on the air when the port failed

    def take_end(self, now_s: float) -> float | None:
        """When the packet left, once, as soon as it has; None before."""
        if self.end_s is None or now_s < self.end_s:
            return None
        end_s, self.end_s, self._packet = self.end_s, None, None
        return end_s

    def receive(self, timeout_s: float) -> list[Received]:
        """What has come in the meantime, waiting at most timeout_s for the first."""
        return self._port.receive(timeout_s)

    def _put_off(self, packet: Outgoing, error: NotSentError) -> None:
        """It is kept, and offered again after a moment."""
        self._governor.take_back(packet.airtime_s)
        self._charged_s = -math.inf
        self._offer_s = boot_s() + self._offers.failed()
        if self._unwell_from_s == math.inf:
            self._unwell_from_s = boot_s() + STUCK_AFTER_S
            self._say(f"{error}; what is to be sent is kept")

    def _charge_anew(self, packet: Outgoing, now_s: float) -> bool:
        """Charge a packet that has waited for its port for long; whether it may leave."""
        if now_s > self._charged_s + RECHARGE_S:
            if self._governor.start_s(packet.airtime_s, now_s) > now_s:
                return False
            self._governor.occupy(packet.airtime_s, now_s)
            self._charged_s = now_s
        return True
