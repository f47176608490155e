"""Packets over UDP: to whom they go, and from whom they are taken."""

import socket

import pytest

from link.carriers.carrier import (
    CarrierSettings,
    NotSentError,
    PortError,
    Received,
    open_carrier,
)
from link.medium.profiles import get_profile
from tests.link.carriers.conftest import packets


def udp(port="127.0.0.1:0", peers=()):
    return open_carrier(CarrierSettings(get_profile("udp"), port, peers=peers))


def test_an_answer_goes_to_where_the_packet_came_from_and_to_nobody_else():
    host, stranger = udp(), udp()
    node, bystander = udp(peers=(f"127.0.0.1:{host.port}",)), udp(peers=(f"127.0.0.1:{host.port}",))
    bystander.send(b"who is there")
    node.send(b"hello")
    received: list[Received] = []
    while len(received) < 2:
        received += host.receive(5.0)
    [origin] = [one.origin for one in received if one.packet == b"hello"]
    host.send(b"REPORT", origin)
    assert packets(node.receive(5.0)) == [b"REPORT"]
    assert bystander.receive(0.01) == node.receive(0.01) == []
    for end in (host, stranger, node, bystander):
        end.close()


def test_a_packet_that_has_nobody_to_go_to_is_not_sent():
    host = udp()
    with pytest.raises(NotSentError, match="has nobody to go to: set peers"):
        host.send(b"REPORT")
    assert host.statistics.n_sent == 0
    host.close()


@pytest.mark.parametrize(
    "nowhere", [("127.0.0.1", 0), ("255.255.255.255", 4300), ("240.0.0.1", 4300)]
)
def test_an_address_to_which_nothing_can_leave_is_no_trouble_of_the_port(nowhere):
    host, node = udp(), udp()
    with pytest.raises(
        NotSentError, match=f"UDP packets to {nowhere[0]}:{nowhere[1]} cannot leave"
    ):
        host.send(b"REPORT", nowhere)
    host.send(b"REPORT", ("127.0.0.1", node.port))
    assert packets(node.receive(5.0)) == [b"REPORT"]
    assert (host.statistics.n_sent, host.statistics.n_refused) == (1, 1)
    host.close()
    node.close()


def test_a_peer_that_cannot_be_reached_takes_nothing_from_the_others():
    node = udp()
    gateway = udp(peers=("255.255.255.255:4300", f"127.0.0.1:{node.port}"))
    gateway.send(b"to both")
    assert packets(node.receive(5.0)) == [b"to both"]
    assert (gateway.statistics.n_sent, gateway.statistics.n_refused) == (1, 1)
    node.close()
    gateway.close()


def test_with_peers_named_strangers_are_not_listened_to_and_lengths_are_kept():
    node = udp(peers=("127.0.0.1:9",))
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.sendto(b"hello", ("127.0.0.1", node.port))
    assert node.receive(0.2) == []
    host = udp()
    stranger.sendto(bytes(256), ("127.0.0.1", host.port))
    stranger.sendto(bytes(255), ("127.0.0.1", host.port))
    assert packets(host.receive(5.0)) == [bytes(255)]
    assert (node.statistics.n_noise, host.statistics.n_noise) == (1, 1)
    stranger.close()
    node.close()
    host.close()


def test_a_peer_that_is_not_there_yet_is_no_failure():
    vacant = udp()
    address = f"127.0.0.1:{vacant.port}"
    vacant.close()
    node = udp(peers=(address,))
    for _ in range(5):
        node.send(b"hello")
        assert node.receive(0.02) == []
    host = udp(address)
    node.send(b"now")
    assert packets(host.receive(5.0)) == [b"now"]
    node.close()
    host.close()


def test_every_peer_gets_every_packet_and_many_are_handed_over_at_a_time():
    hosts = [udp() for _ in range(3)]
    gateway = udp(peers=tuple(f"127.0.0.1:{host.port}" for host in hosts))
    for number in range(20):
        gateway.send(bytes([number]))
    for host in hosts:
        received: list[bytes] = []
        while len(received) < 20 and (more := packets(host.receive(5.0))):
            received += more
        assert received == [bytes([number]) for number in range(20)]
        host.close()
    gateway.close()


def test_addresses_that_cannot_be_are_told_in_a_sentence():
    with pytest.raises(ValueError, match='"4300" is no UDP address: write host:port'):
        udp("4300")
    with pytest.raises(ValueError, match='"host:port" is no UDP address'):
        udp(peers=("host:port",))
    with pytest.raises(ValueError, match=r'nobody can be at "127.0.0.1:0"'):
        udp(peers=("127.0.0.1:0",))
    taken = udp()
    with pytest.raises(
        PortError, match=rf"UDP 127.0.0.1:{taken.port} cannot be used .*give an address of this"
    ):
        udp(f"127.0.0.1:{taken.port}")
    taken.close()


def test_one_of_several_peers_is_spoken_to_by_its_name():
    hosts = [udp() for _ in range(2)]
    names = tuple(f"127.0.0.1:{host.port}" for host in hosts)
    node = udp(peers=names)
    node.send(b"to you", names[1])
    assert packets(hosts[1].receive(5.0)) == [b"to you"]
    assert hosts[0].receive(0.01) == []
    with pytest.raises(NotSentError, match="nobody to go to"):
        node.send(b"to whom", "127.0.0.1:9")
    for end in (node, *hosts):
        end.close()


@pytest.mark.parametrize("interface", ["127.0.0.1", "0.0.0.0"])
def test_one_datagram_reaches_everybody_in_a_group(interface):
    free = udp()
    number = free.port
    free.close()
    settings = CarrierSettings(
        get_profile("udp"), f"{interface}:{number}", multicast=f"239.77.0.1:{number}"
    )
    ends = [open_carrier(settings) for _ in range(3)]
    ends[0].send(b"all of you")
    for end in ends:
        assert packets(end.receive(5.0)) == [b"all of you"], "its sender too"
        end.close()


def test_a_group_that_is_none_is_told_in_a_sentence():
    settings = CarrierSettings(get_profile("udp"), "127.0.0.1:0", multicast="10.0.0.1:4310")
    with pytest.raises(PortError, match=r"multicast group .* cannot be joined"):
        open_carrier(settings)
