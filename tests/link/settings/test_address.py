"""Addresses as a person writes them."""

import pytest

from link.settings.address import parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4300", ("127.0.0.1", 4300)),
        ("roof-gateway.example.:1", ("roof-gateway.example.", 1)),
        ("a_b:65535", ("a_b", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", ":1", "a:0", "a:65536", "a:²", "a:+1", "a: 1", "-a:1", "a..b:1", "a/b:1"],
)
def test_what_is_none_is_refused_with_an_example(text):
    with pytest.raises(
        ValueError, match=r"is no UDP address: write host:port, such as 192\.168\.1\.5:4300"
    ):
        parse_address(text)


def test_a_port_to_receive_at_may_be_left_to_the_system():
    assert parse_address("0.0.0.0:0", lowest_port=0) == ("0.0.0.0", 0)
