"""UDP: a packet is a datagram. For ends on a network, and for gateways that forward what they hear.

With peers, every packet goes to each of them, or to the one that `send` names, and only they are
listened to; they may be named before they are there, and are looked up again and again
(link.peers). Without, a packet goes to the address that `send` is given: the origin of a packet
received before, once the seal has told that it was genuine. A datagram alone is not trusted and
nothing is ever sent to where it claims to come from. In a multicast group one datagram reaches all,
its sender too.
"""

import socket
import struct
import time
from contextlib import suppress

from link.carriers.carrier import (
    CarrierSettings,
    CarrierStatistics,
    NotSentError,
    PortError,
    Received,
    check_packet,
)
from link.carriers.peers import Address, Peers, look_up, split_address

ANY = "0.0.0.0"
MAX_BATCH = 64
"Datagrams handed over at a time."
SEND_S = 1.0
"A datagram leaves at once or the network is stuck."
N_TRIES = 2
"A refusal that the system reports is of an earlier packet, and this one has not left."


class Udp:
    """A socket that sends and receives packets."""

    def __init__(self, settings: CarrierSettings) -> None:
        self.max_packet_bytes = settings.profile.max_packet_bytes
        self.statistics = CarrierStatistics()
        if nobody := [peer for peer in settings.peers if peer.endswith(":0")]:
            raise ValueError(
                f'nobody can be at "{nobody[0]}": write the port at which that end receives'
            )
        self._group = split_address(settings.multicast) if settings.multicast else None
        self._socket = _join(settings.port, self._group) if self._group else _bind(settings.port)
        try:
            self._peers = Peers(settings.peers)
        except (ValueError, PortError):
            self._socket.close()
            raise

    @property
    def port(self) -> int:
        """The port in use: with port 0 in the settings the system has chosen one."""
        number: int = self._socket.getsockname()[1]
        return number

    def send(self, packet: bytes, to: Address | str | None = None) -> None:
        """To the group; to all peers, or the one of that name; without peers to the origin of a
        packet received. NotSentError when it leaves to nobody.
        """
        check_packet(packet, self.max_packet_bytes)
        addresses = self._addresses(to)
        if not addresses:
            raise NotSentError(
                "a UDP packet has nobody to go to: set peers to the other end's address, or wait "
                "until a packet of the node has come"
            )
        failures = [
            failure
            for address in addresses
            if (failure := self._send_to(packet, address)) is not None
        ]
        if len(failures) == len(addresses):
            raise NotSentError(f"{failures[0]}: is the network up?")
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

    def fileno(self) -> int:
        """To be waited for together with others; whatever waits to be received is behind it."""
        return self._socket.fileno()

    def notices(self) -> list[str]:
        """Sentences on peers whose address is not known."""
        return self._peers.notices()

    def close(self) -> None:
        self._peers.close()
        self._socket.close()

    def _addresses(self, to: Address | str | None) -> list[Address]:
        if self._group:
            return [self._group]
        if isinstance(to, str):
            address = self._peers.address(to)
            return [address] if address else []
        return self._peers.addresses if self._peers else [to] if to else []

    def _send_to(self, packet: bytes, address: Address) -> str | None:
        """Why it has not left; None when it has."""
        self._socket.settimeout(SEND_S)
        for _ in range(N_TRIES):
            try:
                self._socket.sendto(packet, address)
                return None
            except ConnectionRefusedError as error:
                failure = error
            except OSError as error:
                self.statistics.n_refused += 1
                return f"UDP packets to {address[0]}:{address[1]} cannot leave ({error})"
            self.statistics.n_refused += 1
        return f"UDP packets to {address[0]}:{address[1]} are refused ({failure})"

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
        is_stranger = bool(self._peers) and address not in self._peers.addresses
        # nobody can be at port 0
        if len(datagram) > self.max_packet_bytes or is_stranger or not address[1]:
            self.statistics.n_noise += 1
            return []
        self.statistics.n_received += 1
        return [Received(datagram, origin=None if self._peers else address)]


def _bind(text: str) -> socket.socket:
    address = look_up(*split_address(text))
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise PortError(
            f"UDP {text} cannot be used ({error}): give an address of this machine and a port that "
            "no other program has, such as 0.0.0.0:4300"
        ) from None
    return opened


def _join(text: str, group: Address) -> socket.socket:
    """A socket of the group, on the interface that has this address, on all of them at 0.0.0.0;
    several programs of a machine may have one.
    """
    interface, _ = look_up(*split_address(text))
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(group)
        asked = socket.inet_aton(group[0]) + socket.inet_aton(interface)
        if interface == ANY:
            n_joined = 0
            for number, _ in socket.if_nameindex():
                with suppress(OSError):  # one that is down
                    request = asked + struct.pack("@i", number)
                    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
                    n_joined += 1
            if not n_joined:
                raise OSError("no interface takes part")
        else:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, asked)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, asked[4:])
    except OSError as error:
        opened.close()
        raise PortError(
            f"multicast group {group[0]}:{group[1]} cannot be joined at {text} ({error}): give an "
            "address of this machine, or 0.0.0.0, and a group such as 239.77.0.1:4310"
        ) from None
    return opened
