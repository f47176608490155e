"""Far mail: a device that learns and its gateway, on a virtual clock and a channel that loses
packets; both by the rules of their region.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from device.outbox.outbox import Outbox
from device.training.mail import Mail
from host_decoder.learn.mail_store import MailStore
from host_decoder.learn.post import FarDevice, Post
from link.medium.profiles import get_profile
from link.medium.regions import governor_for
from link.medium.timing import LinkTiming
from link.node.interface import Equipment, Identity, SenderOptions
from link.node.sender import Sender
from tests.worlds.ends import Counting

RUN, KEY = b"a run's.", bytes(range(16))
DEVICE, NODE = 3, 7
LOOK_S = 0.001
"Programs do not look more often."
FREQUENCY_HZ = {"eu868": 869_525_000, "us915": 915_000_000, "wire": None}


@dataclass
class Frame:
    """A packet on the air."""

    end_s: float
    is_hurt: bool = False


class FarMail:
    """Both ends; `answer` is what the device says to a message, at once."""

    def __init__(
        self,
        folder: Path,
        profile: str = "lora-sf7",
        region: str = "eu868",
        loss: float = 0.0,
        answer: Callable[[bytes], bytes] = lambda message: b"",
    ) -> None:
        self.folder, self.loss, self.answer = folder, loss, answer
        self.profile, self.region = get_profile(profile), region
        self.timing = LinkTiming(self.profile, 0.02).with_messages()
        self.counters = Counting()
        self.now_s = 0.0
        self.random = Random(1)
        self.came: list[tuple[float, bytes]] = []
        "At the device."
        self.said: list[tuple[float, bytes]] = []
        "What the gateway has of the device."
        self.airtime_s = {"up": 0.0, "down": 0.0}
        self.n_packets = {"up": 0, "down": 0}
        self.tap: Callable[[bytes], object] = lambda packet: None
        "Who listens to the device."
        self._on_air = {"up": Frame(0.0), "down": Frame(0.0)}
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self.run_of_device = RUN
        self.start_device()
        self.start_gateway()

    def _governor(self):
        hertz = FREQUENCY_HZ[self.region]
        return governor_for(self.region, hertz, self.profile, now_s=self.now_s, boot="boot")

    def start_device(self) -> None:
        """Also after a kill: what it was told and had not put together is gone."""
        self.outbox = Outbox(self.folder / "outbox.sqlite", boot_id="boot")
        governor = self._governor()
        equipment = Equipment(self.counters, self.outbox, governor, self.timing, Random(2))
        options = SenderOptions(wants_messages=True, status_every=0)
        self.sender = Sender(Identity(NODE, self.run_of_device, KEY), equipment, options)
        self.mail = Mail(self.sender, self.outbox, self.counters, self.timing, governor)

    def start_gateway(self) -> None:
        """Also after a kill."""
        store = MailStore(self.folder / "mail.sqlite", RUN)
        self.post = Post(
            [FarDevice(DEVICE, NODE, KEY)], RUN, self.timing, [self._governor()], store
        )

    def run(self, until: Callable[[], bool], limit_s: float = 30 * 86400.0) -> None:
        """Time passes until that is so."""
        while not until():
            assert self.now_s < limit_s, "nothing will ever come of it"
            self._poll()
            due = [self.mail.due_s(self.now_s), self.sender.next_due_s(self.now_s)]
            due += [self.post.next_due_s(self.now_s)]
            due += [self._events[0][0]] if self._events else []
            next_s = min(each for each in due if each is not None)
            self.now_s = max(self.now_s + LOOK_S, next_s)
            while self._events and self._events[0][0] <= self.now_s:
                heapq.heappop(self._events)[2]()

    def _at(self, when_s: float, happen: Callable[[], object]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), happen))

    def _poll(self) -> None:
        self.mail.poll(self.now_s)
        sender, post = self.sender, self.post
        if (outgoing := sender.next_packet(self.now_s)) is not None:
            self._leaves("up", outgoing.airtime_s, sender.transmitted, self._hear, outgoing.packet)
        if (told := post.next_packet(self.now_s)) is not None:
            self._leaves("down", told.airtime_s, post.transmitted, self._device_hears, told.packet)

    def _leaves(self, way: str, airtime_s: float, transmitted, hear, packet: bytes) -> None:
        end_s = self.now_s + airtime_s
        self.airtime_s[way] += airtime_s
        self.n_packets[way] += 1
        self._at(end_s, lambda: transmitted(end_s))
        frame = self._on_air[way] = Frame(end_s)
        other = self._on_air["down" if way == "up" else "up"]
        if self.profile.is_radio and other.end_s > self.now_s:
            frame.is_hurt = other.is_hurt = True  # who speaks does not hear
        if self.random.random() >= self.loss:
            self._at(end_s, lambda: frame.is_hurt or hear(packet))

    def _hear(self, packet: bytes) -> None:
        self.tap(packet)
        self.post.receive(packet, self.now_s)
        said = self.post.exchange(DEVICE, b"", self.now_s)
        if said and (not self.said or said != self.said[-1][1]):
            self.said.append((self.now_s, said))

    def _device_hears(self, packet: bytes) -> None:
        message = self.mail.heard(self.sender.receive(packet, self.now_s), self.now_s)
        if message is not None:
            self.came.append((self.now_s, message))
            if update := self.answer(message):
                self.mail.put(update, self.now_s)
