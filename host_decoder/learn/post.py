"""Post: messages between a run's server and the devices that learn behind this gateway, kept until
they are delivered; without sockets and clocks.

    said = post.exchange(device, message, now_s)     the server's side: what the device said last
    post.receive(packet, now_s, …)                   the radio's side, as a Hearer has it

A device may take days for what the server waits seconds for, so the two sides do not wait for each
other. One message at a time is on its way to a device; what the server says meanwhile is not kept,
because it says again whatever a device lacks. Pieces leave only behind a packet of the device that
asks, and a few each time, so nobody but the device can spend the gateway's airtime.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from host_decoder.events import Event, Notice
from host_decoder.learn.mail_store import Letters, MailStore
from link.bundle import Bundle
from link.carriers import Received
from link.host import ChunkHeard, Downlink, NodeEntry, NotUsed, Receiver, Update
from link.medium import Governor, LinkTiming
from link.messages import Gathering, Have, cut, name_of, read_piece
from link.wire import NO_QUALITY, Quality

PARTS_AT_ONCE = 8
"Pieces that a device is told each time that it says what it has."
MAX_UNSTORED = 256
HOLD_S = 3600.0
"""How long a device that was told something has time to answer before it is told more: what the
server said in the meantime begins with what the device has just got.
"""


@dataclass(frozen=True)
class FarDevice:
    """A device behind the link."""

    number: int
    "As the run's host knows it."
    node: int
    "As it speaks on the link."
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class _Came:
    """A packet that is to be stored, and then acknowledged."""

    node: int
    counter: int
    piece: bytes | None


@dataclass
class _Box:
    """What passes to and from one device."""

    letters: Letters
    gathering: Gathering
    parts: list[bytes]
    "What it is being told, in pieces."
    has_spoken: bool = True
    "Since it is being told that."
    held_until_s: float = -float("inf")
    origin: Hashable = None
    "Where its packets come from, where the carrier has many ends."


class Post:
    """All devices of one gateway. Threads may share it."""

    def __init__(
        self,
        devices: Sequence[FarDevice],
        run: bytes,
        timing: LinkTiming,
        governors: Sequence[Governor],
        store: MailStore,
    ) -> None:
        """`run`: 8 bytes that name it, which both ends seal with."""
        self._lock = threading.RLock()
        self._store, self.governors = store, governors
        self._nodes = {device.number: device.node for device in devices}
        self._boxes: dict[int, _Box] = {}
        self._unstored: deque[_Came] = deque()
        "What came, in order."
        self._sentence = ""
        entries: dict[int, NodeEntry] = {}
        # what the link seals with is the id of a bundle; there is none, and nothing is decoded
        sealed = SimpleNamespace(id=run, team=None, tables=None, path=Path("the run"))
        for device in devices:
            state = store.state(device.node)
            entries[device.node] = NodeEntry(device.key, cast(Bundle, sealed), state=state)
            letters = store.letters(device.node)
            self._boxes[device.node] = _Box(letters, self._gathering(device.node), [])
        self._receiver = Receiver(entries, timing, governors=governors)
        for box in self._boxes.values():
            box.parts = self._cut(box.letters.told)

    def _gathering(self, node: int) -> Gathering:
        """What is stored of the next message."""
        gathering = Gathering()
        for piece in map(read_piece, self._store.pieces(node)):
            if not isinstance(piece, Have):
                gathering.take(piece)
        return gathering

    def _cut(self, message: bytes) -> list[bytes]:
        return cut(message, self._receiver.part_bytes) if message else []

    # The server's side

    def exchange(self, device: int, message: bytes, now_s: float) -> bytes:
        """What the device said last, or nothing yet; `message` is for it, empty: nothing new.
        ValueError where that is too long for the link.
        """
        with self._lock:
            node = self._nodes[device]
            box = self._boxes[node]
            is_free = not box.letters.told and now_s >= box.held_until_s
            if message and is_free and name_of(message) != box.letters.delivered:
                parts = self._cut(message)
                self._keep(node, replace(box.letters, told=message))
                box.parts, box.has_spoken = parts, False
            return box.letters.said

    # The radio's side

    def receive_all(
        self, heard: Sequence[tuple[int, Received]], now_s: float
    ) -> list[Event | Notice]:
        """As a Hearer has it."""
        return [
            event
            for gateway, one in heard
            for event in self.receive(one.packet, now_s, one.quality, gateway, one.origin)
        ]

    def receive(
        self,
        packet: bytes,
        now_s: float,
        quality: Quality = NO_QUALITY,
        gateway: int = 0,
        origin: Hashable = None,
    ) -> list[Event | Notice]:
        """Stored before it is acknowledged; what cannot be stored waits."""
        with self._lock:
            if len(self._unstored) >= MAX_UNSTORED:
                return []  # the device sends it again
            for outcome in self._receiver.receive(packet, now_s, quality, gateway):
                if isinstance(outcome, ChunkHeard) and not isinstance(outcome, Update):
                    # never acknowledged: the device keeps it until it is of this run
                    return self._told_once(
                        f"node {outcome.node} learns in another run; give it and this gateway the "
                        "same folder from the run's host"
                    )
                if not isinstance(outcome, NotUsed):
                    self._boxes[outcome.node].origin = origin
                    piece = outcome.chunk.bitstream if isinstance(outcome, Update) else None
                    self._unstored.append(_Came(outcome.node, outcome.counter, piece))
            return self.count_in_time(now_s)

    def count_in_time(self, now_s: float) -> list[Event | Notice]:
        """Store what waits for that, one after the other, and have it acknowledged."""
        with self._lock:
            while self._unstored:
                came = self._unstored[0]
                box = self._boxes[came.node]
                try:
                    if came.piece is None:
                        self._keep(came.node, box.letters)
                    else:
                        self._take(came.node, came.piece, now_s)
                except sqlite3.Error as error:
                    box.gathering = self._gathering(came.node)
                    return self._told_once(f"what comes cannot be stored ({error}); free some room")
                self._unstored.popleft()
                self._receiver.confirm(came.node, came.counter)
            return [Notice(sentence) for sentence in self._receiver.take_notices()]

    @property
    def is_behind(self) -> bool:
        """Whether something that came is not stored yet."""
        return bool(self._unstored)

    def _take(self, node: int, packed: bytes, now_s: float) -> None:
        """A piece, or what the device has; one that makes no sense counts as received."""
        box = self._boxes[node]
        try:
            piece = read_piece(packed)
            if isinstance(piece, Have):
                self._heed(node, box, piece, now_s)
                return
            said = box.gathering.take(piece)
        except ValueError:
            self._keep(node, box.letters)
            return
        if said is None:
            self._keep(node, box.letters, packed)
            return
        self._keep(node, replace(box.letters, said=said))
        box.has_spoken, box.held_until_s = True, -float("inf")

    def _heed(self, node: int, box: _Box, have: Have, now_s: float) -> None:
        """The device says what it has: it is told more, or has been told all."""
        name = name_of(box.letters.told) if box.letters.told else b""
        if have.name != name:
            have = Have()
        lacking = [part for index, part in enumerate(box.parts) if have.lacks(index)]
        if box.parts and not lacking:
            self._keep(node, replace(box.letters, told=b"", delivered=name))
            box.parts = []
            if not box.has_spoken:
                box.held_until_s = now_s + HOLD_S
        else:
            self._keep(node, box.letters)
        self._receiver.put_parts(node, lacking[:PARTS_AT_ONCE])

    def _keep(self, node: int, letters: Letters, piece: bytes | None = None) -> None:
        self._store.keep(node, self._receiver.state(node), letters, piece)
        self._boxes[node].letters = letters

    def _told_once(self, sentence: str) -> list[Event | Notice]:
        is_news, self._sentence = sentence != self._sentence, sentence
        return [Notice(sentence, is_problem=True)] if is_news else []

    def next_packet(self, now_s: float) -> Downlink | None:
        with self._lock:
            return self._receiver.next_packet(now_s)

    def next_due_s(self, now_s: float) -> float | None:
        with self._lock:
            return self._receiver.next_due_s(now_s)

    def transmitted(self, end_s: float) -> None:
        with self._lock:
            self._receiver.transmitted(end_s)

    def origin_of(self, downlink: Downlink) -> Hashable:
        return self._boxes[downlink.node].origin

    def noise(self, n_pieces: int) -> list[Event | Notice]:
        """Nothing is said of it."""
        return []
