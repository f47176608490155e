"""A real mosquitto for tests, and a network server beside it that publishes uplinks and keeps
downlinks.
"""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.programs import program

PATIENCE_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """mosquitto on a port of its own; may be stopped and started again, and keeps what waits for
    its clients.
    """

    def __init__(
        self, folder: Path, settings: str = "allow_anonymous true", port: int | None = None
    ) -> None:
        binary = program("mosquitto")
        self.port = port or free_port()
        self._command = [binary, "-c", str(folder / "mosquitto.conf")]
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location "
            f"{folder}/\nuser root\n{settings}\n"
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("mosquitto does not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)


@contextmanager
def broker(
    folder: Path, settings: str = "allow_anonymous true", port: int | None = None
) -> Iterator[Broker]:
    running = Broker(folder, settings, port)
    try:
        yield running
    finally:
        running.stop()


class FakeNetwork:
    """The network server's own end at the broker: uplinks of its devices go out, downlinks to them
    come in.
    """

    def __init__(self, port: int) -> None:
        self.downlinks: list[tuple[str, dict]] = []
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_message = lambda _client, _data, message: self.downlinks.append(
            (message.topic, json.loads(message.payload))
        )
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(
            [("application/+/device/+/command/down", 1), ("v3/+/devices/+/down/push", 1)]
        )
        self._client.loop_start()

    def publish(self, topic: str, content: dict | bytes, qos: int = 1) -> None:
        message = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._client.publish(topic, message, qos).wait_for_publish(PATIENCE_S)

    def wait_for_downlinks(self, n: int) -> list[tuple[str, dict]]:
        end_s = time.monotonic() + PATIENCE_S
        while len(self.downlinks) < n and time.monotonic() < end_s:
            time.sleep(0.01)
        return self.downlinks

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def chirpstack_uplink(
    device: str, frame_counter: int, port: int, body: bytes, address: str = "01a2b3c4"
) -> dict:
    """An UplinkEvent of ChirpStack v4 that two gateways heard."""
    return {
        "deduplicationId": f"9a7c{frame_counter:08x}",
        "time": "2026-03-01T12:00:00.123456+00:00",
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "applicationId": "a1",
            "applicationName": "latentlink",
            "deviceProfileName": "node",
            "deviceName": "node",
            "devEui": device,
            "tags": {},
        },
        "devAddr": address,
        "adr": True,
        "dr": 5,
        "fCnt": frame_counter,
        "fPort": port,
        "confirmed": True,
        "data": base64.b64encode(body).decode(),
        "rxInfo": [
            {
                "gatewayId": "0016c001f153a14c",
                "uplinkId": 4217,
                "rssi": -97,
                "snr": -3.5,
                "crcStatus": "CRC_OK",
            },
            {
                "gatewayId": "0016c001f153a14d",
                "uplinkId": 4218,
                "rssi": -57,
                "snr": 9.2,
                "crcStatus": "CRC_OK",
            },
        ],
        "txInfo": {
            "frequency": 868100000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}},
        },
    }


def things_stack_uplink(
    device: str, frame_counter: int, port: int, body: bytes, address: str = "260B4D01"
) -> dict:
    """An ApplicationUp of The Things Stack v3; as there, numbers that are zero are left out."""
    uplink = {
        "session_key_id": "AWNbm/4zfqx0jZ5q1NlBmw==",
        "f_port": port,
        "f_cnt": frame_counter,
        "frm_payload": base64.b64encode(body).decode(),
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "roof"}, "rssi": -68, "channel_rssi": -68, "snr": 9.5}
        ],
        "settings": {
            "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}},
            "frequency": "868100000",
        },
        "consumed_airtime": "0.061696s",
    }
    return {
        "end_device_ids": {
            "device_id": device,
            "application_ids": {"application_id": "app"},
            "dev_eui": "70B3D57ED005B89A",
            "dev_addr": address,
        },
        "correlation_ids": ["as:up:01HX6YGQ7E0V83YRZ7K4S5J4ZN"],
        "received_at": "2026-05-25T13:42:11.412Z",
        "uplink_message": {key: value for key, value in uplink.items() if value not in (0, "")},
    }


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
