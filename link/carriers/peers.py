"""Peers: the addresses of other ends that a person gave by name, each looked up by itself, and
again every minute.

One that is switched off, or whose name is unknown today, keeps no other from being spoken to; one
that gets another address is followed. A name service that hangs holds up nobody.
"""

import socket
import threading
from collections.abc import Sequence

from link.carriers.carrier import PortError
from link.carriers.deadline import within

RESOLVE_S = 5.0
LONGEST_S = 2 * RESOLVE_S
"When each has been looked up or has failed."
PERIOD_S = 60.0

Address = tuple[str, int]


class Peers:
    """ "host:port" of each, whose addresses are looked up until `close`."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises ValueError for what is no address, PortError when none of them is known."""
        self._ports = {name: split_address(name) for name in dict.fromkeys(names)}
        self._addresses = {
            name: address for name, address in self._ports.items() if is_numeric(address[0])
        }
        self._failures: dict[str, str] = {}
        self._told: set[str] = set()
        self._change = threading.Condition()
        self._is_closed = threading.Event()
        for name in self._ports.keys() - self._addresses.keys():
            threading.Thread(
                target=self._follow, args=[name], name=f"looking up {name}", daemon=True
            ).start()
        with self._change:
            self._change.wait_for(
                lambda: len(self._addresses) + len(self._failures) == len(self._ports), LONGEST_S
            )
            if names and not self._addresses:
                self._is_closed.set()
                raise PortError(self._failures[min(self._failures)])

    def __bool__(self) -> bool:
        """Whether anybody was named."""
        return bool(self._ports)

    @property
    def addresses(self) -> list[Address]:
        """As far as they are known."""
        with self._change:
            return list(self._addresses.values())

    def address(self, name: str) -> Address | None:
        """Where the peer of that name is, as far as is known."""
        with self._change:
            return self._addresses.get(name)

    def notices(self) -> list[str]:
        """A sentence on each that is not known, once."""
        with self._change:
            new = [sentence for name, sentence in self._failures.items() if name not in self._told]
            self._told |= self._failures.keys()
            return [
                f"{sentence}; until then nothing goes there, and the others are served"
                for sentence in new
            ]

    def close(self) -> None:
        self._is_closed.set()

    def _follow(self, name: str) -> None:
        while not self._is_closed.is_set():
            try:
                self._found(name, look_up(*self._ports[name]), "")
            except PortError as error:
                self._found(name, None, str(error))
            self._is_closed.wait(PERIOD_S)

    def _found(self, name: str, address: Address | None, failure: str) -> None:
        with self._change:
            if address is not None:
                self._addresses[name] = address
                self._failures.pop(name, None)
            elif name not in self._addresses:  # else it is probably still where it was
                self._failures[name] = failure
            self._change.notify_all()


def split_address(text: str) -> tuple[str, int]:
    """Host and port of "host:port"; ValueError with a sentence."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f'"{text}" is no UDP address: write host:port, such as 192.168.1.5:4300')
    return host, int(port)


def is_numeric(host: str) -> bool:
    """Whether it is an IPv4 address in full, which is known without asking anybody."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def look_up(host: str, port: int) -> Address:
    """The address of a host; PortError with a sentence, in any case within RESOLVE_S."""
    if is_numeric(host):
        return host, port
    try:
        return within(RESOLVE_S, lambda: socket.gethostbyname(host), f"looking up {host}"), port
    except PortError:
        raise
    except (OSError, ValueError) as error:
        raise PortError(
            f"host {host} is not known ({error}): write its address, or mend the name service"
        ) from None
