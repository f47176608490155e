"""Dispatch: what each gateway is sent next, and what its answers mean; no sockets and no clocks.

    for errand in dispatch.errands(now_s):              # to gateways that are not on one
        ...                                             # send errand.messages
    refused = dispatch.came_back(gateway, answers, now_s)
    dispatch.failed(gateway, now_s)                     # or nothing came back

A gateway is on one errand at a time, with a message for each of its devices that this round still
waits for; the others go on without it. A device's round is what it said last in its own name, never
what it was sent: nobody knows what arrived. Who is silent is asked again, less and less often; what
was recorded and is played again buys one answer an hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from host_training.distributed.flower.wire import Errand
from host_training.distributed.server.server import Server
from link.update.message import Ask, MessageError, Update

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"Between two errands to who is silent; doubled each time."
BACK_S = 3600.0
"""A device is believed once in so long that it is in an earlier round than it said before: its card
was set back, or somebody plays what it once said, and each time wants all that came since.
"""


@dataclass
class Pause:
    """When somebody is worth an errand again."""

    until_s: float = float("-inf")
    next_s: float = FIRST_PAUSE_S

    def begin(self, now_s: float) -> None:
        self.until_s = now_s + self.next_s
        self.next_s = min(2 * self.next_s, LONGEST_PAUSE_S)


@dataclass
class Device:
    """What is known of a device."""

    round_: int
    "That it is in, as it said; before it said anything the server's."
    has_spoken: bool = False
    back_s: float = float("-inf")
    "It may not say before that it is in an earlier round."
    done: int = -1
    "The last round of the server for which nothing more is expected of it."
    pause: Pause = field(default_factory=Pause)


class Dispatch:
    """Between a server and its gateways; `gateways`: the devices behind each, by its number."""

    def __init__(self, server: Server, gateways: Mapping[int, Sequence[int]]) -> None:
        self._server = server
        self._gateways = {gateway: tuple(devices) for gateway, devices in gateways.items()}
        known = [device for devices in self._gateways.values() for device in devices]
        if len(set(known)) != len(known):
            raise ValueError("a device is behind two gateways; name each device once")
        self._devices = {device: Device(server.round_) for device in known}
        self._pauses = {gateway: Pause() for gateway in self._gateways}
        self._under_way: dict[int, Errand] = {}

    def errands(self, now_s: float) -> list[Errand]:
        """New ones, each for a gateway that is on none."""
        found = []
        for gateway in self._gateways.keys() - self._under_way.keys():
            due = [device for device in self._gateways[gateway] if self._is_due(device)]
            is_time = any(now_s >= self._devices[device].pause.until_s for device in due)
            if is_time and now_s >= self._pauses[gateway].until_s:
                errand = Errand(gateway, {device: self._message(device) for device in due})
                self._under_way[gateway] = errand
                found.append(errand)
        return sorted(found, key=lambda errand: errand.gateway)

    def last_errands(self) -> list[Errand]:
        """To all gateways, what is newest: the run is over, and every device gets its weights."""
        return [
            Errand(gateway, {device: self._message(device) for device in devices})
            for gateway, devices in self._gateways.items()
        ]

    def came_back(self, gateway: int, answers: Mapping[int, bytes], now_s: float) -> list[str]:
        """What devices said; a sentence for each answer that was refused."""
        errand = self._under_way.pop(gateway)
        self._pauses[gateway] = Pause()
        refused = []
        for device in errand.messages:
            try:
                has_moved = device in answers and self._take(device, answers[device], now_s)
            except MessageError as error:
                refused.append(str(error))
                has_moved = False
            if has_moved:
                self._devices[device].pause = Pause()
            elif self._is_due(device):
                self._devices[device].pause.begin(now_s)
        return refused

    def failed(self, gateway: int, now_s: float) -> None:
        """Nothing came back, and nothing will."""
        self._under_way.pop(gateway)
        self._pauses[gateway].begin(now_s)

    def _is_due(self, number: int) -> bool:
        server = self._server
        is_wanted = not server.is_finished and number in server.asked
        return is_wanted and self._devices[number].done < server.round_

    def _message(self, number: int) -> bytes:
        return self._server.message_for(number, self._devices[number].round_)

    def _take(self, number: int, answer: bytes, now_s: float) -> bool:
        """Whether the answer says something new; MessageError where it is refused."""
        device, server = self._devices[number], self._server
        before = device.round_
        try:
            said = server.authentic(answer)
            self._note(number, said, now_s)
        except MessageError:
            device.done = server.round_  # the same would come again
            raise
        if not isinstance(said, Update):
            return device.round_ != before
        is_current = said.round_ == server.round_
        if is_current:
            device.done = server.round_  # taken or refused: the same bytes would come again
        server.receive(answer, now_s)
        return is_current or device.round_ != before

    def _note(self, number: int, said: Update | Ask, now_s: float) -> None:
        """In which round a device says that it is."""
        device = self._devices[number]
        if said.device != number:
            raise MessageError(
                f"where device {number} is expected device {said.device} answers; give each its "
                "own socket"
            )
        if device.has_spoken and said.round_ < device.round_:
            if now_s < device.back_s:
                raise MessageError(
                    f"device {number} is in round {said.round_} again, and said {device.round_}: "
                    "somebody plays what it said before, or its card is set back again and again"
                )
            device.back_s = now_s + BACK_S
        device.round_, device.has_spoken = said.round_, True
