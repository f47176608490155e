"""Queues: images of several bundles wait, each kind in an outbox of its own, and take turns.

A packet is sealed for one bundle, so a session of the link speaks for one queue. What earlier
bundles left goes first. If it finds no ear, since the host may lack that bundle, the node's own
images have their turn, and what waits is tried again after pauses that grow. Nothing is dropped:
each try begins with a HELLO, which tells the host what it lacks.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from device.config import NodeConfig
from device.outbox.outbox import Outbox, open_outbox
from link.base import Pause, boot_id
from link.bundle.manifest import ID_BYTES
from link.node import NodeEnd, Outgoing

OUTBOX_FILE = "outbox-{}.sqlite"
"By the id of the bundle that made what waits in it."
HEX_DIGIT = "[0-9a-f]"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 3600.0
"Between two tries of images for which there was no ear."


@dataclass
class Queue:
    """Images of one bundle that wait."""

    bundle_id: bytes
    outbox: Outbox
    due_s: float = -float("inf")
    "When it is worth a try again."
    pause: Pause = field(default_factory=lambda: Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S))

    def close(self) -> None:
        self.outbox.close()

    def remove(self) -> None:
        """Everything in it has arrived."""
        self.close()
        for path in self.outbox.path.parent.glob(self.outbox.path.name + "*"):
            path.unlink(missing_ok=True)


def open_queues(config: NodeConfig, bundle_id: bytes | None) -> list[Queue]:
    """What earlier bundles left, in the order of their newest images, and last the queue of this
    bundle.

    None: there is no bundle and nothing will be put; one queue there is in any case, if need be of
    memory alone.
    """

    def opened(one: bytes) -> Queue:
        path = config.state_dir / OUTBOX_FILE.format(one.hex())
        return Queue(one, open_outbox(path, config.max_queue_bytes, boot_id()))

    found = config.state_dir.glob(OUTBOX_FILE.format(HEX_DIGIT * 2 * ID_BYTES))
    ids = sorted(bytes.fromhex(path.stem.partition("-")[2]) for path in found)
    earlier = sorted(
        (opened(one) for one in ids if one != bundle_id),
        key=lambda queue: queue.outbox.newest_image,
    )
    if bundle_id is None:
        return earlier or [Queue(bytes(ID_BYTES), Outbox(":memory:"))]
    return [*earlier, opened(bundle_id)]


class Turns:
    """Whose images are sent now, and by which sender."""

    def __init__(
        self,
        queues: Sequence[Queue],
        new_sender: Callable[[Queue, bool], NodeEnd],
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Images go into the last of the queues; `new_sender` is told whether one is earlier."""
        *self._earlier, self.own = queues
        self._new_sender = new_sender
        self._say = say
        self.current = queues[0]
        self.sender = new_sender(self.current, self.current is not self.own)
        self._n_missed_before = 0
        "By the sender before this one, without an answer since."

    @property
    def is_own(self) -> bool:
        """Whether it is the turn of the images that are captured now."""
        return self.current is self.own

    @property
    def n_images(self) -> int:
        """That wait, in all queues."""
        return sum(queue.outbox.n_images for queue in (*self._earlier, self.own))

    def waiting(self) -> set[int]:
        """The images that wait, of all queues."""
        return set().union(*(queue.outbox.waiting() for queue in (*self._earlier, self.own)))

    def forget(self, images: Collection[int]) -> None:
        """Others have seen to these."""
        for queue in (*self._earlier, self.own):
            queue.outbox.forget(images)

    def next_packet(self, now_s: float) -> Outgoing | None:
        """What the queue whose turn it is has to say now; None: nothing."""
        if not self.is_own and not self.current.outbox.n_images:
            self.sender.expect_no_image()  # its last image has left, and no other follows
        return self.sender.next_packet(now_s)

    def move_on(self, now_s: float) -> None:
        """Between two packets: let another queue have its turn if it is time."""
        self._n_missed_before = min(self._n_missed_before, self.sender.n_missed)
        if not self.is_own:
            self._leave_earlier(now_s)
        elif any(self._may_interrupt(queue, now_s) for queue in self._earlier):
            self._turn_to(min(self._earlier, key=lambda queue: queue.due_s))

    def _may_interrupt(self, queue: Queue, now_s: float) -> bool:
        """The node's own images come first, but not for ever."""
        is_quiet = self.sender.is_idle(now_s) or self.sender.is_unheard
        return now_s >= queue.due_s + (0.0 if is_quiet else LONGEST_PAUSE_S)

    def _leave_earlier(self, now_s: float) -> None:
        queue = self.current
        if not queue.outbox.n_images:
            self._earlier.remove(queue)
            queue.remove()
        elif self.sender.is_unheard and self.sender.n_missed > self._n_missed_before:
            if not queue.pause.n_failed:
                self._say(
                    f"nobody answers to {queue.outbox.n_images} images that wait of bundle "
                    f"{queue.bundle_id.hex()}: "
                    "perhaps the host lacks it; newer images go first, and these are tried again"
                )
            queue.due_s = now_s + queue.pause.failed()
        else:
            return
        others = [other for other in self._earlier if other.due_s <= now_s]
        self._turn_to(others[0] if others else self.own)

    def _turn_to(self, queue: Queue) -> None:
        before, self.current = self.sender, queue
        self.sender = self._new_sender(queue, not self.is_own)
        self.sender.take_over(before)
        self._n_missed_before = self.sender.n_missed
