"""Whom the host speaks to besides, as host.toml says it."""

from pathlib import Path

import pytest

from host_decoder.errors import ConfigError
from host_decoder.outputs.config import MAX_ALERTS, OutputsConfig, read_outputs

HOST = Path("/farm/host.toml")


def test_nothing_said_is_nothing_done():
    assert read_outputs(HOST, {}, {7}) == OutputsConfig()


def test_each_section_and_each_alert_is_read():
    table = {
        "mqtt": {"host": "broker"},
        "prometheus": {},
        "alert": [{"kind": "silent"}, {"kind": "label", "label": "cat", "nodes": [7]}],
        "webhook": {"url": "http://host"},
        "email": {"host": "mail", "from": "a@b", "to": ["c@d"]},
    }
    outputs = read_outputs(HOST, table, {7})
    assert [rule.title for rule in outputs.alerts] == ["silent", "label cat"]
    assert None not in (outputs.mqtt, outputs.prometheus, outputs.webhook, outputs.email)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"mqtt": {}}, r'\[mqtt\] of /farm/host.toml: key "host" is missing'),
        ({"alert": [{"kind": "x"}]}, r"\[\[alert\]\] 1 of /farm/host.toml: kind is"),
        ({"alert": [{"kind": "fault"}] * 2}, r"has two \[\[alert\]\] called 'fault'; give one"),
        ({"alert": [{"kind": "fault", "nodes": [8]}]}, "is about node 8, .*; there are 7"),
        ({"alert": [{"kind": "fault"}] * (MAX_ALERTS + 1)}, "a host has at most 100"),
    ],
)
def test_what_cannot_be_is_a_sentence(table, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_outputs(HOST, table, {7})
