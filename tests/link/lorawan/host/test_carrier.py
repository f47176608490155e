"""The host's LoRaWAN carrier at a real mosquitto, a network server faked beside it."""

import socket
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from link.carriers.carrier import PortError, Received
from link.lorawan.host.carrier import LoRaWan, NetworkSettings
from link.lorawan.wire import plain_packet, unpack_packet
from link.wire.control import Quality
from link.wire.packet import PacketType
from tests.programs import program
from tests.worlds.broker import (
    PATIENCE_S,
    FakeNetwork,
    broker,
    chirpstack_uplink,
    free_port,
    make_certificate,
    things_stack_uplink,
)

DEVICE = "70b3d57ed005b89a"
UP = f"application/a1/device/{DEVICE}/event/up"


def settings(port, **others):
    usual = {
        "server": "chirpstack",
        "host": "localhost",
        "application": "a1",
        "devices": {DEVICE: 7},
    }
    return NetworkSettings(**usual | others, port=port)


@pytest.fixture
def mosquitto(tmp_path):
    with broker(tmp_path) as running:
        yield running


@pytest.fixture
def network(mosquitto):
    fake = FakeNetwork(mosquitto.port)
    yield fake
    fake.close()


def receive(carrier, n=1):
    received: list[Received] = []
    end_s = time.monotonic() + PATIENCE_S
    while len(received) < n and time.monotonic() < end_s:
        received += carrier.receive(0.1)
    return received


def test_an_uplink_comes_in_as_a_packet_and_a_downlink_goes_out(mosquitto, network):
    carrier = LoRaWan(settings(mosquitto.port))
    network.publish(UP, chirpstack_uplink(DEVICE, 0x1_0005, 101, b"\x01\x02\x03chunk"))
    [received] = receive(carrier)
    header, packet_type, body = unpack_packet(received.packet)
    assert (header.node, header.counter_low, header.salt.hex()) == (7, 5, "01a2b3c4")
    assert (packet_type, body) == (PacketType.DATA, b"\x01\x02\x03chunk")
    assert received.quality == Quality(9.2, -57)
    carrier.send(plain_packet(7, PacketType.REPORT, b"\x00\x05"))
    receive(carrier, 0)
    [(topic, message)] = network.wait_for_downlinks(1)
    assert topic == f"application/a1/device/{DEVICE}/command/down"
    assert message == {"devEui": DEVICE, "confirmed": False, "fPort": 106, "data": "AAU="}
    assert (carrier.statistics.n_sent, carrier.statistics.n_received) == (1, 1)
    carrier.close()


def test_the_things_stack_too(mosquitto, network):
    carrier = LoRaWan(
        settings(
            mosquitto.port, server="things-stack", application="app@ttn", devices={"camera-1": 3}
        )
    )
    network.publish(
        "v3/app@ttn/devices/camera-1/up", things_stack_uplink("camera-1", 0, 101, b"abc"), qos=0
    )
    [received] = receive(carrier)
    assert unpack_packet(received.packet)[0].node == 3
    carrier.send(plain_packet(3, PacketType.COMMAND, b"\x04"))
    [(topic, message)] = network.wait_for_downlinks(1)
    assert topic == "v3/app@ttn/devices/camera-1/down/push"
    assert message["downlinks"][0]["f_port"] == 107
    carrier.close()


def test_what_is_no_uplink_of_ours_is_counted_and_said(mosquitto, network):
    carrier = LoRaWan(settings(mosquitto.port))
    network.publish(UP, b"\x0a\x00")
    network.publish(
        "application/a1/device/ffffffffffffffff/event/up", chirpstack_uplink("f", 1, 101, b"abc")
    )
    network.publish(UP, chirpstack_uplink(DEVICE, 1, 2, b"abc"))
    network.publish(UP, chirpstack_uplink(DEVICE, 1, 106, b"abc"))
    network.publish(UP, chirpstack_uplink(DEVICE, 2, 101, b"abc"))
    assert len(receive(carrier)) == 1
    assert carrier.statistics.n_noise == 4
    protobuf, unknown, other_port, downlink_port = carrier.notices()
    assert "is no JSON" in protobuf
    assert (
        f"device ffffffffffffffff is not known here, only {DEVICE}; if it is yours, add it"
        in unknown
    )
    assert "sent to FPort 2, which is none of ours" in other_port
    assert "FPort 106" in downlink_port
    assert carrier.notices() == []
    with pytest.raises(ValueError, match="node 9 has no device in the network"):
        carrier.send(plain_packet(9, PacketType.REPORT, b""))
    carrier.close()


def test_uplinks_of_the_time_when_the_host_was_away_are_kept_for_it(mosquitto, network):
    LoRaWan(settings(mosquitto.port)).close()
    for counter in range(5):
        network.publish(UP, chirpstack_uplink(DEVICE, counter, 101, b"abc"))
    carrier = LoRaWan(settings(mosquitto.port))
    assert [unpack_packet(one.packet)[0].counter_low for one in receive(carrier, 5)] == [
        0,
        1,
        2,
        3,
        4,
    ]
    carrier.close()


def test_what_was_not_yet_stored_when_the_host_died_comes_again(mosquitto, network):
    carrier = LoRaWan(settings(mosquitto.port))
    network.publish(UP, chirpstack_uplink(DEVICE, 0, 101, b"stored"))
    assert len(receive(carrier)) == 1
    assert carrier.receive(0.0) == []  # by asking again it says that the first is stored
    network.publish(UP, chirpstack_uplink(DEVICE, 1, 101, b"lost"))
    assert len(receive(carrier)) == 1
    carrier._connection.break_off()  # the host dies
    again = LoRaWan(settings(mosquitto.port))
    assert [unpack_packet(one.packet)[2] for one in receive(again)] == [b"lost"]
    again.close()


def test_a_broker_that_goes_away_is_a_port_that_vanished_and_comes_back(mosquitto, network):
    carrier = LoRaWan(settings(mosquitto.port))
    mosquitto.stop()
    with pytest.raises(PortError, match=r"the connection to the broker localhost:\d+ broke"):
        receive(carrier)
    carrier.close()
    with pytest.raises(
        PortError, match=r"the broker localhost:\d+ cannot be reached .*: is it running"
    ):
        LoRaWan(settings(mosquitto.port))
    mosquitto.start()
    LoRaWan(settings(mosquitto.port)).close()


def test_no_broker_there():
    with pytest.raises(
        PortError,
        match=r"cannot be reached \(.*refused\): is it running, and is the network there\?",
    ):
        LoRaWan(settings(free_port()))


def with_password(tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(
        [program("mosquitto_passwd"), "-b", "-c", str(passwords), "app@ttn", "secret"], check=True
    )
    return f"allow_anonymous false\npassword_file {passwords}"


def test_user_and_password_are_needed_where_the_broker_asks_and_never_shown(tmp_path):
    with broker(tmp_path, with_password(tmp_path)) as protected:
        LoRaWan(settings(protected.port, user="app@ttn", password="secret")).close()
        with pytest.raises(
            PortError, match=r"refuses this host \(not authorized\): check user, password"
        ) as caught:
            LoRaWan(settings(protected.port, user="app@ttn", password="wrong-password"))
    assert "wrong-password" not in str(caught.value)
    assert "secret" not in repr(settings(1, user="app@ttn", password="secret"))


def test_tls_with_a_certificate_that_is_trusted_and_one_that_is_not(tmp_path):
    certificate, key = make_certificate(tmp_path)
    tls = f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}"
    with broker(tmp_path, tls) as secure:
        LoRaWan(settings(secure.port, has_tls=True, ca_file=certificate)).close()
        with pytest.raises(PortError, match=r"a certificate that is not trusted .*: set ca_file"):
            LoRaWan(settings(secure.port, has_tls=True))
        with pytest.raises(
            PortError, match=r"does not answer as an MQTT broker does; .* wants TLS \(now off\)"
        ):
            LoRaWan(settings(secure.port))
        with pytest.raises(PortError, match=r"cannot be read .*; name a PEM file"):
            LoRaWan(settings(secure.port, has_tls=True, ca_file=key))


def test_tls_at_a_broker_without_it(mosquitto):
    with pytest.raises(PortError, match=r"localhost:.* (does not speak TLS|cannot be reached)"):
        LoRaWan(settings(mosquitto.port, has_tls=True))


def test_a_user_who_may_not_read_the_application_is_told_so():
    """mosquitto lets anybody subscribe and then delivers nothing; others, as this one, say so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse_subscription():
            with server.accept()[0] as client:
                client.recv(1024)
                client.sendall(bytes.fromhex("20020000"))  # CONNACK: welcome
                subscribe = client.recv(1024)
                client.sendall(bytes([0x90, 3, *subscribe[2:4], 0x80]))  # SUBACK: failure
                client.recv(1024)

        thread = threading.Thread(target=refuse_subscription)
        thread.start()
        with pytest.raises(
            PortError, match=r"\(no right to read application/a1/.*\): check user, password"
        ):
            LoRaWan(settings(server.getsockname()[1], host="127.0.0.1"))
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the carrier left its connection open"


class OddBroker:
    """Takes each connection and says what is told, after so many messages of its client."""

    def __init__(self, *says: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._says = says
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=[client], daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            for said in self._says:
                client.recv(4096)
                client.sendall(said)
            while client.recv(4096):
                pass

    def __enter__(self) -> "OddBroker":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


CONNECTED, SUBSCRIBED = bytes.fromhex("20020000"), bytes.fromhex("9003000101")


@pytest.mark.parametrize("has_tls", [False, True])
def test_a_broker_that_takes_the_connection_and_says_nothing_is_given_up(monkeypatch, has_tls):
    monkeypatch.setattr("link.carriers.mqtt.connection.CONNECT_TIMEOUT_S", 0.3)
    with OddBroker() as silent:
        began_s = time.monotonic()
        with pytest.raises(
            PortError, match=r"does not answer as an MQTT broker does|takes longer than 0.3 s"
        ):
            LoRaWan(settings(silent.port, has_tls=has_tls))
        assert time.monotonic() - began_s < PATIENCE_S / 2


def test_a_broker_that_no_longer_takes_messages_has_not_been_given_one(monkeypatch):
    monkeypatch.setattr("link.carriers.mqtt.connection.TAKEN_S", 0.3)
    with OddBroker(CONNECTED, SUBSCRIBED) as stuck:
        carrier = LoRaWan(settings(stuck.port))
        with pytest.raises(PortError, match=r"has not taken a message for 0.3 s: it hangs"):
            carrier.send(plain_packet(7, PacketType.REPORT, b"\x00\x05"))
        assert carrier.statistics.n_sent == 0
        carrier.close()


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 99, bytes.fromhex("3003ffff00"), bytes(9)]
)
def test_a_broker_that_speaks_something_else_is_told_in_a_sentence(monkeypatch, garbage):
    monkeypatch.setattr("link.carriers.mqtt.connection.CONNECT_TIMEOUT_S", 0.5)
    with OddBroker(garbage) as odd, pytest.raises(PortError, match=r"check its port|broke"):
        LoRaWan(settings(odd.port))


def publish(topic: str) -> bytes:
    """MQTT's PUBLISH, at most once, of a message that is no uplink."""
    name = topic.encode()
    content = len(name).to_bytes(2, "big") + name + b"{}"
    assert len(content) < 128
    return bytes([0x30, len(content)]) + content


def test_what_other_devices_send_is_said_once_each_and_as_it_can_be_read():
    other, odd = (
        f"application/a1/device/{name}/event/up" for name in ("00000000000000ff", "\x1b[2J")
    )
    messages = publish(other) * 50 + publish(odd)
    with OddBroker(CONNECTED, SUBSCRIBED + messages) as broker:
        carrier = LoRaWan(settings(broker.port))
        sentences: list[str] = []
        while carrier.statistics.n_noise < 51:
            carrier.receive(0.1)
            sentences += carrier.notices()
        carrier.close()
    assert len(sentences) == 2
    assert all(sentence.isprintable() for sentence in sentences)
    assert sentences[0].startswith(f"message under {other} is no uplink")


def test_a_message_once_a_connection_is_lost_is_no_success(mosquitto):
    carrier = LoRaWan(settings(mosquitto.port))
    mosquitto.stop()
    with pytest.raises(PortError, match=r"the connection to the broker localhost:\d+ broke"):
        carrier.send(plain_packet(7, PacketType.REPORT, b"\x00\x05"))
    assert carrier.statistics.n_sent == 0
