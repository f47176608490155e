"""Mesh: the links between the members of a team, each with a delay, a rate and a loss, in a process
of its own; and a stranger on them, who sends what he has recorded and made of it.

Each member has a port of the mesh for every other: it sends there what is for that one, and what
that one says comes from there, so it takes it for its peer's.
"""

import heapq
import math
import multiprocessing
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from link.emulator.channel import IidLoss
from link.fog.frame import HEADER_BYTES, MAX_FRAME_BYTES, MAX_IMAGE, Header

START_S = 30.0
NETWORK_BYTES = 28
"IPv4 and UDP before each datagram."
RECENT = 400
MADE = ("forged", "replayed", "mutated", "truncated", "spliced")
"What a stranger sends."


@dataclass(frozen=True)
class Line:
    """What every link does. The rate is that of a member's own interface, which sends one datagram
    after the other.
    """

    delay_s: float = 0.0
    rate_bps: float = math.inf
    loss: float = 0.0


@dataclass(frozen=True)
class Passed:
    """A datagram that a member sent; times on the monotonic clock."""

    sender: int
    receiver: int
    frame: bytes
    came_s: float
    left_s: float
    "inf: lost."


class Mesh:
    """The links of a team whose members receive at these ports of this machine; a context."""

    def __init__(self, ports: Sequence[int], line: Line, seed: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, tuple(ports), line, seed), daemon=True
        )
        self._process.start()
        far_end.close()
        self._addresses: list[list[str]] = self._answer(START_S)

    def peers(self, member: int) -> list[str]:
        """What stands in its [team]: the address of every member, in the order of their numbers."""
        return self._addresses[member]

    def passed(self) -> list[Passed]:
        """All that members have sent since this was asked last."""
        found: list[Passed] = self._ask("passed")
        return found

    def attack(self, n_frames: int, per_s: float, recorded: Sequence[bytes]) -> None:
        """Begin to send so many frames of each of MADE in turn, beside what the members send."""
        self._ask("attack", n_frames, per_s, list(recorded))

    def n_attacks_left(self) -> int:
        n_left: int = self._ask("left")
        return n_left

    def __enter__(self) -> "Mesh":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(START_S)

    def _ask(self, *words: Any) -> Any:
        self._pipe.send(words)
        return self._answer(START_S)

    def _answer(self, timeout_s: float) -> Any:
        if not self._pipe.poll(timeout_s):
            raise TimeoutError(f"the mesh has not answered for {timeout_s:g} s")
        return self._pipe.recv()


def _serve(pipe: Connection, ports: tuple[int, ...], line: Line, seed: int) -> None:
    links = _Links(ports, line, seed)
    pipe.send(links.addresses)
    while True:
        heard: list[Any] = [pipe, *links.at]
        ready, _, _ = select.select(heard, [], [], links.wait_s())
        if pipe in ready:
            try:
                question, *words = pipe.recv()
            except EOFError:
                return
            pipe.send(getattr(links, question)(*words))
        for opened in links.at.keys() & ready:
            links.take(opened)
        links.work()


class _Links:
    def __init__(self, ports: tuple[int, ...], line: Line, seed: int) -> None:
        members = range(len(ports))
        self._ports, self._line, self._random = ports, line, Random(seed)
        self._losses = IidLoss(line.loss).losses(self._random)
        self._sockets = {(m, other): _bound() for m in members for other in members}
        self.at = {opened: pair for pair, opened in self._sockets.items()}
        self.addresses = [
            [f"127.0.0.1:{self._sockets[m, other].getsockname()[1]}" for other in members]
            for m in members
        ]
        self._free_s = dict.fromkeys(members, 0.0)
        "When a member's interface has sent all that it was given."
        self._on_the_way: list[tuple[float, int, int, int, bytes, float]] = []
        self._n = 0
        self._passed: list[Passed] = []
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._stranger = Stranger([], self._random)
        self._n_attacks = 0
        self._attack_s = math.inf
        self._pause_s = 0.0

    def wait_s(self) -> float:
        due_s = self._on_the_way[0][0] if self._on_the_way else math.inf
        due_s = min(due_s, self._attack_s if self._n_attacks else math.inf)
        return max(0.0, min(due_s - time.monotonic(), 1.0))

    def take(self, opened: socket.socket) -> None:
        """A member has sent something to this port."""
        sender, receiver = self.at[opened]
        frame, origin = opened.recvfrom(MAX_FRAME_BYTES + 1)
        if origin[1] != self._ports[sender]:
            return
        now_s = time.monotonic()
        n_bits = 8 * (len(frame) + NETWORK_BYTES)
        sent_s = max(now_s, self._free_s[sender]) + n_bits / self._line.rate_bps
        self._free_s[sender] = sent_s
        if next(self._losses):
            self._passed.append(Passed(sender, receiver, frame, now_s, math.inf))
            return
        self._n += 1
        due_s = sent_s + self._line.delay_s
        heapq.heappush(self._on_the_way, (due_s, self._n, sender, receiver, frame, now_s))

    def work(self) -> None:
        """What is due leaves."""
        while self._on_the_way and self._on_the_way[0][0] <= time.monotonic():
            _, _, sender, receiver, frame, came_s = heapq.heappop(self._on_the_way)
            self._send(sender, receiver, frame)
            self._passed.append(Passed(sender, receiver, frame, came_s, time.monotonic()))
            self._recent.append(frame)
        while self._n_attacks and self._attack_s <= time.monotonic():
            self._attack_s = max(self._attack_s + self._pause_s, time.monotonic() - 0.1)
            made = self._stranger.frame(MADE[self._n_attacks % len(MADE)], self._recent)
            if made is not None:
                self._n_attacks -= 1
                self._throw(made)

    def passed(self) -> list[Passed]:
        found, self._passed = self._passed, []
        return found

    def attack(self, n_frames: int, per_s: float, recorded: list[bytes]) -> None:
        self._stranger = Stranger(recorded, self._random)
        self._n_attacks, self._pause_s, self._attack_s = n_frames, 1 / per_s, time.monotonic()

    def left(self) -> int:
        return self._n_attacks

    def _throw(self, frame: bytes) -> None:
        """At a random member, as if it came from whom the header names, or from anybody."""
        receiver = self._random.randrange(len(self._ports))
        others = [member for member in range(len(self._ports)) if member != receiver]
        header = Header.unpack(frame)
        named = -1 if header is None else header.member
        self._send(named if named in others else self._random.choice(others), receiver, frame)

    def _send(self, sender: int, receiver: int, frame: bytes) -> None:
        try:
            self._sockets[receiver, sender].sendto(frame, ("127.0.0.1", self._ports[receiver]))
        except ConnectionRefusedError:  # of an earlier one: its member is dead
            return


class Stranger:
    """Who holds no key, hears everything, and has recordings of other days and other teams."""

    def __init__(self, recorded: Sequence[bytes], random: Random) -> None:
        self._recorded = recorded
        self._random = random

    def frame(self, kind: str, recent: Sequence[bytes]) -> bytes | None:
        """One of MADE, none of them what a member has said of late, but a replay; None while
        nobody has said anything.
        """
        draw = self._random
        if not recent:
            return None
        heard = draw.choice(recent)
        if kind == "replayed":
            return draw.choice(self._recorded) if self._recorded and draw.random() < 0.5 else heard
        made = getattr(self, f"_{kind}")(heard, draw.choice(recent))
        return None if made in recent else made

    def _forged(self, heard: bytes, _: bytes) -> bytes:
        """Its image is of now or of days to come."""
        header = Header.unpack(heard)
        assert header is not None
        image = min(header.image + self._random.choice([0, 0, 1, 1000, 1 << 40]), MAX_IMAGE)
        n_bytes = self._random.choice([8, len(heard) - HEADER_BYTES, 1208])
        start = replace(header, image=image).pack()
        return start + self._random.randbytes(n_bytes)

    def _mutated(self, heard: bytes, _: bytes) -> bytes:
        changed = bytearray(heard)
        for _flip in range(self._random.choice([1, 1, 2, 8])):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _truncated(self, heard: bytes, _: bytes) -> bytes:
        return heard[: self._random.randrange(len(heard))]

    def _spliced(self, heard: bytes, other: bytes) -> bytes:
        at = self._random.choice([3, 9, HEADER_BYTES, self._random.randrange(len(heard))])
        return heard[:at] + other[at:]


def _bound() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    return opened
