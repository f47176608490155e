"""The other end of a node's port: it takes what arrives and, if it answers, acknowledges it as a
host does.
"""

import os
import threading
import time
import tty
from contextlib import contextmanager

from link.host.interface import NodeEntry, Rejected, StatusHeard, Update
from link.host.receiver import Receiver
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.framing import Deframer, frame


@contextmanager
def far_end(path):
    """File descriptor of a terminal's far end, opened without waiting."""
    far = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(far)
    yield far
    os.close(far)


class FarHost:
    """Runs in a thread of its own as a context manager; `far` is the file descriptor of the port's
    far end.
    """

    def __init__(self, home, far, profile="serial-115200", answers=True, state=None):
        timing = LinkTiming(get_profile(profile)) if answers else None
        self._node = home.node
        self._receiver = Receiver(
            {home.node: NodeEntry(home.key, home.bundle, state=state)}, timing
        )
        self._far = far
        self._deframer = Deframer()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.packets: list[bytes] = []
        self.updates: list[Update] = []
        self.rejected: list[Rejected] = []
        self.statuses: list[StatusHeard] = []

    @property
    def state(self):
        return self._receiver.state(self._node)

    @property
    def complete(self) -> list[Update]:
        """One update for each whole image, in the order of arrival."""
        return [update for update in self.updates if update.is_complete]

    def wait_for(self, n_images, timeout_s=60.0):
        deadline_s = time.monotonic() + timeout_s
        while len(self.complete) < n_images:
            assert time.monotonic() < deadline_s, f"{len(self.complete)} of {n_images} images came"
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _serve(self):
        """Until it is over, and nothing is in the port any more."""
        is_over = False
        while not is_over:
            is_over, now_s, received = self._is_over.is_set(), time.monotonic(), self._read()
            is_over = is_over and not received
            for packet in self._deframer.push(received):
                self._take(packet, now_s)
            if (downlink := self._receiver.next_packet(now_s)) is not None:
                os.write(self._far, frame(downlink.packet))
                self._receiver.transmitted(time.monotonic())
            time.sleep(0.002)

    def _take(self, packet, now_s):
        self.packets.append(packet)
        for event in self._receiver.receive(packet, now_s):
            if isinstance(event, Update):
                self.updates.append(event)
            elif isinstance(event, Rejected):
                self.rejected.append(event)
            elif isinstance(event, StatusHeard):
                self.statuses.append(event)
            if event.counter is not None:
                self._receiver.confirm(self._node, event.counter)

    def _read(self):
        try:
            return os.read(self._far, 65536)
        except OSError:
            return b""
