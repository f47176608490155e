"""A gateway between a UDP line and a real mosquitto: what nodes send goes up, what workers say goes
back, whatever is away meanwhile.
"""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from link.carriers.mqtt.broker import BrokerSettings, Message
from link.carriers.mqtt.connection import BrokerConnection
from link.gateway import topics
from link.gateway.config import read_forwarder
from link.gateway.forwarder import forward
from link.gateway.relay import AGAIN_S
from link.gateway.topics import SentDown, Uplink
from link.wire.packet import Header
from tests.worlds.broker import PATIENCE_S, broker, free_port

PACKET = Header(7, 1).pack() + b"sealed and tag"


class Worker:
    """The other end, as the test plays it."""

    def __init__(self, port: int, *heard: str) -> None:
        settings = BrokerSettings(host="127.0.0.1", port=port, client_id="worker")
        self._connection = BrokerConnection(settings, heard, has_version_5=True)
        self._seen: list[Message] = []

    def next(self) -> Message:
        end_s = time.monotonic() + PATIENCE_S
        while not self._seen and time.monotonic() < end_s:
            self._connection.work(0.02)
            self._seen += self._connection.take()
        message = self._seen.pop(0)
        self._connection.acknowledge(message)
        return message

    def say(self, topic: str, payload: bytes, about: dict[str, str] | None = None) -> None:
        self._connection.publish(topic, payload, qos=0, about=about)
        self._connection.work(0.01)


@pytest.fixture
def line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.bind(("127.0.0.1", 0))
        node.settimeout(PATIENCE_S)
        yield node


@contextmanager
def gateway(folder, mqtt: int, udp: int, said: list[str]):
    folder.mkdir(exist_ok=True)
    (folder / "forward.toml").write_text(
        f'site = "farm"\nname = "roof"\n[broker]\nhost = "127.0.0.1"\nport = {mqtt}\n'
        f'[link]\nport = "127.0.0.1:{udp}"\nprofile = "udp"\n'
    )
    over = threading.Event()
    config = read_forwarder(folder / "forward.toml")
    thread = threading.Thread(target=forward, args=[config, over.is_set, said.append])
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE_S)


def wait_for(said: list[str], word: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not any(word in sentence for sentence in said):
        assert time.monotonic() < end_s, said
        time.sleep(0.01)


def test_a_packet_goes_up_and_its_answer_comes_back_to_where_it_came_from(tmp_path, line):
    udp = free_port()
    said: list[str] = []
    with broker(tmp_path) as mosquitto:
        worker = Worker(mosquitto.port, topics.up_topics(topics.partition_of("farm", 7)))
        with gateway(tmp_path / "gw", mosquitto.port, udp, said):
            wait_for(said, "goes to the broker")
            line.sendto(PACKET, ("127.0.0.1", udp))
            message = worker.next()
            uplink = Uplink.read(message.payload, message.about)
            assert topics.read_up_topic(message.topic) == ("farm", "roof")
            assert (uplink.packet, uplink.seq) == (PACKET, 1)
            assert abs(uplink.unix_s - time.time()) < PATIENCE_S
            down = SentDown(b"report", uplink.seq, after_s=0.01)
            worker.say(topics.gateway_topic("farm", "roof", "down"), b"report", down.about())
            assert line.recv(100) == b"report"


def test_what_is_heard_while_the_broker_is_away_is_told_later_over_kills_too(tmp_path, line):
    mqtt, udp = free_port(), free_port()
    said: list[str] = []
    with gateway(tmp_path / "gw", mqtt, udp, said):
        wait_for(said, "listening on")
        line.sendto(PACKET, ("127.0.0.1", udp))
        wait_for(said, "what is heard is kept")
        time.sleep(0.1)
    later: list[str] = []
    with broker(tmp_path, port=mqtt):
        worker = Worker(mqtt, topics.up_topics(topics.partition_of("farm", 7)))
        with gateway(tmp_path / "gw", mqtt, udp, later):
            assert worker.next().payload == PACKET
            stored = topics.gateway_topic("farm", "roof", "stored")
            worker.say(stored, b'{"seq": ["no number"]}')
            wait_for(later, "is left out")
            worker.say(stored, topics.pack_stored([1]))
            time.sleep(0.1)
        third: list[str] = []
        with gateway(tmp_path / "gw", mqtt, udp, third):
            wait_for(third, "goes to the broker")
    assert later[0] == "from before this start there wait for a worker: 1"
    assert "from before" not in third[0]


def test_a_worker_that_comes_later_is_told_within_seconds(tmp_path, line):
    udp = free_port()
    said: list[str] = []
    with broker(tmp_path) as mosquitto, gateway(tmp_path / "gw", mosquitto.port, udp, said):
        wait_for(said, "goes to the broker")
        line.sendto(PACKET, ("127.0.0.1", udp))
        time.sleep(0.2)  # the broker has taken it, and nobody reads it
        worker = Worker(mosquitto.port, topics.up_topics(topics.partition_of("farm", 7)))
        begun_s = time.monotonic()
        assert worker.next().payload == PACKET
        assert time.monotonic() - begun_s < AGAIN_S / 4


def test_a_status_says_how_it_is_and_the_broker_says_when_it_is_gone(tmp_path):
    with broker(tmp_path) as mosquitto:
        worker = Worker(mosquitto.port, topics.gateway_topic("farm", "roof", "status"))
        with gateway(tmp_path / "gw", mosquitto.port, free_port(), []):
            assert b'"state": "online", "profile": "udp", "spooled": 0' in worker.next().payload


def test_a_second_gateway_in_one_folder_is_refused(tmp_path):
    with broker(tmp_path) as mosquitto, gateway(tmp_path / "gw", mosquitto.port, free_port(), []):
        time.sleep(0.3)
        config = read_forwarder(tmp_path / "gw" / "forward.toml")
        with pytest.raises(ValueError, match="another gateway works in"):
            forward(config, lambda: True, print)
