"""Uplink: the modem of one member, in a thread of its own: a frame on the air may take seconds, and
an exchange between members has milliseconds.

    put      an image, to be sent now, or kept in case that whoever sends it cannot
    speaks   whether this member is the one that sends: the aggregator
    forget   the host has these: another member says so
    settled  the host has these, or they have left to a host that never answers

Kept images lie in the outbox like those to be sent, so both survive the end of the process and take
the same way when this member's turn comes; only what is sent by it waits for the disk.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Collection
from queue import SimpleQueue

from device.link_end import LinkEnd
from link.base import Pause, boot_s
from link.picture import UnreadableImageError

POLL_S = 0.01
"Longest that a new image waits for this thread to listen less."
MAX_ORDERS = 1000
"""That wait for a modem which hangs; further images are left out, and of those to be forgotten the
oldest are kept: the host counts each once.
"""
FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0
"Before a disk that takes nothing is tried again."
HANGS_AFTER_S = 30.0
"No modem takes so long over a packet."
CLOSE_S = 0.3
"A port that does not return for longer is left behind."


class Uplink:
    """The link's end of a member with a modem."""

    def __init__(self, link: LinkEnd, say: Callable[[str], None]) -> None:
        self._link = link
        self._say = say
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._forgotten: deque[int] = deque(maxlen=MAX_ORDERS)
        self._told: deque[str | None] = deque(maxlen=1)
        self._settled: SimpleQueue[tuple[int, ...]] = SimpleQueue()
        self._waiting = link.turns.waiting()
        self._wants_image = False
        self.speaks = False
        "This member sends; else it keeps."
        self._is_over = threading.Event()
        self._failure: BaseException | None = None
        self._rest = Pause(FIRST_REST_S, LONGEST_REST_S)
        self._rested_s = -math.inf
        self._turned_s = boot_s()
        "When the thread was last seen at work."
        self._thread = threading.Thread(target=self._serve, name="uplink", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> frozenset[int]:
        """Images that were put, now or before this start, and have not arrived yet."""
        return frozenset(self._waiting)

    @property
    def has_work(self) -> bool:
        """Whether something waits to be put, sent or acknowledged."""
        orders = not self._orders.empty() or bool(self._forgotten)
        return bool(self._waiting) or orders or not self._settled.empty()

    @property
    def is_done(self) -> bool:
        """Whether all that was put has arrived, or another has seen to it."""
        return not self.has_work and self._link.is_done

    @property
    def is_proved(self) -> bool:
        """The settings work."""
        return self._link.is_proved

    @property
    def newest_counter(self) -> int:
        """The counter of the packet that left last; -1: none has."""
        return self._link.newest_counter

    @property
    def unix_offset_s(self) -> float | None:
        return self._link.unix_offset_s

    def is_well(self, now_s: float) -> bool:
        """Whether packets leave, or would: another may speak meanwhile. A failure of the keys, that
        ended it.
        """
        if self._failure is not None:
            raise self._failure
        is_at_work = self._rested_s <= now_s < self._turned_s + HANGS_AFTER_S
        return is_at_work and self._link.is_well(now_s)

    @property
    def wants_image(self) -> bool:
        """Whether an image that is captured now would leave soon, of the one that sends."""
        return self._wants_image and self._orders.empty()

    def put(
        self,
        image: int,
        bitstream: bytes,
        captured_s: float,
        told: Callable[[int], None] = lambda n_chunks: None,
    ) -> None:
        """`told` is called, in the other thread, with the number of chunks when it is stored."""
        if self._orders.qsize() >= MAX_ORDERS:
            return
        self._wants_image = False
        self._orders.put(lambda: self._put(image, bitstream, captured_s, told))

    def forget(self, images: Collection[int]) -> None:
        self._forgotten.extend(images)

    def tell(self, fault: str | None) -> None:
        """The host, while this member sends: what keeps it from its work."""
        self._told.append(fault)

    def take_settled(self) -> list[int]:
        """Images that need not be kept any more, as this member knows by itself."""
        images: list[int] = []
        while not self._settled.empty():
            images += self._settled.get()
        return images

    def close(self) -> None:
        """What waits stays in its file."""
        self._is_over.set()
        self._thread.join(CLOSE_S)

    def _put(
        self, image: int, bitstream: bytes, captured_s: float, told: Callable[[int], None]
    ) -> None:
        if image in self._waiting:
            return
        try:
            n_chunks, _ = self._link.put(bitstream, captured_s, image, is_durable=self.speaks)
        except UnreadableImageError as error:
            self._say(str(error))
            return
        self._waiting.add(image)
        told(n_chunks)

    def _serve(self) -> None:
        try:
            while not self._is_over.is_set():
                try:
                    self._turn()
                    if self._turned_s > self._rested_s + LONGEST_REST_S:
                        self._rest.worked()
                except OSError as error:  # a full disk keeps nobody from computing
                    self._be_without(error)
        except BaseException as error:  # for the thread that asks next
            if not self._is_over.is_set():
                self._failure = error

    def _be_without(self, error: OSError) -> None:
        if not self._rest.n_failed:
            self._say(f"{error}; it is tried again, and meanwhile another modem has to speak")
        rest_s = self._rest.failed()
        self._rested_s = boot_s() + rest_s
        self._is_over.wait(rest_s)

    def _follow_orders(self) -> None:
        """All of them, should one fail too; what is forgotten was put before."""
        forgotten = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
        failed: OSError | None = None
        while not self._orders.empty():
            try:
                self._orders.get()()
            except OSError as error:
                failed = error
        if forgotten:
            self._link.turns.forget(forgotten)
        while self._told:
            self._link.tell(self._told.popleft())
        if failed is not None:
            raise failed

    def _turn(self) -> None:
        link, self._turned_s = self._link, boot_s()
        link.end_transmission(boot_s())
        self._follow_orders()
        if self.speaks or not link.is_idle:
            link.transmit(boot_s())
        now_s = boot_s()
        link.governor.keep_time(now_s)
        due_s = link.next_due_s(now_s) if self.speaks or not link.is_idle else None
        wait_s = POLL_S if due_s is None else min(POLL_S, due_s - now_s)
        link.listen(max(0.0, wait_s) if self._orders.empty() else 0.0)
        if len(self._waiting) > link.turns.n_images:
            gone = self._waiting - link.turns.waiting()
            self._waiting -= gone
            self._settled.put(tuple(sorted(gone)))
        self._wants_image = self._orders.empty() and link.wants_image(boot_s())
