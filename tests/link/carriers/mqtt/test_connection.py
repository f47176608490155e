"""A connection to a real mosquitto; how one that fails is told is tests/link/lorawan/host's to
show.
"""

import socket
import threading
import time

import pytest

from link.carriers.carrier import PortError
from link.carriers.mqtt.broker import BrokerSettings, Message, Will
from link.carriers.mqtt.connection import BrokerConnection
from tests.worlds.broker import PATIENCE_S, broker


@pytest.fixture
def mosquitto(tmp_path):
    with broker(tmp_path) as running:
        yield running


def connect(port: int, name: str, *topics: str, **how) -> BrokerConnection:
    settings = BrokerSettings(host="127.0.0.1", port=port, client_id=name)
    return BrokerConnection(settings, topics, **how)


def heard(connection: BrokerConnection, n: int = 1) -> list[Message]:
    """The next n messages, acknowledged."""
    end_s = time.monotonic() + PATIENCE_S
    found: list[Message] = []
    while len(found) < n and time.monotonic() < end_s:
        connection.work(0.05)
        for message in connection.take():
            connection.acknowledge(message)
            found.append(message)
    return found


@pytest.mark.parametrize("has_version_5", [False, True])
def test_messages_go_and_come_and_what_is_kept_is_no_news(mosquitto, has_version_5):
    speaker = connect(mosquitto.port, "speaker", has_version_5=has_version_5)
    assert speaker.is_version_5 is has_version_5
    speaker.deliver("a/kept", b"old", 1)
    sending = speaker.publish("a/kept", b"kept", 1, is_retained=True, expiry_s=60)
    while not sending.is_taken:
        speaker.work(0.05)
    listener = connect(mosquitto.port, "listener", "a/#", has_version_5=has_version_5)
    [kept] = heard(listener)
    speaker.deliver("a/news", b"news", 1)
    [news] = heard(listener)
    assert (kept.topic, kept.payload, kept.is_retained) == ("a/kept", b"kept", True)
    assert (news.topic, news.payload, news.is_retained) == ("a/news", b"news", False)
    speaker.close()
    listener.close()


def test_a_will_is_spoken_for_who_breaks_off_and_not_for_who_closes(mosquitto):
    listener = connect(mosquitto.port, "listener", "status", has_version_5=True)
    for name in ("polite", "dead"):
        client = connect(mosquitto.port, name, will=Will("status", name.encode()))
        client.close() if name == "polite" else client.break_off()
    assert [one.payload for one in heard(listener)] == [b"dead"]
    listener.close()


def test_a_broker_of_version_3_is_spoken_to_in_3():
    """It answers version 5 as MQTT 3.1.1 asks it to (3.2.2.3), and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for _ in range(2):
                client, _ = server.accept()
                with client:
                    version = client.recv(1024)[8]
                    client.sendall(bytes([0x20, 2, 0, 0 if version == 4 else 1]))
                    if version == 4:
                        client.recv(1024)

        thread = threading.Thread(target=serve)
        thread.start()
        connection = connect(server.getsockname()[1], "name", has_version_5=True)
        assert not connection.is_version_5
        connection.close()
        thread.join(PATIENCE_S)


def test_nobody_there_is_told_in_a_sentence():
    with pytest.raises(PortError, match=r"cannot be reached .*: is it running"):
        connect(1, "name", has_version_5=True)
