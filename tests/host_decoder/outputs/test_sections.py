"""[mqtt], [prometheus], [webhook] and [email] of host.toml."""

import pytest

from host_decoder.outputs.sections import (
    read_email,
    read_mqtt,
    read_prometheus,
    read_webhook,
)

MAIL = {"host": "mail", "from": "ll@farm.example", "to": ["me@farm.example"]}


def test_little_needs_to_be_said(tmp_path):
    mqtt = read_mqtt({"host": "broker"}, tmp_path)
    assert (mqtt.topic, mqtt.has_discovery, mqtt.has_pictures) == ("latentlink", True, False)
    assert mqtt.client("farm") == "latentlink-farm"
    assert read_prometheus({}).address == ("127.0.0.1", 9464)
    assert read_prometheus({"listen": "[::1]:9"}).address == ("::1", 9)
    assert read_webhook({"url": "https://host/hook"}, tmp_path).secret is None
    ports = [
        read_email(MAIL | {"security": kind}, tmp_path).smtp_port
        for kind in ("starttls", "tls", "none")
    ]
    assert ports == [587, 465, 25]


def test_passwords_and_secrets_come_from_files_and_are_not_shown(tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    mqtt = read_mqtt({"host": "broker", "user": "me", "password_file": "secret"}, tmp_path)
    webhook = read_webhook({"url": "http://host", "secret_file": "secret"}, tmp_path)
    mail = read_email(MAIL | {"user": "me", "password_file": "secret"}, tmp_path)
    assert (mqtt.password, webhook.secret, mail.password) == ("hunter2",) * 3
    assert "hunter2" not in repr([mqtt, webhook, mail])


@pytest.mark.parametrize(
    ("read", "table", "sentence"),
    [
        (read_mqtt, {}, 'key "host" is missing'),
        (read_mqtt, {"host": "a/b"}, "host is 'a/b'; write its name or address"),
        (read_mqtt, {"host": "b", "topic": "a/+"}, r"topic is 'a/\+'; write letters"),
        (read_mqtt, {"host": "b", "client_id": "a b"}, "client_id is 'a b'"),
        (read_mqtt, {"host": "b", "password_file": "none"}, "password_file: there is no"),
        (read_mqtt, {"host": "b", "password_file": "two"}, "two must hold one line"),
        (read_mqtt, {"host": "b", "ca_file": "none"}, "ca_file: there is no"),
        (read_webhook, {"url": "ftp://host"}, "url is 'ftp://host'; write http://"),
        (read_webhook, {"url": "http://host/\r\nX: y"}, "url is"),
        (read_webhook, {"url": "http://[::1"}, "url is"),
        (
            read_webhook,
            {"url": "https://me:hunter2@host/"},
            "^url has a user before its host",
        ),
        (read_email, MAIL | {"to": []}, "to is empty"),
        (read_email, MAIL | {"from": "me\r\nBcc: x@y"}, "is no mail address"),
        (read_email, MAIL | {"security": "none", "user": "me"}, "told to nobody unencrypted"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, read, table, sentence):
    (tmp_path / "two").write_text("one\ntwo\n")
    with pytest.raises(ValueError, match=sentence):
        read(table, tmp_path)


@pytest.mark.parametrize(
    ("listen", "sentence"),
    [
        ("0.0.0.0:9464", "which others reach, .* say is_open = true"),
        ("host.example:9464", "which others reach"),
        ("9464", "write address and port"),
        ("127.0.0.1:99999", "write address and port"),
    ],
)
def test_figures_are_this_machines_unless_somebody_says_otherwise(listen, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_prometheus({"listen": listen})
    if "others" in sentence:
        assert read_prometheus({"listen": listen, "is_open": True}).address[1] == 9464
