"""UDP: a packet is a datagram. For ends on a network, and for gateways that forward what they hear.

With peers, every packet goes to each of them and only they are listened to; they may be named before they are there.
Without, packets go to the addresses that packets came from last. A datagram is not trusted here: the seal tells.
"""

import socket
import time
from collections import OrderedDict

from link.carrier import CarrierSettings, CarrierStatistics, PortError, Received, check_packet

MAX_REMEMBERED = 16
"Addresses that answers go to."
MAX_BATCH = 64
"Datagrams handed over at a time."

Address = tuple[str, int]


class Udp:
    """A socket that sends and receives packets."""

    def __init__(self, settings: CarrierSettings) -> None:
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self.statistics = CarrierStatistics()
        self._peers = [_address(peer) for peer in settings.peers]
        self._heard_from: OrderedDict[Address, None] = OrderedDict()
        self._socket = _bind(settings.port)

    @property
    def port(self) -> int:
        """The port in use: with port 0 in the settings the system has chosen one."""
        number: int = self._socket.getsockname()[1]
        return number

    def send(self, packet: bytes) -> None:
        check_packet(packet, self.max_packet_bytes)
        for address in self._peers or list(self._heard_from):
            try:
                self._socket.sendto(packet, address)
            except ConnectionRefusedError:
                self.statistics.n_refused += 1  # tells of an earlier packet: its end was not there yet
            except OSError as error:
                raise PortError(
                    f"UDP packets to {address[0]}:{address[1]} cannot leave ({error}): is the network up?"
                ) from None
        self.statistics.n_sent += 1

    def receive(self, timeout_s: float) -> list[Received]:
        deadline_s = time.monotonic() + timeout_s
        received: list[Received] = []
        for _ in range(MAX_BATCH):
            wait_s = 0.0 if received else deadline_s - time.monotonic()
            datagram = self._next(max(0.0, wait_s))
            if datagram is not None:
                received += self._accept(*datagram)
            elif received or wait_s <= 0:
                break
        return received

    def close(self) -> None:
        self._socket.close()

    def _next(self, wait_s: float) -> tuple[bytes, Address] | None:
        self._socket.settimeout(wait_s)
        try:
            return self._socket.recvfrom(self.max_packet_bytes + 1)
        except (TimeoutError, BlockingIOError):
            return None
        except ConnectionRefusedError:
            self.statistics.n_refused += 1
            return None
        except OSError as error:
            raise PortError(f"UDP socket failed ({error}): is the network up?") from None

    def _accept(self, datagram: bytes, address: Address) -> list[Received]:
        if len(datagram) > self.max_packet_bytes or (self._peers and address not in self._peers):
            self.statistics.n_noise += 1
            return []
        self._heard_from.pop(address, None)
        self._heard_from[address] = None
        if len(self._heard_from) > MAX_REMEMBERED:
            self._heard_from.popitem(last=False)
        self.statistics.n_received += 1
        return [Received(datagram)]


def _bind(text: str) -> socket.socket:
    address = _address(text)
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise PortError(
            f"UDP {text} cannot be used ({error}): give an address of this machine and a port that no other program "
            "has, such as 0.0.0.0:4300"
        ) from None
    return opened


def _address(text: str) -> Address:
    """ "host:port" to the pair, the host's address looked up."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{text}" is no UDP address: write host:port, such as 192.168.1.5:4300')
    try:
        return socket.gethostbyname(host), int(port)
    except OSError as error:
        raise PortError(f"host {host} is not known ({error}): write its address, or mend the name service") from None
