"""A session at a real mosquitto comes back by itself, and says once why it is away."""

import time

from link.carriers.carrier import PortError
from link.carriers.mqtt.broker import BrokerSettings, Message
from link.carriers.mqtt.connection import BrokerConnection
from link.carriers.mqtt.session import BrokerSession
from tests.worlds.broker import PATIENCE_S, broker, free_port


def session(port: int, told: list[PortError | None], **how) -> BrokerSession:
    settings = BrokerSettings(host="127.0.0.1", port=port, client_id="one")
    return BrokerSession(lambda: BrokerConnection(settings, ["a"], **how), told.append)


def opened(one: BrokerSession) -> BrokerConnection:
    end_s = time.monotonic() + PATIENCE_S
    while (connection := one.connection) is None:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    return connection


def test_nobody_waits_for_a_broker_that_is_away_and_it_is_told_once(tmp_path):
    told: list[PortError | None] = []
    port = free_port()
    one = session(port, told)
    begun_s = time.monotonic()
    assert one.connection is None
    assert time.monotonic() < begun_s + 1.0
    while not told:
        assert one.connection is None
    time.sleep(1.2)
    assert one.connection is None
    with broker(tmp_path, port=port):
        opened(one)
        one.close()
    assert told[-1] is None
    assert [type(one) for one in told[:-1]] == [PortError]


def test_what_comes_while_a_session_is_away_waits_for_it(tmp_path):
    told: list[PortError | None] = []
    with broker(tmp_path) as mosquitto:
        one = session(mosquitto.port, told, keeps_session=True, has_version_5=True)
        opened(one)
        one.close()
        other = BrokerConnection(
            BrokerSettings(host="127.0.0.1", port=mosquitto.port, client_id="two"),
            has_version_5=True,
        )
        other.deliver("a", b"kept")
        other.publish("a", b"told", about={"heard": "1 2"})
        other.work(0.1)
        connection = opened(one)
        came: list[Message] = []
        end_s = time.monotonic() + PATIENCE_S
        while len(came) < 2 and time.monotonic() < end_s:
            connection.work(0.05)
            came += connection.take()
        assert [(message.payload, dict(message.about)) for message in came] == [
            (b"kept", {}),
            (b"told", {"heard": "1 2"}),
        ]
        assert connection.fileno() >= 0
        one.lose(PortError("broke"))
        assert [str(one) for one in told if one] == ["broke"]
        other.close()
        one.close()
