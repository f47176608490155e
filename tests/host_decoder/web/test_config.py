"""[web]: this machine alone unless more is said, and nothing that strangers reach without TLS."""

import pytest

from host_decoder.web.config import PORT, WebConfig, read_web


def test_without_more_the_page_is_at_this_machine_alone(tmp_path):
    config = read_web({}, tmp_path)
    assert (config.address, config.port, config.url) == (
        "127.0.0.1", PORT, f"http://127.0.0.1:{PORT}",
    )  # fmt: skip
    assert config.is_local
    assert not config.wants_tokens
    assert config.hosts() == {f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}"}


def test_at_any_other_address_it_wants_tokens_and_tls(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    pem = {"certificate": "cert.pem", "certificate_key": "key.pem"}
    config = read_web({"address": "0.0.0.0", "names": ["farm.example"], **pem}, tmp_path)
    assert config.wants_tokens
    assert config.certificate == tmp_path / "cert.pem"
    assert "farm.example" in config.hosts()
    assert read_web({"address": "10.0.0.4", "behind_proxy": True}, tmp_path).has_tls


def test_behind_a_proxy_it_wants_tokens_also_at_this_machine(tmp_path):
    assert read_web({"behind_proxy": True}, tmp_path).wants_tokens


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"address": "0.0.0.0"}, "nothing speaks TLS there"),
        ({"address": "farm.example"}, "write an IP address"),
        ({"certificate": "cert.pem"}, "go together"),
        ({"certificate": "no.pem", "certificate_key": "no.pem"}, "there is no "),
        ({"names": ["https://farm.example"]}, "write a name"),
        ({"port": 0}, "from 1 to 65535"),
        ({"adress": "::1"}, "is unknown"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, table, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_web(table, tmp_path)


def test_an_ipv6_address_stands_in_brackets():
    assert WebConfig(address="::1", port=80).hosts() >= {"[::1]", "[::1]:80"}
