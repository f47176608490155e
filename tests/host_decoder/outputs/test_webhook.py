"""An alert is posted to a real server, signed."""

import hashlib
import hmac
import json
import time

import pytest

from host_decoder.alerts.watch import Alert
from host_decoder.outputs.courier import NotToldError, RefusedError
from host_decoder.outputs.sections import WebhookConfig
from host_decoder.outputs.webhook import Webhook, signature
from tests.worlds.broker import free_port
from tests.worlds.web_server import web_server

ALERT = Alert("Käse", "label", 7, True, 1000.0, "node 7 sees cheese")


def test_a_post_is_signed_and_tells_the_alert():
    with web_server() as server:
        Webhook(WebhookConfig(server.url, secret="hunter2"), "farm").bring(ALERT)
    [(headers, body)] = server.posts
    assert json.loads(body)["sentence"] == "node 7 sees cheese"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Latentlink-Id"] == "K\\xe4se/7/raised/1000.000"
    timestamp = headers["X-Latentlink-Timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    signed = hmac.digest(b"hunter2", f"{timestamp}.".encode() + body, hashlib.sha256).hex()
    assert headers["X-Latentlink-Signature"] == f"sha256={signed}"


def test_the_signature_is_hmac_sha256_as_its_rfc_has_it():
    """RFC 4231, test case 2, whose data is cut at the point that separates time and body."""
    key, data = "Jefe", b"what do ya want.for nothing?"
    timestamp, _, body = data.partition(b".")
    expected = hmac.new(key.encode(), data, hashlib.sha256).hexdigest()
    assert signature(key, timestamp.decode(), body) == f"sha256={expected}"


def test_without_a_secret_nothing_is_signed():
    with web_server() as server:
        Webhook(WebhookConfig(server.url), "farm").bring(ALERT)
    assert "X-Latentlink-Signature" not in server.posts[0][0]


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        (500, NotToldError, "127.0.0.1 answers 500; trying again"),
        (429, NotToldError, "answers 429"),
        (302, RefusedError, "answers 302 and wants to be asked elsewhere; write that address"),
        (404, RefusedError, "127.0.0.1 refuses it \\(404\\)"),
        (410, RefusedError, "refuses it"),
    ],
)
def test_whether_it_is_worth_another_try(code, error, sentence):
    with web_server(code) as server, pytest.raises(error, match=sentence) as caught:
        Webhook(WebhookConfig(f"{server.url}?token=hunter2"), "farm").bring(ALERT)
    assert type(caught.value) is error
    assert "hunter2" not in str(caught.value)
    assert len(server.posts) == 1


def test_nobody_there():
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(NotToldError, match=r"cannot be reached \(.*refused\); trying again"):
        Webhook(WebhookConfig(url), "farm").bring(ALERT)
