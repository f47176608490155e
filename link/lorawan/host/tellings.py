"""Tellings through a network: commands, and the images that need no more while the node still has
chunks of them.
"""

from collections import deque

from link.base.recent import Recent
from link.lorawan.wire import pack_enough
from link.wire.control import Command, pack_command
from link.wire.packet import PacketType

TELL_AGAIN_AFTER = 2
"Chunks of an image that come after all before the node is told once more."
MAX_ENOUGH = 16
"Images that one REPORT names, the latest."
MAX_IMAGES = 64


class NetworkTellings:
    """What one node is to be told, each in a packet for its network."""

    def __init__(self, has_downlink: bool) -> None:
        self._has_downlink = has_downlink
        self._commands: deque[Command] = deque()
        self._is_complete: Recent[int, bool] = Recent(MAX_IMAGES)
        "Images of late: whether their last chunk is here."
        self._enough: Recent[int, None] = Recent(MAX_ENOUGH)
        self._n_since_told: Recent[int, int] = Recent(MAX_IMAGES)
        "Images that the node was told are enough: chunks that came since."

    @property
    def are_due(self) -> bool:
        """Whether there are any."""
        return bool(self._commands or self._enough)

    def command(self, command: Command) -> None:
        """Once, however often it is wanted before it is told."""
        if self._has_downlink and command not in self._commands:
            self._commands.append(command)

    def came(self, image: int, is_complete: bool) -> None:
        """A chunk of this image."""
        self._is_complete[image] = is_complete

    def enough(self, image: int) -> None:
        """It needs no more. One chunk may still come; with two, the node has not heard."""
        if not self._has_downlink or self._is_complete.get(image, True):
            return
        n_chunks = self._n_since_told.pop(image, TELL_AGAIN_AFTER - 1) + 1
        if n_chunks >= TELL_AGAIN_AFTER:
            self._enough.setdefault(image)
            n_chunks = 0
        self._n_since_told[image] = n_chunks

    def next(self) -> tuple[PacketType, bytes]:
        """Type and body: a command, or the images that need no more; one of them is due."""
        if self._commands:
            return PacketType.COMMAND, pack_command(self._commands.popleft())
        body = pack_enough(self._enough)
        self._enough.clear()
        return PacketType.REPORT, body
