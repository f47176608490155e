"""Mail: what a device that learns and its gateway tell each other over our sealed link, where no
message fits a packet; without sockets and clocks.

    mail.put(update, now_s)                      cut into pieces, which wait in the outbox
    message = mail.heard(sender.receive(packet, now_s), now_s)
    mail.poll(now_s)                             call it when mail.due_s has come

Up, each piece is what an image is to the link: sealed, numbered, sent again until the gateway has
stored it, and charged to the ledger. Down, pieces come behind a packet that asks. So the device
asks, by saying what it has, whenever it has nothing else to say: at once while pieces come, and
else ever more rarely, with at most a fiftieth of the airtime that it is allowed.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from link.base import Pause
from link.medium import Governor, LinkTiming
from link.messages import HAVE_BYTES, Gathering, Have, cut, read_piece
from link.node import (
    FIRST_CHUNK_OVERHEAD_BYTES,
    Acknowledged,
    NodeEnd,
    PartHeard,
)

FIRST_POLL_S, LONGEST_POLL_S = 2.0, 60.0
"Between two polls where airtime costs nothing."
POLL_SHARE = 0.02
"The most of the airtime allowed that polls may take."


class Outbox(Protocol):
    """device.outbox.outbox.Outbox, as far as it is needed here."""

    def put(self, image: int, pieces: Sequence[bytes], captured_s: float | None) -> None: ...
    def waiting(self) -> set[int]: ...
    def forget(self, images: Collection[int]) -> None: ...


class Counters(Protocol):
    """Numbers, none ever given twice."""

    def next(self) -> int: ...


class Mail:
    """One device's end."""

    def __init__(
        self,
        sender: NodeEnd,
        outbox: Outbox,
        counters: Counters,
        timing: LinkTiming,
        governor: Governor,
    ) -> None:
        self._outbox, self._counters, self._timing = outbox, counters, timing
        self._piece_bytes, _ = sender.chunk_bytes()
        self._gathering = Gathering()
        poll_s = timing.airtime_s(FIRST_CHUNK_OVERHEAD_BYTES + HAVE_BYTES)
        longest_s = poll_s / (POLL_SHARE * (governor.share or 1.0))
        self._pause = Pause(FIRST_POLL_S, max(LONGEST_POLL_S, longest_s))
        self._asking: int | None = None
        "The image that says what is here."
        self._news_s: float | None = None
        "When a piece came, since it was asked for."
        self._poll_s = -float("inf")

    def put(self, message: bytes, now_s: float) -> None:
        """To the gateway; ValueError where it is too long for this link."""
        for piece in cut(message, self._piece_bytes):
            self._outbox.put(self._counters.next(), [piece], now_s)
        self._poll_s = -float("inf")

    def heard(self, heard: object, now_s: float) -> bytes | None:
        """A message of the server, when it is whole; ValueError for a piece that is none."""
        if isinstance(heard, PartHeard):
            piece = read_piece(heard.content)
            if isinstance(piece, Have):
                raise ValueError("the gateway says what it has; only a device does: update it")
            self._news_s = now_s
            return self._gathering.take(piece)
        if isinstance(heard, Acknowledged) and self._asking in heard.delivered:
            self._answered(now_s)
        return None

    def due_s(self, now_s: float) -> float:
        """When poll has something to do."""
        if self._asking is None:
            return self._poll_s
        # what it says is not true any more
        return float("inf") if self._news_s is None else self._news_s + self._timing.report_wait_s

    def poll(self, now_s: float) -> None:
        """Say what is here, if it is time and nothing else asks."""
        if now_s < self.due_s(now_s):
            return
        if self._asking is not None:
            self._outbox.forget({self._asking})
            self._answered(now_s)
        elif self._outbox.waiting():
            self._poll_s = now_s + FIRST_POLL_S
            return
        self._asking, self._news_s = self._counters.next(), None
        self._outbox.put(self._asking, [self._gathering.have.pack()], now_s)

    def _answered(self, now_s: float) -> None:
        self._asking = None
        if self._news_s is None:
            self._poll_s = now_s + self._pause.failed()
        else:
            self._pause.worked()
            self._poll_s = now_s
