"""Relay: between a gateway's radio and its broker: what is to be said to whom, and when. No socket,
no clock.

    relay.hear(received, now_s, unix_s)  -> spooled
    relay.due(now_s)                     -> what to publish now: new, or not told as stored for 60 s
    relay.unheard(seq, now_s)            no worker reads it: once more in a second
    relay.stored(seqs)                   a worker has dealt with them
    relay.answer(downlink, now_s)        to be sent, if it is not too late for its node
    relay.next_answer(now_s)             -> what to send now, by the rules of the air
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from link.base.recent import Recent
from link.carriers.carrier import Received
from link.gateway.spool import Spool
from link.gateway.topics import EXPIRY_S, SentDown, Uplink
from link.medium.governor import Governor
from link.medium.timing import LinkTiming
from link.wire.packet import Header, PacketType

AGAIN_S = 60.0
"After which what no worker has told as stored is said again."
UNHEARD_S = 1.0
"After which what no worker was there to read is said again."
WINDOW = 256
"Packets that are said and not told as stored: a worker that is behind is not flooded."
REMEMBERED = 4096
"Packets of which it is known when and whence they came."
MAX_ANSWERS = 64


@dataclass(frozen=True)
class Answer:
    """A packet to send."""

    packet: bytes
    origin: Hashable
    airtime_s: float
    until_s: float


class Relay:
    """One gateway's."""

    def __init__(self, spool: Spool, timing: LinkTiming, governor: Governor) -> None:
        self._spool, self._timing, self._governor = spool, timing, governor
        self._next = 0
        "The highest that was said since the connection is there."
        self._has_more = True
        "Whether the spool may have some behind that one."
        self._under_way: dict[int, float] = {}
        "When each is said again that is not told as stored."
        self._again_s = float("inf")
        "The first of these times, or an earlier one."
        self._heard: Recent[int, tuple[float, Hashable]] = Recent(REMEMBERED)
        self._answers: deque[Answer] = deque()
        self.n_late = self.n_noise = self.n_sent = 0

    def figures(self, now_s: float) -> dict[str, Any]:
        """For the status."""
        duty = self._governor.duty_s(now_s)
        airtime = {} if duty is None else {"used_s": round(duty[0], 2), "limit_s": duty[1]}
        return {
            **airtime,
            "spooled": len(self._spool),
            "dropped": self._spool.n_dropped,
            "answers": self.n_sent,
            "late": self.n_late,
        }

    # Up

    def hear(self, received: Sequence[Received], now_s: float, unix_s: float) -> None:
        """SpoolError when they cannot be kept; nobody has acknowledged them."""
        packets = [one for one in received if node_of(one.packet) is not None]
        self.n_noise += len(received) - len(packets)
        if packets:
            for uplink, one in zip(self._spool.put(packets, unix_s), packets, strict=True):
                self._heard[uplink.seq] = now_s, one.origin
            self._has_more = True

    def begin_anew(self) -> None:
        """The connection is another one: what it took with it is said again, in order."""
        self._next, self._has_more = 0, True
        self._under_way.clear()

    def due(self, now_s: float) -> list[Uplink]:
        again = self._late(now_s) if now_s >= self._again_s else []
        room = WINDOW - len(self._under_way) - len(again)
        new = self._spool.after(self._next, room) if self._has_more and room > 0 else []
        self._has_more = self._has_more and len(new) >= room
        for uplink in (*again, *new):
            self._under_way[uplink.seq] = now_s + AGAIN_S
            self._next = max(self._next, uplink.seq)
        if self._under_way:
            self._again_s = min(self._again_s, now_s + AGAIN_S)
        return again + new

    def _late(self, now_s: float) -> list[Uplink]:
        late = [seq for seq, again_s in self._under_way.items() if now_s >= again_s]
        for seq in late:
            del self._under_way[seq]
        self._again_s = min(self._under_way.values(), default=float("inf"))
        return self._spool.get(late) if late else []

    def unheard(self, seq: int, now_s: float) -> None:
        """The broker has told that nobody reads it."""
        if seq in self._under_way:
            self._under_way[seq] = now_s + UNHEARD_S
            self._again_s = min(self._again_s, now_s + UNHEARD_S)

    def stored(self, seqs: Sequence[int]) -> None:
        self._spool.remove(seqs)
        for seq in seqs:
            self._under_way.pop(seq, None)

    # Down

    def answer(self, downlink: SentDown, now_s: float) -> None:
        heard = self._heard.get(downlink.seq)
        if heard is None or len(self._answers) >= MAX_ANSWERS:
            self.n_late += 1
            return
        heard_s, origin = heard
        airtime_s = self._timing.airtime_s(len(downlink.packet))
        until_s = heard_s + downlink.after_s + EXPIRY_S
        self._answers.append(Answer(downlink.packet, origin, airtime_s, until_s))

    @property
    def owes_answer(self) -> bool:
        """Whether something is to be sent, now or when the rules of the air let it."""
        return bool(self._answers)

    def next_answer(self, now_s: float) -> Answer | None:
        """Charged already; `taken_back` where it does not leave. LedgerError where it cannot be."""
        while self._answers:
            answer = self._answers[0]
            if now_s > answer.until_s or self._governor.reason(answer.airtime_s) is not None:
                self._answers.popleft()
                self.n_late += 1
            elif self._governor.start_s(answer.airtime_s, now_s) <= now_s:
                self._answers.popleft()
                self._governor.occupy(answer.airtime_s, now_s)
                self.n_sent += 1
                return answer
            else:
                return None
        return None

    def left(self, end_s: float) -> None:
        """It left then at the latest."""
        self._governor.left(end_s)

    def taken_back(self, answer: Answer) -> None:
        """It did not leave."""
        self._governor.take_back(answer.airtime_s)
        self.n_sent -= 1


def node_of(packet: bytes) -> int | None:
    """Whose packet it says it is; None: it is none that goes up."""
    try:
        header = Header.unpack(packet)
        return header.node if PacketType(header.packet_type).is_uplink else None
    except ValueError:
        return None
