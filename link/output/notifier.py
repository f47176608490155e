"""sd_notify: a node or a host tells systemd that it started and that it works; silent where nobody
listens.

The watchdog is fed by completed work and never by a thread of its own: a node whose camera or line
hangs, a host whose disk hangs stops feeding and is started again. Protocol: sd_notify(3), datagrams
of KEY=VALUE lines.
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """The service manager's socket; without one (a shell, a test) every call does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @property
    def is_heard(self) -> bool:
        """Whether a service manager started this program, and would start it again."""
        return bool(self._address)

    def ready(self) -> None:
        """Everything is loaded and open; systemd counts the service as started."""
        self._send("READY=1")

    def worked(self) -> None:
        """An image was queued, a packet sent or stored, or there was nothing to do."""
        self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """What `systemctl status` shows."""
        self._send("STATUS=" + sentence.replace("\n", " "))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto(message.encode(), self._address)
        except OSError:
            pass  # it works on when its manager does not listen
