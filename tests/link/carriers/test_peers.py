"""Peers given by name, over real sockets; the name service is the test's own where its answers
change.
"""

import socket
import threading

import pytest

from link.carriers import peers
from link.carriers.carrier import CarrierSettings, PortError, open_carrier
from link.medium.profiles import get_profile

PATIENCE_S = 10.0
UNKNOWN = "a" * 64 + ":4300"
"Longer than any name's part may be, so nobody is asked for it."


def udp(*names: str):
    return open_carrier(CarrierSettings(get_profile("udp"), "127.0.0.1:0", peers=names))


@pytest.fixture
def name_service(monkeypatch):
    """Addresses by name, as they are at present; looked up all the time."""
    known: dict[str, str] = {}

    def look_up(name: str) -> str:
        if name not in known:
            raise socket.gaierror("unknown")
        return known[name]

    monkeypatch.setattr(socket, "gethostbyname", look_up)
    monkeypatch.setattr(peers, "PERIOD_S", 0.01)
    return known


def arrives(gateway, end) -> bool:
    """Whether what the gateway sends comes there, sooner or later."""
    for _ in range(int(PATIENCE_S / 0.05)):
        gateway.send(b"REPORT")
        if end.receive(0.05):
            return True
    return False


def test_a_peer_whose_name_is_unknown_keeps_no_other_from_being_served():
    node = udp()
    gateway = udp(UNKNOWN, f"127.0.0.1:{node.port}")
    gateway.send(b"REPORT")
    assert [one.packet for one in node.receive(PATIENCE_S)] == [b"REPORT"]
    [sentence] = gateway.notices()
    assert sentence.startswith(f"host {'a' * 64} is not known")
    assert sentence.endswith("until then nothing goes there, and the others are served")
    assert gateway.notices() == []
    gateway.close()
    node.close()


def test_a_port_none_of_whose_peers_is_known_cannot_be_had():
    with pytest.raises(
        PortError, match=r"is not known .*write its address, or mend the name service"
    ):
        udp(UNKNOWN)


def test_a_peer_is_served_once_its_name_is_known_and_followed_to_another_address(name_service):
    here, there = udp(), udp()
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    elsewhere.bind(("127.0.0.2", there.port))
    elsewhere.settimeout(0.05)
    name_service["one"] = "127.0.0.1"
    gateway = udp(f"one:{here.port}", f"two:{there.port}")
    assert arrives(gateway, here)
    name_service["two"] = "127.0.0.1"
    assert arrives(gateway, there)
    name_service["two"] = "127.0.0.2"
    for _ in range(int(PATIENCE_S / 0.05)):
        gateway.send(b"moved")
        try:
            assert elsewhere.recv(255) == b"moved"
            break
        except TimeoutError:
            continue
    else:
        raise AssertionError("it was not followed")
    del name_service["two"]  # a name service that is away is no reason to forget
    assert gateway.notices() == []
    for end in (here, there, gateway, elsewhere):
        end.close()


def test_a_name_service_that_hangs_for_one_holds_up_nobody_else(monkeypatch):
    is_over = threading.Event()
    monkeypatch.setattr(
        socket, "gethostbyname", lambda name: is_over.wait(PATIENCE_S) and "127.0.0.1"
    )
    monkeypatch.setattr(peers, "RESOLVE_S", 0.1)
    node = udp()
    gateway = udp(f"127.0.0.1:{node.port}", "one.example:4300", "two.example:4300")
    gateway.send(b"REPORT")
    assert [one.packet for one in node.receive(PATIENCE_S)] == [b"REPORT"]
    assert [sentence for sentence in gateway.notices() if "takes longer than 0.1 s" in sentence]
    is_over.set()
    gateway.close()
    node.close()
