"""What pages, workers and the leader leave for each other is read as it was written."""

import json

import pytest

from host_decoder.fleet.words import order_name, read_duty, read_order


def test_an_order_names_its_node():
    assert read_order(order_name("farm", 7, "status")) == ("farm", 7, "status")


@pytest.mark.parametrize(
    "status",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"used_s": 1}',
        b'{"used_s": "x", "limit_s": 36}',
        b"\xff",
        b'{"used_s": 0, "limit_s": 0}',
        b'{"state": "offline"}',
    ],
)
def test_a_gateway_without_a_limit_has_no_duty(status):
    assert read_duty(status) is None


def test_the_duty_of_a_gateway_is_in_its_status():
    said = read_duty(b'{"state": "online", "used_s": 9.0, "limit_s": 36.0}')
    assert said is not None
    assert json.loads(said) == {"used_s": 9.0, "limit_s": 36.0}
