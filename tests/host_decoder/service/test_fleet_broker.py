"""The broker that docs/fleet.md shows, run by mosquitto itself: who has no account is nobody, and a
gateway speaks for itself alone.
"""

import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from link.carriers.carrier import PortError
from link.carriers.mqtt.broker import BrokerSettings
from link.carriers.mqtt.connection import BrokerConnection
from link.gateway import topics
from tests.programs import program
from tests.worlds.broker import PATIENCE_S, broker, free_port, make_certificate

SERVICE = Path(__file__).parents[3] / "host_decoder" / "service"


@pytest.fixture
def fleet_broker(tmp_path):
    """Port and certificate of it."""
    certificate, key = make_certificate(tmp_path)
    for user in ("worker", "farm-roof"):
        new = [] if (tmp_path / "passwords").exists() else ["-c"]
        command = [program("mosquitto_passwd"), *new, "-b", tmp_path / "passwords", user, user]
        subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "passwords").chmod(0o600)
    (tmp_path / "acl").write_text((SERVICE / "fleet-broker.acl").read_text())
    (tmp_path / "acl").chmod(0o600)
    port, text = free_port(), (SERVICE / "fleet-broker.conf").read_text()
    for name, path in {
        "listener 8883": "",
        "certfile certificate.pem": f"certfile {certificate}",
        "keyfile certificate-key.pem": f"keyfile {key}",
        "password_file passwords": f"password_file {tmp_path}/passwords",
        "acl_file fleet-broker.acl": f"acl_file {tmp_path}/acl",
        "persistence_location ./": "",
        "persistence true": "",
    }.items():
        text, n = re.subn(rf"^{re.escape(name)}$", path, text, flags=re.MULTILINE)
        assert n == 1
    with broker(tmp_path, text, port):
        yield port, certificate


def connect(place, user: str | None, *heard: str, client: str = "") -> BrokerConnection:
    port, certificate = place
    settings = BrokerSettings(
        host="localhost",
        port=port,
        user=user,
        password=user,
        has_tls=True,
        ca_file=certificate,
        client_id=client or str(user),
    )
    return BrokerConnection(settings, heard, has_version_5=True)


def test_a_gateway_speaks_for_itself_and_nobody_speaks_without_an_account(fleet_broker):
    with pytest.raises(PortError, match=r"refuses this host \(not authorized\)"):
        connect(fleet_broker, None)
    worker = connect(fleet_broker, "worker", "ll/1/#")
    for site, gateway in (("mill", "roof"), ("farm", "barn")):
        with suppress(PortError):  # mosquitto may hang up on who says what is not theirs
            liar = connect(fleet_broker, "farm-roof", client="liar")
            liar.deliver(topics.up_topic(site, 7, gateway), b"another's")
            liar.work(0.1)
    roof = connect(fleet_broker, "farm-roof", topics.gateway_topic("farm", "roof", "down"))
    roof.deliver(topics.up_topic("farm", 7, "roof"), b"own")
    worker.deliver(topics.gateway_topic("farm", "roof", "down"), b"answer")
    heard: list[bytes] = []
    end_s = time.monotonic() + PATIENCE_S
    while len(heard) < 2 and time.monotonic() < end_s:
        for connection in (worker, roof):
            connection.work(0.05)
            for message in connection.take():
                heard.append(message.payload)
                connection.acknowledge(message)
    assert sorted(heard) == [b"answer", b"own"]
    worker.close()
    roof.close()
